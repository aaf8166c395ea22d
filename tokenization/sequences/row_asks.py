"""What customers asked for and wrote about the targets of evaluation rows, added in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

import datasets
import polars as pl
import pyarrow as pa

from ...counting import counted
from ..tables.table_columns import QUERY
from ..text.cleaning import clean_text
from ..text.text_columns import TEXT_COLUMNS, joined_texts
from .build import cut_events, trained_items
from .split_data import SplitData
from .splits import SPLITS
from .timeline import TiePolicy, sort_events

ASKS, REVIEWS = "asks", "reviews"
"""Columns of rows with one text per target, "" for none: the query of the target's event, and a review."""
_MOST = 4
"""Reviews per item to choose from."""


def add_asks(data: SplitData, text_columns: Sequence[str] = ()) -> None:
    """Add the columns `asks` and `reviews` to validation and test rows, if the events have queries and reviews.

    The ask of a target is the query of the target's own event. Its review is a text from a training event of the item,
    by a user who does not have the item as a target in the same part. Texts are of users, so they stay in memory: the
    cache of splits has none, and `map` of a row with them would write them to the cache of `datasets`.

    Args:
        data: The split events; the splits are changed in place.
        text_columns: Event columns with texts; empty for the columns of `TEXT_COLUMNS` in the table.
    """
    events = data.selected.events
    reviews = review_columns(events, text_columns)
    if QUERY not in events.columns and not reviews:
        return
    split, options = SPLITS.find(data.split), data.options
    roles = data.selected.event_roles(options)
    timeline = sort_events(events, split.unit, TiePolicy(options.tie_policy), options.event_seed, roles)
    cut = cut_events(split, timeline)
    places = timeline.events["_file"]
    log = timeline.events.select(
        "user_id",
        "_file",
        pl.Series("item", data.vocabulary.encode(timeline.events["item_id"].to_arrow())),
        pl.Series("train", cut.train),
        pl.Series("validation", cut.validation.target),
        pl.Series("test", cut.test.target),
        *([events[QUERY].gather(places)] if QUERY in events.columns else []),
    )
    for part in ("validation", "test"):
        wanted = _targets(data.splits[part])
        if QUERY in log.columns:
            asked = log.filter(part).drop_nulls(QUERY).unique(["user_id", "item"], keep="first", maintain_order=True)
            asked = asked.select("user_id", "item", text=pl.Series([clean_text(text) for text in asked[QUERY]]))
            _add(data.splits, part, ASKS, wanted.join(asked, ["user_id", "item"], "left", maintain_order="left"))
        if reviews:
            trained = pl.Series("item", trained_items(data.train, len(data.vocabulary)).nonzero()[0])
            found = log.filter(pl.col("train") & pl.col("item").is_in(trained.implode()))
            found = found.join(wanted, "item", "semi", maintain_order="left")
            found = found.join(wanted, ["user_id", "item"], "anti", maintain_order="left")
            _add(data.splits, part, REVIEWS, _with_reviews(wanted, found, events, reviews))


def review_columns(events: pl.DataFrame, text_columns: Sequence[str] = ()) -> list[str]:
    """Columns of events with reviews; see `text_columns` of `add_asks`."""
    return [name for name in text_columns or TEXT_COLUMNS if name in events.columns and name != QUERY]


@dataclass(frozen=True)
class AskSources:
    """The texts that queries for fitting are made from, beside titles, categories and brands of items.

    Args:
        targets: Number of validation targets.
        queries: Number of these whose event has a query.
        reviews: Number of these whose item has a review by another user.
        descriptions: Number of items with a description.
    """

    targets: int
    queries: int
    reviews: int
    descriptions: int

    def __str__(self) -> str:
        own = [f"{count:,} {name}" for name, count in (("queries", self.queries), ("reviews", self.reviews)) if count]
        of_users = f"{' and '.join(own)} of users for {counted(self.targets, 'validation target')}" if own else ""
        described = f"descriptions of {counted(self.descriptions, 'item')}" if self.descriptions else ""
        used = ", ".join(filter(None, (of_users, described)))
        missing = "" if own else " (events have no column query, review_title, review_text or text)"
        return f"queries are fitted to titles, categories and brands of items{f', {used}' if used else ''}{missing}"


def ask_sources(rows: datasets.Dataset, items: pa.Table) -> AskSources:
    """Count the texts that queries for fitting are made from.

    Args:
        rows: The validation split, after `add_asks`.
        items: The items of the catalogue.
    """
    found = {name: rows[name] if name in rows.column_names else [] for name in (ASKS, REVIEWS)}
    counts = {name: sum(bool(text) for texts in lists for text in texts) for name, lists in found.items()}
    descriptions = items["description"].to_pylist() if "description" in items.column_names else []
    return AskSources(
        sum(map(len, rows["targets"])), counts[ASKS], counts[REVIEWS], sum(bool(text) for text in descriptions)
    )


def _targets(rows: datasets.Dataset) -> pl.DataFrame:
    """Number, user and item of each target of the rows, in order."""
    table = pl.from_arrow(rows.select_columns(["user_id", "targets"]).with_format("arrow")[:])
    assert isinstance(table, pl.DataFrame)
    found = table.with_row_index("row").explode("targets").rename({"targets": "item"}).cast({"item": pl.Int64})
    return found.drop_nulls("item")  # of rows without targets, such as impressions without a click


def _with_reviews(
    wanted: pl.DataFrame, found: pl.DataFrame, events: pl.DataFrame, columns: Sequence[str]
) -> pl.DataFrame:
    """The targets with a review each; users with one target take turns in the first `_MOST` of its reviews."""
    written = events.select(pl.any_horizontal(pl.col(name).is_not_null() for name in columns)).to_series()
    found = found.filter(written.gather(found["_file"]))
    found = found.with_columns(turn=pl.int_range(pl.len()).over("item")).filter(pl.col("turn") < _MOST)
    texts = joined_texts(events[found["_file"]], columns)
    found = found.select("item", "turn", texts, count=pl.len().over("item").cast(pl.Int64))
    turns = wanted.join(found.select("item", "count").unique(), "item", "left", maintain_order="left")
    turns = turns.with_columns(turn=pl.int_range(pl.len()).over("item") % pl.col("count"))
    return turns.join(found, ["item", "turn"], "left", maintain_order="left")


def _add(splits: datasets.DatasetDict, part: str, name: str, texts: pl.DataFrame) -> None:
    """Add a column of the rows from the column `text` of their targets; a row without targets has an empty list."""
    found = texts.group_by("row").agg(pl.col("text").fill_null(""))
    rows = pl.DataFrame({"row": pl.int_range(len(splits[part]), dtype=pl.UInt32, eager=True)})
    lists = rows.join(found, "row", "left", maintain_order="left").get_column("text").fill_null([])
    # A random fingerprint: hashing the texts would take longer than adding them.
    splits[part] = splits[part].add_column(
        name, lists.to_list(), feature=datasets.List(datasets.Value("string")), new_fingerprint=uuid4().hex
    )
