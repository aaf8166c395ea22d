"""`attack` and `xcat attack`: the same result, gains of fake users, and refusals before any work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import xcat_rec
from xcat_rec.evaluation.attacks import attack_shop
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.tables.schema import ShopTables
from xcat_rec.workflows.attack_refit import refit

from ..cli.commands import refused, run
from ..hub.checkpoints import save_checkpoint
from ..tiny_shop import shop, write_shop

TARGETS = ["item-05", "item-17"]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("attack")
    return save_checkpoint(folder / "checkpoint"), write_shop(folder / "shop")


def test_the_call_and_the_command_agree(
    places: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, data = places
    told: list[str] = []
    found = xcat_rec.attack(
        checkpoint, data, tmp_path / "one", kind=["bandwagon", "prompt"], share=0.2, defend=["detect"],
        promote=TARGETS, epochs=0, tell=told.append,
    )  # fmt: skip
    assert [*found.cells] == [
        (kind, defence) for kind in ("no attack", "bandwagon", "prompt") for defence in ("none", "detect")
    ]
    assert len(told) == 6 and "bandwagon, detect: promoted items in" in told[3] and "detector AUC" in told[3]
    plain = json.loads(json.dumps(found.to_dict()))
    assert json.loads((tmp_path / "one" / "attack.json").read_text()) == plain
    assert (tmp_path / "one" / "table.md").read_text() == found.table()
    assert "nan" not in found.table()
    command = [
        "attack", str(checkpoint), str(data), "--output", str(tmp_path / "two"), "--kind", "bandwagon,prompt",
        "--share", "0.2", "--defend", "detect", "--promote", ",".join(TARGETS), "--epochs", "0", "--json",
    ]  # fmt: skip
    assert run(command, capsys) == plain
    refused(command, capsys, ["--output", "holds an earlier result; give another folder or --overwrite"])
    clean, attacked = found.cells["no attack", "none"], found.cells["bandwagon", "none"]
    assert clean.gain.mean == 0 == clean.change.mean and attacked.cost["users"] == 12 <= attacked.promoting
    assert attacked.gain.mean == pytest.approx(np.nanmean(attacked.hits) - np.nanmean(clean.hits))
    assert found.cells["prompt", "detect"].targets_removed == 2
    value = found.equilibrium
    assert value is not None and sum(value.attacker.values()) == pytest.approx(1)
    worst = max(min(found.payoff(kind, defence) for defence in ("none", "detect")) for kind in ("bandwagon", "prompt"))
    assert value.value >= worst - 1e-9


def test_robust_training_is_a_defence_that_removes_nothing(
    places: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "attack", *map(str, places), "--output", str(tmp_path / "out"), "--kind", "random", "--share", "0.2",
        "--defend", "robust", "--promote", ",".join(TARGETS), "--epochs", "0", "--json",
    ]  # fmt: skip
    cells = {(cell["attack"], cell["defence"]): cell for cell in run(command, capsys)["cells"]}
    cell = cells["random", "robust"]
    assert 0 < cell["auc"] <= 1 and not cell["removed"] and not cell["events_left_out"] and not cell["titles_removed"]


def test_weights_of_events_change_item_to_item_weights_and_transitions_but_no_count(places: tuple[Path, Path]) -> None:
    old = XCatRecommender.from_pretrained(places[0])
    events = shop().events.select("user_id", "item_id").rows()
    plain = refit(old, shop(), epochs=0)
    assert _same_state(refit(old, shop(), weights=dict.fromkeys(events, 1.0), epochs=0), plain)
    found = refit(old, shop(), weights={event: 0.1 for event in events if event[1] == TARGETS[0]}, epochs=0)
    differs = {
        name
        for name, value in found.model.state_dict().items()
        if not torch.equal(value, plain.model.state_dict()[name])
    }
    assert "model.neighbors.similarities" in differs and "model.successors.similarities" in differs
    assert {name.split(".")[1] for name in differs} == {"neighbors", "successors"}
    weaker, before = (one.model.model.successors for one in (found, plain))
    row = int(old.vocabulary.encode(TARGETS[:1])[0])
    assert weaker.similarities[weaker.rows == row].max() < 0.5 * before.similarities[before.rows == row].max()


def _same_state(one: XCatRecommender, other: XCatRecommender) -> bool:
    states = one.model.state_dict(), other.model.state_dict()
    return all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_fine_tuning_on_fake_users_changes_counts_and_weights_of_a_copy(places: tuple[Path, Path]) -> None:
    old = XCatRecommender.from_pretrained(places[0])
    before = {name: value.clone() for name, value in old.model.state_dict().items()}
    attacked = attack_shop(shop(), "popular", TARGETS, share=0.5, seed=1)
    counted = refit(old, attacked.shop, epochs=0)
    honest = refit(old, shop(), epochs=0)
    rows = old.vocabulary.encode(TARGETS)
    fakes = attacked.shop.events.filter(attacked.shop.events["user_id"].is_in(list(attacked.fakes)))
    gained = (counted.model.model.items.item_counts - honest.model.model.items.item_counts)[rows]
    assert gained.tolist() == [(fakes["item_id"] == item).sum() for item in TARGETS]
    trained = refit(old, attacked.shop, epochs=3)
    moved = [name for name, value in trained.model.named_parameters() if not torch.equal(value, before[name])]
    assert moved and not any(name.startswith("model.text.encoder.") for name in moved)
    new = refit(old, shop(), start="new", epochs=0).model
    torch.rand(3)
    assert _same_state(refit(old, shop(), start="new", epochs=0), XCatRecommender(new, old.processor))
    assert not torch.equal(new.model.items.id_embeddings.weight, old.model.model.items.id_embeddings.weight)
    for name in ("model.items.text_states", "model.text.whitening"):
        assert torch.equal(new.state_dict()[name], before[name])
    assert all(torch.equal(value, before[name]) for name, value in old.model.state_dict().items())


def test_a_changed_title_changes_the_stored_text_of_its_item_only(places: tuple[Path, Path]) -> None:
    old = XCatRecommender.from_pretrained(places[0])
    found = refit(old, attack_shop(shop(), "copied-title", TARGETS[:1], seed=0).shop, epochs=0)

    def texts(one: XCatRecommender) -> torch.Tensor:
        items = one.model.model.items
        return items.text_states[items.text_index.long(), 0]

    differs = (texts(found) != texts(old)).any(dim=1).nonzero().flatten().tolist()
    assert differs == old.vocabulary.encode(TARGETS[:1]).tolist()
    assert found.vocabulary.column("item_id").to_pylist() == old.vocabulary.column("item_id").to_pylist()


def test_bad_arguments_are_refused_before_any_work(
    places: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, data = places
    command = ["attack", str(checkpoint), str(data), "--output", str(tmp_path / "new")]
    for given, words in (
        (["--kind", "ddos"], ["--kind", "'ddos'", "bandwagon"]),
        (["--defend", "walls"], ["--defend", "'walls'", "detect"]),
        (["--share", "2"], ["--share", "at most 1"]),
        (["--epochs", "-1"], ["--epochs", "0 or more"]),
        (["--promote", "nothing"], ["--promote has 'nothing'", "not an item"]),
    ):
        refused([*command, *given], capsys, words)
    (tmp_path / "notes.txt").write_text("mine")
    refused([*command[:-1], str(tmp_path)], capsys, ["--output", "notes.txt; give a folder for the results"])
    with pytest.raises(ValueError, match="data lacks 1 of the 40 items of the checkpoint"):
        refit(XCatRecommender.from_pretrained(checkpoint), _without(shop(), "item-05"))


def _without(tables: ShopTables, item: str) -> ShopTables:
    items, events = (part.filter(part["item_id"] != item) for part in (tables.items, tables.events))
    return replace(tables, items=items, events=events)
