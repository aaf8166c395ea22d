"""Facts of the data in a card are counted in the tables, and the hash distinguishes tables."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import polars as pl
import pytest

from xcat_rec.model_cards.dataset_facts import content_hash, describe_dataset
from xcat_rec.tokenization.sources import load_shop
from xcat_rec.tokenization.tables.schema import validate_tables
from xcat_rec.tokenization.vocabulary import ItemVocabulary
from xcat_rec.training.preparation.prepare import build_vocabulary

from ..tiny_shop import ITEMS, USERS, events_table, items_table, shop, write_shop


def test_facts_of_the_tiny_tables() -> None:
    made = shop()
    facts = describe_dataset(made, build_vocabulary(made), {"train": [1, 2], "test": [1]})
    events = events_table()
    assert (facts.num_users, facts.num_items, facts.num_events) == (USERS, ITEMS, events.height)
    assert facts.num_texts == ITEMS - 1  # two items share their text
    assert facts.users_of_parts == {"train": 2, "test": 1}
    assert (facts.first_event, facts.last_event) == (events["timestamp"].min(), events["timestamp"].max())
    assert facts.time_range.startswith("2023-11-14 to 20") and facts.time_range.endswith(" (UTC)")
    assert facts.repeated_events == 0
    assert facts.content_hash == content_hash([made.items, made.events])


def test_repeats_and_repairs_are_reported() -> None:
    events = events_table()
    made = validate_tables(items_table(), pl.concat([events, events.head(3)]), name="twice")
    facts = describe_dataset(made, build_vocabulary(made))
    assert facts.repeated_events == sum(p.count for p in made.problems if p.kind == "repeated_event") > 0
    assert facts.problems == tuple(map(str, made.problems))


def test_without_times_and_texts() -> None:
    made = shop()
    facts = describe_dataset(made, ItemVocabulary(made.items.select("item_id").to_arrow()))
    assert facts.num_texts == 0
    assert dataclasses.replace(facts, first_event=None).time_range == "no times"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_hash_is_that_of_the_content_not_of_the_files(suffix: str, tmp_path: Path) -> None:
    read = load_shop(write_shop(tmp_path, suffix=suffix))
    assert content_hash([read.items, read.events]) == content_hash([shop().items, shop().events])


@pytest.mark.parametrize(
    "other",
    [
        pl.DataFrame({"a": [1, 3], "b": ["x", None]}),
        pl.DataFrame({"a": [2, 1], "b": [None, "x"]}),
        pl.DataFrame({"a": [1, 2], "c": ["x", None]}),
        pl.DataFrame({"a": [1, 2], "b": ["x", ""]}),
        pl.DataFrame({"a": [1], "b": ["x"]}),
    ],
)
def test_the_hash_distinguishes_tables(other: pl.DataFrame) -> None:
    table = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    assert content_hash([table]) == content_hash([table.clone()])
    assert content_hash([table]) != content_hash([other])
    assert content_hash([table, other]) != content_hash([other, table])


def test_the_hash_goes_over_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pl.DataFrame({"a": range(1000)})
    whole = content_hash([table])
    monkeypatch.setattr("xcat_rec.model_cards.dataset_facts._ROWS_AT_ONCE", 7)
    assert content_hash([table]) == whole
    assert content_hash([table.head(999)]) != whole
