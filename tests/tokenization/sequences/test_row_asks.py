"""Queries and reviews of targets in evaluation rows: their own, in the order of targets, and in memory only."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.sequences.click_options import ClickOptions
from xcat_rec.tokenization.sequences.click_rows import split_clicks
from xcat_rec.tokenization.sequences.event_options import EventOptions
from xcat_rec.tokenization.sequences.next_item_rows import next_item_rows
from xcat_rec.tokenization.sequences.row_asks import ASKS, REVIEWS, add_asks, ask_sources
from xcat_rec.tokenization.sequences.split_data import SplitData
from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables
from xcat_rec.tokenization.text.default_encoder import packaged_copy
from xcat_rec.training.preparation.from_base import prepare_from_base
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.training.tuning.ask_rows import asked_rows
from xcat_rec.training.tuning.asks import fit_asks
from xcat_rec.workflows.fit import fit

from ...tiny_shop import QUICK, SMALL, events_table, items_table, save_text_encoder

MARK = "quokka"
"""A word of every query and review that no item has."""
SYNONYMS = {
    "tents": "sleeping shelter", "boots": "hiking footwear", "stoves": "cooking burner", "maps": "trail chart",
}  # fmt: skip


def asked_shop(*, basket: int = 0, searches: bool = False) -> ShopTables:
    """The tiny shop, each event with a query and a review that name user, item and position."""
    events = events_table().drop("rating").with_columns(place=pl.int_range(pl.len()).over("user_id"))
    said = pl.format("{} {} {} {}", pl.lit(MARK), pl.col("user_id"), pl.col("item_id"), pl.col("place"))
    events = events.with_columns(pl.col("timestamp") + 60 * pl.col("place"))  # no two at one time
    events = events.with_columns(query=pl.lit("ask ") + said, review_text=pl.lit("review ") + said)
    if basket:
        events = events.with_columns(basket_id=pl.format("{} {}", "user_id", pl.col("place") // basket))
    if searches:
        search = events.with_columns(
            item_id=pl.lit(None, pl.String), timestamp=pl.col("timestamp") - 5, review_text=pl.lit(None, pl.String)
        )
        events = pl.concat([events.with_columns(query=pl.lit(None, pl.String)), search])
    return validate_tables(items_table(), events.drop("place"), name="asked shop")


def added(shop: ShopTables, folder: Path, **options: object) -> SplitData:
    data = shop.split(EventOptions(**options), cache_dir=folder / "splits")  # type: ignore[arg-type]
    add_asks(data)
    return data


@pytest.mark.parametrize("split", ["leave-one-out", "last-basket", "global-time", "user-level", "cold-items"])
def test_rows_have_the_queries_of_their_own_targets(split: str, tmp_path: Path) -> None:
    shop = asked_shop(basket=2)
    data = added(shop, tmp_path, split=split)
    ids, several = data.vocabulary, 0
    for part in ("validation", "test"):
        rows = data.splits[part]
        assert len(rows)
        for row in rows:
            named = ids.decode(row["targets"])
            assert [ask.split()[:4] for ask in row[ASKS]] == [["ask", MARK, row["user_id"], item] for item in named]
            several += len(named) > 1
            # An item that a user has twice is asked for at the target, which is after the history.
            assert all(int(ask.split()[4]) >= len(row["items"]) for ask in row[ASKS])
    assert several or split != "last-basket"
    assert ASKS not in data.train.column_names and REVIEWS not in data.train.column_names


def test_reviews_are_of_training_events_of_others(tmp_path: Path) -> None:
    data = added(asked_shop(), tmp_path, split="leave-one-out")
    trained = {row["user_id"]: len(row["items"]) for row in data.train}
    found = 0
    for part in ("validation", "test"):
        wanted = {
            (row["user_id"], item) for row in data.splits[part] for item in data.vocabulary.decode(row["targets"])
        }
        for row in data.splits[part]:
            for item, text in zip(data.vocabulary.decode(row["targets"]), row[REVIEWS], strict=True):
                if text:
                    _, _, user, own, place = text.split()
                    assert own == item and user != row["user_id"] and (user, item) not in wanted
                    assert int(place) < trained[user]
                    found += 1
    assert found > 60


def test_queries_of_searches_and_rows_without_any(tmp_path: Path) -> None:
    plain, searched = (added(asked_shop(searches=one), tmp_path, split="leave-one-out") for one in (False, True))
    for part in ("train", "validation", "test"):
        assert plain.splits[part]["items"] == searched.splits[part]["items"], "searches are in no history"
    assert plain.validation[ASKS] == searched.validation[ASKS]
    shop = asked_shop()
    some = pl.when(pl.col("item_id") < "item-20").then("query")
    half = added(validate_tables(items_table(), shop.events.with_columns(query=some)), tmp_path, split="leave-one-out")
    for row in half.test:
        assert [bool(ask) for ask in row[ASKS]] == [
            item < "item-20" for item in half.vocabulary.decode(row["targets"])
        ]
    bare = validate_tables(items_table(), shop.events.drop("query", "review_text"))
    assert not {ASKS, REVIEWS} & set(added(bare, tmp_path, split="leave-one-out").validation.column_names)


def test_the_texts_that_queries_are_made_from_are_counted(tmp_path: Path) -> None:
    data = added(asked_shop(), tmp_path)
    rows, items = data.splits["validation"], data.vocabulary.table
    assert not any(items["description"].to_pylist())
    targets, reviews = sum(map(len, rows["targets"])), sum(text != "" for texts in rows[REVIEWS] for text in texts)
    assert str(ask_sources(rows, items)) == (
        f"queries are fitted to titles, categories and brands of items, {targets} queries and {reviews} reviews of "
        f"users for {targets} validation targets"
    )
    plain, column = rows.remove_columns([ASKS, REVIEWS]), pa.array(["warm", None, ""] + [None] * (items.num_rows - 3))
    described = items.drop_columns(["description"]).append_column("description", column)
    assert str(ask_sources(plain, described)) == (
        "queries are fitted to titles, categories and brands of items, descriptions of 1 item "
        "(events have no column query, review_title, review_text or text)"
    )


def test_no_text_of_a_user_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    caplog.set_level("INFO")
    shop, told = asked_shop(), list[str]()
    start = fit(
        shop, tmp_path / "kept", tell=told.append, text_encoder=str(save_text_encoder(tmp_path / "encoder")),
        split="leave-one-out", cache_dir=tmp_path / "cache", interests="items", interest_columns=("review_text",),
        **{**SMALL, **QUICK, "num_train_epochs": 1},
    ).prepared  # fmt: skip
    validation = start.splits["validation"]
    assert {ASKS, REVIEWS, "interest_states"} <= set(validation.column_names)
    _, asks, targets = asked_rows(start.processor, validation, 200, 0)
    real = [ask.split() for ask in asks if ask.startswith(f"ask {MARK}")]
    assert 0.3 < len(real) / len(asks) < 0.7
    items = dict(zip(asks, start.processor.catalogue.decode(targets.tolist()), strict=True))
    assert all(items[" ".join(ask)] == ask[3] for ask in real)
    assert any(ask.startswith(f"review {MARK}") for ask in asks), "reviews of others are asks too"
    again, _ = prepare_from_base(
        shop, PreparationOptions(split="leave-one-out", cache_dir=tmp_path / "cache"), str(tmp_path / "kept")
    )
    assert again.splits["validation"][ASKS] == validation[ASKS]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"items.arrow", "validation.arrow", "README.md"} <= {path.name for path in files}
    for path in files:
        assert MARK.encode() not in path.read_bytes(), path
    assert MARK not in caplog.text + str(told)


@pytest.mark.skipif(packaged_copy() is None, reason="the default text encoder (extra demo)")
def test_queries_in_other_words_than_the_items_lead_to_the_category(tmp_path: Path) -> None:
    events = events_table()
    categories = dict(items_table().select("item_id", "category").iter_rows())
    said = pl.Series([SYNONYMS.get(categories[item]) for item in events["item_id"]], dtype=pl.String)
    options = PreparationOptions(split="leave-one-out", config=SMALL, cache_dir=tmp_path / "cache")
    meaning, right = {}, {}
    for name, table in (("real", events.with_columns(query=said)), ("made", events)):
        start = prepare_training(validate_tables(items_table(), table), options)
        gain = fit_asks(start.model, start.processor, start.splits["validation"])
        assert gain is not None
        recommender = XCatRecommender(start.model, start.processor)
        lists = {
            category: recommender.recommend(["item-03", "item-10"], 10, query=query)
            for category, query in SYNONYMS.items()
        }
        assert not any(item.words for found in lists.values() for item in found), "no item has a word of these queries"
        meaning[name] = gain.meaning
        right[name] = sum(item.category == category for category, found in lists.items() for item in found) / 40
    assert meaning["real"] > meaning["made"], "made queries share words with the items, real ones mean the same"
    assert right["real"] > 0.6 and right["real"] > right["made"], "chance is 1 in 4"


def test_rows_of_impressions_without_a_click_have_no_texts() -> None:
    """The first clicks, which lists are measured on, keep their own queries."""
    events = asked_shop().events.with_columns(clicked=pl.int_range(pl.len()) % 3 == 0)
    columns = ["user_id", "item_id", "timestamp", "query", "review_text", "clicked"]
    data = split_clicks(validate_tables(items_table(), events.select(columns), name="shown"), clicks=ClickOptions())
    add_asks(data)
    counts = [len(targets) for targets in data.validation["targets"][:]]
    assert 0 in counts and max(counts) > 0
    for rows in (data.validation, next_item_rows(data.validation)):
        for row in rows:
            items = data.vocabulary.decode(row["targets"])
            assert len(row[ASKS]) == len(row[REVIEWS]) == len(items)
            assert all(f" {row['user_id']} {item} " in ask for item, ask in zip(items, row[ASKS], strict=True))
