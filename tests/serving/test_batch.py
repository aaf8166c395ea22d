"""Batch recommendation in this process: a file of users in, a parquet file out."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xcat_rec.checkpoints.saved_tables import saved_item_ids
from xcat_rec.cli.app import main
from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving import batch
from xcat_rec.serving.batch import (
    RECOMMENDATIONS,
    BatchRequest,
    blocks_of,
    histories_table,
    recommend_block,
    write_recommendations,
)
from xcat_rec.tokenization.progress import listening
from xcat_rec.tokenization.progress_bars import ProgressBars
from xcat_rec.tokenization.sequences.histories import Histories, read_histories
from xcat_rec.tokenization.vocabulary import ItemVocabulary
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

from ..tiny_shop import SMALL, events_table, save_text_encoder, shop


def save_checkpoint(folder: Path) -> Path:
    """A model without training, with its processor."""
    encoder = str(save_text_encoder(folder / "encoder"))
    prepared = prepare_training(
        shop(), PreparationOptions(text_encoder=encoder, split="leave-one-out", config=SMALL, cache_dir=folder)
    )
    prepared.model.save_pretrained(folder / "checkpoint")
    prepared.processor.save_pretrained(folder / "checkpoint")
    return folder / "checkpoint"


def write_users(path: Path, users: int = 20) -> Path:
    """Events of many users, all of them mixed."""
    events_table(users).sample(fraction=1, shuffle=True, seed=2).write_csv(path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("batch"))


@pytest.fixture(scope="module")
def recommender(checkpoint: Path) -> XCatRecommender:
    return XCatRecommender.from_pretrained(checkpoint)


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    shown = capsys.readouterr()
    return (stop.value.code if isinstance(stop.value.code, int) else 0), shown.out, shown.err


def test_the_file_equals_recommend_many(checkpoint, recommender, tmp_path, capsys):
    users, output = write_users(tmp_path / "users.csv"), tmp_path / "found.parquet"
    code, out, err = run(
        ["recommend", str(checkpoint), "--users", str(users), "-k", "3", "--only-category", "maps",
         "--only-category", "boots", "--output", str(output), "--json"], capsys,
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(out.splitlines()[-1]) == {"output": str(output), "num_users": 20, "num_rows": 60}
    table = pq.read_table(output)
    assert table.schema.equals(RECOMMENDATIONS)
    histories = read_histories(users)
    expected = recommender.recommend_many(
        histories.items, 3, event_types=histories.event_types, ratings=histories.ratings,
        timestamps=histories.timestamps, filters=Filters(only_categories=["maps", "boots"]), explain=False,
    )  # fmt: skip
    wanted: list[dict[str, Any]] = [
        {
            "user_id": user,
            "rank": rank,
            "item_id": i.item_id,
            "score": i.score,
            "title": i.title,
            "category": i.category,
            "basis": "history",
            "unknown_items": 0,
            "gaps_known": True,
            "notes": [],
            "words": None,
            "by_meaning": None,
            "propensity": None,
        }
        for user, found in zip(histories.user_ids, expected, strict=True)
        for rank, i in enumerate(found, 1)
    ]
    assert table.to_pylist() == wanted
    assert [entry.name for entry in tmp_path.iterdir() if "found" in entry.name] == ["found.parquet"]


def test_ids_with_decimals_meet_the_catalogue_of_the_folder(tmp_path):
    ItemVocabulary(pa.table({"item_id": ["1", "2"]})).save(tmp_path)
    pl.DataFrame({"user_id": ["u", "u"], "item_id": ["2.0", "1.0"]}).write_csv(tmp_path / "users.csv")
    assert read_histories(tmp_path / "users.csv", catalogue=saved_item_ids(tmp_path)).items == [["2", "1"]]
    assert saved_item_ids(tmp_path / "adapter") is None


def test_blocks_give_together_what_one_gives(recommender):
    histories = histories_table(Histories(["b", "a", "c"], [["item-03"], ["item-10", "item-22"], ["item-05"]]))
    assert histories.column_names == ["position", "user_id", "items"]
    request = BatchRequest(k=100)
    whole = recommend_block(recommender, histories, request)
    parts = pa.concat_tables([recommend_block(recommender, block, request) for block in blocks_of(histories, 2)])
    assert parts.drop_columns("score").equals(whole.drop_columns("score"))
    assert parts["score"].to_pylist() == pytest.approx(whole["score"].to_pylist(), abs=1e-5)
    assert pl.from_arrow(whole)["user_id"].unique(maintain_order=True).to_list() == ["b", "a", "c"]
    assert None in whole["category"].to_pylist()  # one item has none


def test_texts_are_refused_by_a_model_that_does_not_read_them(checkpoint, capsys):
    command = ["recommend", str(checkpoint), "--history", "item-03", "--text", "maps number 31"]
    code, _, err = run(command, capsys)
    assert code == 2 and "texts: 1 of 1 user has texts, and this model does not read texts of users" in err


STRANGERS = Histories(
    ["ann@shop.example", "bob", "cy", "di"], [["item-03"], ["kite"], ["kite", "rope"], ["item-05", "kite"]]
)


def test_users_without_known_items_get_popular_items_or_nothing(checkpoint):
    table = histories_table(STRANGERS)
    popular = pa.concat_tables(batch.recommend_locally(str(checkpoint), table, BatchRequest(2))).to_pylist()
    assert [(row["basis"], row["unknown_items"], row["gaps_known"]) for row in popular[::2]] == [
        ("history", 0, False), ("popular", 1, None), ("popular", 2, None), ("history", 1, False)
    ]  # fmt: skip
    assert [row["item_id"] for row in popular[2:4]] == [row["item_id"] for row in popular[4:6]]
    skipped = pa.concat_tables(batch.recommend_locally(str(checkpoint), table, BatchRequest(2, on_unknown="skip")))
    assert skipped["user_id"].to_pylist() == ["ann@shop.example"] * 2 + ["di"] * 2
    with pytest.raises(ValueError, match="k is 0"):
        BatchRequest(k=0)
    with pytest.raises(ValueError, match="on_unknown is 'guess'; give one of popular, skip, error"):
        BatchRequest(on_unknown="guess")  # type: ignore[arg-type]


def test_progress_counts_users(checkpoint):
    began = []
    listener = ProgressBars(io.StringIO())
    listener.began = began.append  # type: ignore[method-assign]
    table = histories_table(STRANGERS)
    with listening(listener):
        list(batch.recommend_locally(str(checkpoint), table, BatchRequest(2)))
    assert [(one.name, one.done, one.total, one.unit) for one in began if one.name == "recommending"][:1] == [
        ("recommending", 4, 4, "users")
    ]  # fmt: skip


def test_all_users_without_known_items_are_counted_before_the_first_block(checkpoint, recommender):
    table = histories_table(STRANGERS)
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "recommend_block", lambda *given: asked.append(given))
        with pytest.raises(ValueError, match="histories: 2 of 4 users have no item of the catalogue") as refused:
            list(batch.recommend_locally(str(checkpoint), table, BatchRequest(2, on_unknown="error")))
    assert not asked and "bob" not in str(refused.value) and "kite" not in str(refused.value)
    with pytest.raises(ValueError, match="2 of 4 users"):
        recommender.recommend_many(STRANGERS.items, on_unknown="error")


def test_a_file_appears_when_it_is_whole(tmp_path):
    def broken() -> Any:
        yield RECOMMENDATIONS.empty_table()
        raise RuntimeError("the machine failed")

    with pytest.raises(RuntimeError, match="the machine failed"):
        write_recommendations(broken(), tmp_path / "found.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engine", "ray", "--users", "users.csv"], "--engine ray writes a file; add --output"),
        (["--history", "item-03", "--output", "found.parquet"], "give --users FILE"),
        (["--users", "users.csv", "--output", "found.csv"], "ends in .parquet"),
        (["--users", "users.csv", "--output", "nowhere/found.parquet"], "there is no folder nowhere"),
    ],
)
def test_unwritable_output_is_refused_at_once(arguments, message, checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_users(Path("users.csv"))
    code, _, err = run(["recommend", str(checkpoint), *arguments], capsys)
    assert code == 2 and message in " ".join(err.split())
