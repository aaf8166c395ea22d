"""Labels for click prediction: impressions with and without a click, or ratings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from ...counting import counted
from ..tables.event_roles import is_impression, is_negative
from ..tables.event_times import exact_time
from ..tables.table_columns import CLICKED
from .click_options import AUTO, EVENTS, IMPRESSIONS, RATINGS, ClickOptions, saved_clicks

IMPRESSION, RATING = "impression", "rating"
"""Kinds of labels, beside the kinds of negatives."""


def label_impressions(
    events: pl.DataFrame, shown: str | Sequence[str], taken: Sequence[str], *, within: int | None = None
) -> pl.DataFrame:
    """Label every impression by whether the user took the item.

    An impression has label 1 if the user has an event of a type in `taken` with the item, at its time or later, before
    the next impression of that item to the user. A click without an earlier impression has no impression to label.

    Args:
        events: Events of `ShopTables`, all with a time.
        shown: Event type of impressions, such as "impression", or several.
        taken: Event types that mean that the user took the item, such as ("click", "purchase").
        within: Maximum seconds from the impression to the event; None for no maximum.

    Returns:
        `user_id`, `item_id`, `timestamp` and `label` (0 or 1) of each impression, in the order of the table.

    Raises:
        ValueError: If an event has no time, or there are no impressions.

    Example:
        >>> log = pl.DataFrame({"user_id": ["u"] * 3, "item_id": list("aba"), "timestamp": [1, 1, 2],
        ...     "event_type": ["shown", "shown", "click"]})
        >>> label_impressions(log, "shown", ["click"])["label"].to_list()
        [1, 0]
    """
    if events["timestamp"].null_count():
        raise ValueError(
            f"events, column timestamp: {events['timestamp'].null_count()} of {events.height} rows have no time, and "
            "an impression is labelled by later events; fill them"
        )
    wanted = ("user_id", "item_id", "timestamp", "event_type")
    row = events.select(*wanted, _time=exact_time(events)).with_row_index("_row")
    types = [shown] if isinstance(shown, str) else list(shown)
    impressions = row.filter(pl.col("event_type").is_in(types))
    if impressions.is_empty():
        kinds = ", ".join(sorted(events["event_type"].unique().to_list()))
        raise ValueError(f"events, column event_type: no row has {' or '.join(map(repr, types))}; it has {kinds}")
    answers = row.filter(pl.col("event_type").is_in(list(taken)))
    # Each answer is for the last impression before it; of impressions at one time, for the later one in the table.
    matched = answers.sort("_time", "_row").join_asof(
        impressions.select("user_id", "item_id", "_time", shown_row="_row", shown_at="_time").sort(
            "_time", "shown_row"
        ),
        on="_time", by=["user_id", "item_id"], strategy="backward", check_sortedness=False,
    )  # fmt: skip
    if within is not None:
        matched = matched.filter(pl.col("_time") - pl.col("shown_at") <= within * 10**6)
    hit = impressions["_row"].is_in(matched["shown_row"].drop_nulls().unique().implode())
    return impressions.select("user_id", "item_id", "timestamp").with_columns(label=hit.cast(pl.Int8))


@dataclass(frozen=True)
class Labels:
    """Labels of a table of events.

    Args:
        kind: "impression" or "rating".
        label: (events,) 1 or 0, null for events without a label.
        in_history: (events,) whether the event belongs to histories: impressions that were not clicked do not.
        source: Where the labels come from, such as "column clicked".
    """

    kind: str
    label: pl.Series
    in_history: pl.Series
    source: str


def labels_from(events: pl.DataFrame, options: ClickOptions) -> str:
    """Resolve `ClickOptions.labels` for a table of events.

    Returns:
        "impressions", "ratings" or "events".
    """
    if options.labels != AUTO:
        return options.labels
    if options.min_rating is not None:
        return RATINGS
    return IMPRESSIONS if _has_clicks(events) or _shown_types(events, options) else EVENTS


def empty_clicks(events: pl.DataFrame, column: str, options: ClickOptions) -> list[str]:
    """A note that negatives are sampled because the column of clicks has no value; empty for other tables.

    Args:
        events: Events of `ShopTables`.
        column: Name of the column of clicks in the user's table.
        options: Labels to make.
    """
    if options.labels != AUTO or CLICKED not in events.columns or _has_clicks(events):
        return []
    return [
        f"events, column {column}: all {events.height:,} values are empty, so negatives are sampled "
        f"({options.negatives}); write 1 for impressions with a click and 0 for those without, or use "
        "labels='events' if there are no impressions"
    ]


def label_events(events: pl.DataFrame, options: ClickOptions) -> Labels:
    """Label impressions or ratings.

    Args:
        events: Events of `ShopTables`.
        options: Labels to make; not those of sampled negatives.

    Raises:
        ValueError: If there is nothing to label, or all labels are the same.
    """
    if labels_from(events, options) == RATINGS:
        if events["rating"].null_count() == events.height:
            raise ValueError(
                f"events, column rating: none of {counted(events.height, 'row')} has a rating, and "
                f"min_rating={options.min_rating:g} makes labels of ratings; map the column with "
                "TableColumns(rating='NAME'), or leave min_rating out"
            )
        label = (events["rating"] >= options.min_rating).cast(pl.Int8)
        found = Labels(RATING, label, pl.Series([True]).new_from_index(0, events.height), "column rating")
        low, high = (getattr(events["rating"], end)() for end in ("min", "max"))
        what = f"min_rating={options.min_rating:g}; the ratings are {low} to {high}"
    elif _has_clicks(events):
        clicked = events[CLICKED]
        found = Labels(IMPRESSION, clicked.cast(pl.Int8), clicked.fill_null(True), f"column {CLICKED}")
        what = found.source
    else:
        shown = _shown_types(events, options)
        if not shown:
            raise ValueError(
                f"{lacking_labels(events)}; give shown= "
                f"with these types, map a column with TableColumns(clicked='NAME'), or use labels='events'"
            )
        types = events["event_type"].unique().sort().to_list()
        if options.taken and not set(options.taken) & set(types):
            raise ValueError(
                f"taken has {', '.join(map(repr, options.taken))}, and no event is of such a type; the types are "
                f"{', '.join(types)}"
            )
        taken = options.taken or [name for name in types if name not in shown and not is_negative(name)]
        shows = events["event_type"].is_in(shown)
        labelled = label_impressions(events, shown, taken, within=options.within)["label"]
        label = pl.Series([None], dtype=pl.Int8).new_from_index(0, events.height)
        source = f"event types {', '.join(shown)}"
        found = Labels(IMPRESSION, label.scatter(shows.arg_true(), labelled), ~shows, source)
        what = f"{source}, taken by {', '.join(taken) or 'no type'}"
        what += "" if options.within is None else f", within={options.within} seconds"
    _check_labels(found, what)
    return found


def lacking_labels(events: pl.DataFrame) -> str:
    """Why events have no labelled impressions.

    Args:
        events: Events of `ShopTables`.
    """
    kinds = ", ".join(sorted(events["event_type"].unique().to_list()))
    lacking = f"there is no column {CLICKED}"
    if CLICKED in events.columns:
        lacking = f"all {events.height:,} values of the column {CLICKED} are empty"
    return f"events: {lacking}, and no event type of impressions among {kinds}"


def _has_clicks(events: pl.DataFrame) -> bool:
    return CLICKED in events.columns and events[CLICKED].null_count() < events.height


def _shown_types(events: pl.DataFrame, options: ClickOptions) -> list[str]:
    """Event types of impressions: the given ones, or those with such a name beside other types."""
    types = events["event_type"].unique().sort().to_list()
    if options.shown is not None:
        return list(options.shown)
    shown = [name for name in types if is_impression(name)]
    return shown if len(shown) < len(types) else []


def types_of_impressions(types: Iterable[str], event_settings: Mapping[str, Any] | None) -> list[str]:
    """The event types that a model of clicks on impressions leaves out of histories; none for other models.

    Args:
        types: Event types of a table.
        event_settings: Event settings of the model.

    Example:
        >>> saved = {"clicks": {"kind": "impression", "options": {"shown": None}}, "target_event_types": ["click"]}
        >>> types_of_impressions(["click", "impression", "view"], saved), types_of_impressions(["impression"], {})
        (['impression'], [])
    """
    clicks = saved_clicks(event_settings)
    if clicks is None or clicks["kind"] != IMPRESSION:
        return []
    trained, shown = (event_settings or {}).get("target_event_types") or (), clicks["options"].get("shown") or ()
    return [name for name in types if name in shown or (is_impression(name) and name not in trained)]


def _check_labels(labels: Labels, what: str) -> None:
    """Refuse labels that are all the same."""
    known = labels.label.drop_nulls()
    if known.is_empty():
        raise ValueError(f"events: none of {len(labels.label)} rows has a label ({what}); fill the column")
    positives = int(known.sum())
    if not positives:
        raise ValueError(f"events: none of {len(known)} {labels.kind}s is positive ({what}), so there are no clicks")
    if positives == len(known):
        raise ValueError(
            f"events: all {len(known)} {labels.kind}s are positive ({what}), so there is nothing to tell apart; keep "
            "the impressions without a click in the table, or use labels='events' with sampled negatives"
        )
