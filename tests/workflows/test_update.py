"""Update: a checkpoint learns from the log of the service, and a log or a model that is worse is refused."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import xcat_rec
from xcat_rec.checkpoints.load import load_base
from xcat_rec.cli.app import main
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.state.sqlite_log import SQLiteLog
from xcat_rec.workflows import update_guards
from xcat_rec.workflows.errors import REFUSED, UpdateRefusedError
from xcat_rec.workflows.update import UpdateResult, update
from xcat_rec.workflows.update_data import read_log

from ..log_shop import LATER, POISONS, USERS, Shoppers, events_table, log_of, poisoned, shop, write_log
from ..tiny_shop import QUICK, SMALL, save_text_encoder

SEEDS = 20


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("update")
    made = xcat_rec.fit(
        shop(), folder / "checkpoint", text_encoder=str(save_text_encoder(folder / "encoder")),
        tune_second_stage=False, target_heads=["category"], **SMALL, **{**QUICK, "num_train_epochs": 6},
    )  # fmt: skip
    return made.output


@pytest.fixture(scope="module")
def real_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return log_of(tmp_path_factory.mktemp("real") / "state.db", Shoppers(5, 0.1).users(USERS))


@pytest.fixture(scope="module")
def old_files(checkpoint: Path) -> dict[str, bytes]:
    return files_of(checkpoint)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    shop().items.write_parquet(folder / "items.parquet")
    shop().events.write_parquet(folder / "events.parquet")
    return folder


@pytest.fixture(scope="module")
def updated(
    checkpoint: Path, old_files: dict[str, bytes], real_log: Path, tables: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> UpdateResult:  # fmt: skip
    return update(checkpoint, real_log, tmp_path_factory.mktemp("updated") / "new", data=str(tables))


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def refused_by(checkpoint: Path, log: Path, output: Path, **options: Any) -> str:
    with pytest.raises(UpdateRefusedError) as refusal:
        update(checkpoint, log, output, **options)
    assert not output.exists() and not list(output.parent.glob(".xcat-update-*")), "nothing is left behind"
    assert [guard["passed"] for guard in refusal.value.guards] == [True] * (len(refusal.value.guards) - 1) + [False]
    return str(refusal.value.guards[-1]["name"])


def test_a_real_log_makes_a_new_checkpoint_and_leaves_the_old_one(
    checkpoint: Path, old_files: dict[str, bytes], updated: UpdateResult
) -> None:
    assert [guard.name for guard in updated.guards] == ["users", "order", "likeness", "log", "earlier", "lists"]
    assert all(guard.passed for guard in updated.guards) and updated.replayed == 150
    assert files_of(checkpoint) == old_files and not list(updated.output.parent.glob(".xcat-update-*"))
    old, new = (XCatRecommender.from_pretrained(folder) for folder in (checkpoint, updated.output))
    counted = [one.model.model.items.item_counts.sum() for one in (old, new)]
    assert counted[1] - counted[0] == sum(map(len, updated.log.data.train.with_format(None)["items"]))
    weights = zip(old.model.parameters(), new.model.parameters(), strict=True)
    assert any(not torch.equal(one, other) for one, other in weights)
    assert len(new.recommend(["i03", "i07"], 5)) == 5
    assert new.model.config.target_head_weights == old.model.config.target_head_weights != {}
    assert torch.equal(new.model.model.target_heads.weight, old.model.model.target_heads.weight), "heads stay"
    assert new.recommend_targets(["i03", "i07"], "category")[0].name


def test_the_latest_part_of_the_log_is_never_trained_on(updated: UpdateResult) -> None:
    data = updated.log.data
    trained = max(max(times) for times in data.train.with_format(None)["timestamps"])
    chosen = max(max(times) for times in data.validation.with_format(None)["timestamps"])
    times = np.sort(data.selected.events["timestamp"].to_numpy())
    first, second = (times[int(share * len(times))] for share in (0.8, 0.9))
    assert trained < first and chosen < second and len(data.test) >= 50


def test_the_card_says_what_it_was_updated_from_and_names_no_user(updated: UpdateResult) -> None:
    card = (updated.output / "README.md").read_text(encoding="utf-8")
    section = card.partition("## Update")[2].partition("\n## ")[0]
    assert f"{updated.log.events:,} events of {USERS} users, 2024-07-03 to 2024-09-01" in section
    guard = updated.guards[3]
    assert f"difference {guard.value}" in section and "model-index" not in card
    assert not any(f"c{user}" in section.split() for user in range(USERS))
    assert card.index("# XCat for log shop") < card.index("## Update") < card.index("## Intended use")


@pytest.mark.parametrize("kind", POISONS)
def test_poisoned_logs_are_refused(checkpoint: Path, tmp_path: Path, kind: str) -> None:
    log = log_of(tmp_path / "state.db", poisoned(kind, 1), 1)
    expected = "users" if kind in ("promotion", "campaign", "copies") else "likeness"
    assert refused_by(checkpoint, log, tmp_path / "new", data=shop()) == expected


def test_a_log_without_any_order_is_refused_before_training(checkpoint: Path, tmp_path: Path) -> None:
    log = log_of(tmp_path / "state.db", poisoned("shuffled", 3, share=1.0), 3)
    assert refused_by(checkpoint, log, tmp_path / "new", num_train_epochs=0.01) == "order"


def test_a_flood_of_one_user_counts_as_one_history(checkpoint: Path, tmp_path: Path) -> None:
    flood = events_table([[7] * 5_000], LATER, name="flood")
    log = write_log(tmp_path / "state.db", pl.concat([events_table(Shoppers(5, 0.1).users(USERS), LATER), flood]))
    model, processor = load_base(checkpoint)
    found = read_log(log, model, processor)
    assert [9] * model.config.max_history in found.histories
    assert found.capped > 4_900


def test_a_model_that_is_worse_is_refused() -> None:
    rng = np.random.default_rng(0)
    before = rng.random(200)
    same, worse, little = before, before - 0.1 * rng.random(200), before * 0.98
    assert update_guards.log_guard(before, same).passed and not update_guards.log_guard(before, worse).passed
    assert update_guards.earlier_guard(before, little, drawn=False).passed
    assert not update_guards.earlier_guard(before, before * 0.94, drawn=False).passed
    assert update_guards.earlier_guard(before, before * 0.94, drawn=True).passed
    assert not update_guards.earlier_guard(before, before * 0.84, drawn=True).passed
    assert update_guards.likeness_guard(before * 0.76, before).passed
    assert not update_guards.likeness_guard(before * 0.74, before).passed


def test_lists_full_of_one_item_are_refused(checkpoint: Path) -> None:
    old, new = (XCatRecommender.from_pretrained(checkpoint) for _ in range(2))
    rows = update_guards.drawn_rows(old, 64)
    assert update_guards.lists_guard(old, old, rows, 0.1).value == 0.0
    shown = update_guards.lists_of(old, rows)
    rare = int(np.bincount(shown.ravel(), minlength=len(old.vocabulary))[2:].argmin()) + 2
    with torch.no_grad():
        new.model.model.items.id_embeddings.weight[rare] *= 0
    boosted = XCatRecommender(new.model, new.processor)
    scores = boosted.score_rows

    def promoting(*args: Any, **options: Any) -> torch.Tensor:
        found = scores(*args, **options)
        found[:, rare] += 100.0
        return found

    boosted.score_rows = promoting  # type: ignore[method-assign]
    guard = update_guards.lists_guard(old, boosted, rows, 0.1)
    assert not guard.passed and old.vocabulary.decode([rare])[0] in guard.about


def test_items_that_were_added_to_the_index_are_kept(checkpoint: Path, real_log: Path, tmp_path: Path) -> None:
    service = XCatRecommender.from_pretrained(checkpoint)
    service.save_index(tmp_path / "index")
    service.add_items(
        {"item_id": ["new-1"], "title": ["boots number 61"], "category": ["boots"], "brand": ["brand 1"]}
    )
    service.save_index(tmp_path / "index")
    found = update(checkpoint, real_log, tmp_path / "new", index=tmp_path / "index")
    assert found.new_items == 1 and found.replayed == 0
    assert XCatRecommender.from_pretrained(tmp_path / "new").vocabulary.decode([62]) == ["new-1"]


def test_logs_that_say_nothing_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    SQLiteLog(tmp_path / "empty.db").close()
    with pytest.raises(ValueError, match=r"empty\.db has no events"):
        update(checkpoint, tmp_path / "empty.db", tmp_path / "new")
    few = log_of(tmp_path / "few.db", Shoppers(1).users(60))
    with pytest.raises(ValueError, match=r"users in the (validation|test) part of .* and 50 are needed"):
        update(checkpoint, few, tmp_path / "new")
    events = events_table(Shoppers(1).users(USERS), LATER)
    other = write_log(tmp_path / "other.db", events.with_columns(pl.col("item_id") + "-x"))
    with pytest.raises(ValueError, match=r"log: 0 of [\d,]+ events have an item of the checkpoint"):
        update(checkpoint, other, tmp_path / "new")
    clicks = write_log(tmp_path / "clicks.db", events.with_columns(event_type=pl.lit("click")))
    with pytest.raises(ValueError, match=r"no event has a type .* the types are click, and the checkpoint has"):
        update(checkpoint, clicks, tmp_path / "new")
    with pytest.raises(OSError, match=r"nowhere\.db cannot be read"):
        update(checkpoint, tmp_path / "nowhere.db", tmp_path / "new")
    sqlite3.connect(tmp_path / "foreign.db").execute("CREATE TABLE t (a)")
    with pytest.raises(OSError, match=r"no such table: events.*give its SQLite file"):
        update(checkpoint, tmp_path / "foreign.db", tmp_path / "new")
    assert not (tmp_path / "new").exists() and not (tmp_path / "nowhere.db").exists()


def test_ignored_types_are_left_out_and_a_missing_type_is_the_target(checkpoint: Path, tmp_path: Path) -> None:
    events = events_table(Shoppers(1).users(USERS), LATER).with_row_index("n")
    kind = pl.when(pl.col("n") % 4 == 0).then(pl.lit("click")).otherwise(pl.lit(""))
    log = write_log(tmp_path / "state.db", events.with_columns(event_type=kind))
    for ignore_types in ([], ["click"]):  # the checkpoint was not trained on clicks
        found = read_log(log, *load_base(checkpoint), ignore_types=ignore_types)
        assert found.ignored == -(-len(events) // 4)
        assert set(found.data.selected.events["event_type"]) == {"purchase"}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"growth": 0.0}, "growth is 0"), ({"pull": -1.0}, "pull is -1"), ({"ignore_types": "a"}, "ignore_types is")],
)
def test_wrong_arguments_are_named(
    checkpoint: Path, real_log: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        update(checkpoint, real_log, tmp_path / "new", **options)
    with pytest.raises(ValueError, match="is the checkpoint itself"):
        update(checkpoint, real_log, checkpoint, overwrite=True)


def test_the_command_has_its_own_exit_code_for_a_refusal(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = log_of(tmp_path / "state.db", poisoned("promotion", 2))
    with pytest.raises(SystemExit) as stop:
        main(["update", str(checkpoint), str(log), "--output", str(tmp_path / "new"), "--json"])
    shown = capsys.readouterr()
    assert stop.value.code == REFUSED and "update refused by the guard 'users', and nothing was written" in shown.err
    printed = json.loads(shown.out.splitlines()[-1])
    assert printed["accepted"] is False and printed["guards"][-1]["name"] == "users"
    assert not (tmp_path / "new").exists()


def test_the_command_prints_what_python_returns(
    checkpoint: Path, real_log: Path, tables: Path, updated: UpdateResult, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    output = tmp_path / "new"
    command = ["update", str(checkpoint), str(real_log), "--output", str(output), "--data", str(tables), "--json"]
    with pytest.raises(SystemExit) as stop:
        main(command)
    shown = capsys.readouterr()
    assert not stop.value.code, shown.err
    printed = json.loads(shown.out.splitlines()[-1])
    assert printed == {**json.loads(json.dumps(updated.to_dict())), "output": str(output)}
    assert (output / "model.safetensors").read_bytes() == (updated.output / "model.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("kind", POISONS)
def test_twenty_of_twenty_poisoned_logs_are_refused(checkpoint: Path, tmp_path: Path, kind: str) -> None:
    for seed in range(SEEDS):
        log = log_of(tmp_path / f"{seed}.db", poisoned(kind, seed), seed)
        refused_by(checkpoint, log, tmp_path / "new", data=shop())


@pytest.mark.slow
def test_twenty_of_twenty_real_logs_are_accepted(checkpoint: Path, tmp_path: Path) -> None:
    for seed in range(SEEDS):
        log = log_of(tmp_path / f"{seed}.db", Shoppers(seed, 0.1).users(USERS), seed)
        assert update(checkpoint, log, tmp_path / f"new-{seed}", data=shop()).output.is_dir()


def test_wrong_arguments_are_named_before_any_work(checkpoint: Path, real_log: Path, tmp_path: Path) -> None:
    for options, message in (
        ({"learning_rate": float("nan")}, "learning_rate is nan"), ({"learning_rate": 0}, "learning_rate is 0"),
        ({"num_train_epochs": float("inf")}, "num_train_epochs is inf"), ({"pull": float("nan")}, "pull is nan"),
        ({"growth": float("nan")}, "growth is nan"), ({"seed": -1}, "seed is -1"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            update(checkpoint, real_log, tmp_path / "new", **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is inside of the checkpoint"):
        update(checkpoint, real_log, checkpoint / "new")
    with pytest.raises(ValueError, match="log is the store redis:, which is no file; give a SQLite file"):
        update(checkpoint, "redis://localhost:1/0", tmp_path / "new")
    model, processor = load_base(checkpoint)
    assert read_log(f"sqlite:///{real_log}", model, processor).users == USERS
    assert not (tmp_path / "new").exists() and not (checkpoint / "new").exists()
