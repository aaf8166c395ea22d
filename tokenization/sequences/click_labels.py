"""Labels for click prediction: impressions without a click, or random items that the user has no event with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from ..tables.event_times import exact_time


def label_impressions(
    events: pl.DataFrame, shown: str, taken: Sequence[str], *, within: int | None = None
) -> pl.DataFrame:
    """Label every impression by whether the user took the item.

    An impression has label 1 if the user has an event of a type in `taken` with the item, at its time or later, before
    the next impression of that item to the user. A click without an earlier impression has no impression to label.

    Args:
        events: Events of `ShopTables`, all with a time.
        shown: Event type of impressions, such as "impression".
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
    impressions = row.filter(pl.col("event_type") == shown)
    if impressions.is_empty():
        kinds = ", ".join(sorted(events["event_type"].unique().to_list()))
        raise ValueError(f"events, column event_type: no row has {shown!r}; it has {kinds}")
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


def sample_unseen(
    events: pl.DataFrame, items: Sequence[str] | pl.Series, per_event: int = 1, *, seed: int = 0
) -> pl.DataFrame:
    """Use every event as a positive, with negatives drawn uniformly from items without events of its user.

    Args:
        events: `user_id`, `item_id` and `timestamp`; it must contain all known events of a user.
        items: Ids of the catalogue.
        per_event: Distinct negatives per event; fewer if a user has events with nearly all items.
        seed: Seed of the draw.

    Returns:
        `user_id`, `item_id`, `timestamp` and `label`: each event with label 1, followed by its negatives with label 0
            and
        the same time.

    Raises:
        ValueError: If `per_event` is less than 1, or an event's item is not in the catalogue.
    """
    if per_event < 1:
        raise ValueError(f"per_event is {per_event}; give a number from 1")
    catalogue = pl.Series("item_id", items, pl.String).unique(maintain_order=True)
    code = pl.DataFrame({"item_id": catalogue}).with_row_index("item")
    coded = events.select("user_id", "item_id", "timestamp").join(
        code, on="item_id", how="left", maintain_order="left"
    ).with_columns(user=(pl.col("user_id").rank("dense") - 1).cast(pl.Int64))  # fmt: skip
    unknown = coded.filter(pl.col("item").is_null())
    if unknown.height:
        raise ValueError(
            f"events, column item_id: {unknown.height} rows have an item that is not in the catalogue, for example "
            f"{unknown['item_id'][0]!r}; add it or drop these rows"
        )
    drawn = _draw(coded["user"].to_numpy(), coded["item"].to_numpy().astype(np.int64), len(catalogue), per_event, seed)
    owner, item = np.nonzero(drawn >= 0)[0], drawn[drawn >= 0]
    negatives = coded[owner].select("user_id", item_id=catalogue.gather(item), timestamp="timestamp", _event=pl.lit(0))
    parts = [
        coded.select("user_id", "item_id", "timestamp", label=pl.lit(1, pl.Int8), _event=pl.int_range(pl.len())),
        negatives.with_columns(label=pl.lit(0, pl.Int8), _event=pl.Series(owner)).select(
            "user_id", "item_id", "timestamp", "label", "_event"
        ),
    ]
    return pl.concat(parts).sort("_event", maintain_order=True).drop("_event")


def _draw(user: np.ndarray, item: np.ndarray, num_items: int, per_event: int, seed: int) -> np.ndarray:
    """(events, per_event) items that the users have no event with, -1 where there are too few."""
    generator = np.random.default_rng(seed)
    seen = np.unique(user * num_items + item)
    free = num_items - np.bincount(seen // num_items, minlength=int(user.max(initial=-1)) + 1)
    wanted = np.minimum(free, per_event)[user]
    drawn = np.full((len(user), per_event), -1, dtype=np.int64)
    # For a user with most of the catalogue, most draws would be rejected, so the remaining items are listed.
    crowded = np.flatnonzero(2 * free[user] < num_items)
    for row in crowded:
        rest = np.setdiff1d(np.arange(num_items), item[user == user[row]])
        drawn[row, : wanted[row]] = generator.choice(rest, size=wanted[row], replace=False)
    open_rows = np.setdiff1d(np.arange(len(user)), crowded)
    for place in range(per_event):
        rows = open_rows[wanted[open_rows] > place]
        while len(rows):
            draw = generator.integers(num_items, size=len(rows))
            key = user[rows] * num_items + draw
            at = np.searchsorted(seen, key)
            refused = (seen[np.minimum(at, len(seen) - 1)] == key) | (drawn[rows, :place] == draw[:, None]).any(axis=1)
            drawn[rows[~refused], place] = draw[~refused]
            rows = rows[refused]
    return drawn
