"""Predict clicks: the probability that each user of a table clicks the item of its row."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import polars.selectors as cs

from ..checkpoints.saved_tables import table_options
from ..counting import counted_of
from ..ranking.requests import Requests, read_requests
from ..tokenization.out_of_core.prepared_folder import refuse_prepared
from ..tokenization.sequences.histories import Histories, read_histories
from ..tokenization.sequences.showing_table import ShowingTable, read_showing_table
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS
from .fields import given_columns
from .load import load
from .output_folders import check_file_to_write, refuse_earlier

if TYPE_CHECKING:
    from ..ranking.recommender import XCatRecommender
    from ..tokenization.sources.generic import TableSource
    from ..tokenization.tables.schema import MissingUsers
    from .read_shop import ColumnNames

PROBABILITY = "probability"
_DETAILS = ("event_types", "ratings", "timestamps", "event_texts")


@dataclass(frozen=True)
class PredictedClicks:
    """Result of `predict_clicks`.

    Args:
        table: The given table and the column `probability`, empty where a row has no user or an unknown item.
        notes: What was repaired or left out.
        output: Written file; None for none.
    """

    table: pl.DataFrame
    notes: list[str] = field(default_factory=list)
    output: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON."""
        plain = self.table.with_columns(cs.temporal().cast(pl.String))
        return {
            "predictions": plain.to_dicts(), "notes": self.notes,
            "output": None if self.output is None else str(self.output),
        }  # fmt: skip


def predict_clicks(
    checkpoint: str | os.PathLike[str] | XCatRecommender,
    shown: TableSource,
    users: TableSource | None = None,
    *,
    output: str | os.PathLike[str] | None = None,
    revision: str | None = None,
    columns: ColumnNames | None = None,
    time_format: str | None = None,
    encoding: str | None = None,
    missing_users: MissingUsers = "drop",
    overwrite: bool = False,
) -> PredictedClicks:
    """Predict the probability of a click for each row of a table of users and items.

    A row with a time has the user's events before that time as its history, and a row without one all of them. A model
    of clicks on impressions reads no impressions as events, as in its training.

    Args:
        checkpoint: A checkpoint of `fit(task="click")`, or one that is loaded.
        shown: Table with `user_id`, `item_id`, optionally `timestamp`, and the context columns of the model.
        users: Table of events, as of `fit`; None if all users are new.
        output: Parquet file for the result; None to write none.
        revision: Branch, tag or commit of a hub repository.
        columns: Names of the columns of both tables; None for those of the checkpoint.
        time_format: How times are written, likewise.
        encoding: Encoding of files of text, likewise.
        missing_users: "error" refuses rows without a user, "drop" leaves them out.
        overwrite: Whether an earlier result in `output` may be replaced.

    Returns:
        The table with probabilities, and notes.

    Raises:
        OSError: If a file cannot be read or written.
        ValueError: If the model predicts no clicks, the output exists, a table cannot be read, a context column is
            missing, or rows have times and events have none.

    Example (not run: it needs a checkpoint):
        predict_clicks("my-clicks", "shown.csv", "events.csv").table
    """
    file = None if output is None else Path(output)
    if file is not None:
        check_file_to_write(file, f"output={str(output)!r}", ".parquet")
        refuse_earlier(file, f"output={str(output)!r}", overwrite)
    for table in (shown, users):
        refuse_prepared(table, "give")
    recommender = load(checkpoint, revision=revision) if isinstance(checkpoint, str | os.PathLike) else checkpoint
    recommender.check_clicks()
    read: dict[str, Any] = {
        **table_options(recommender.processor.event_settings, given_columns(columns), time_format, encoding),
        "catalogue": recommender.vocabulary.column("item_id"), "missing_users": missing_users,
    }  # fmt: skip
    events = Histories([], [])
    if users is not None:
        events = read_histories(
            users, text_columns=recommender.text_columns, event_settings=recommender.processor.event_settings, **read
        )
    asked = read_showing_table(shown, users=events.user_ids, **read)
    if PROBABILITY in asked.table.columns:
        raise ValueError(f"shown has a column {PROBABILITY}, which the result adds; rename it")
    found, notes = _predicted(recommender, asked, events)
    table = asked.table.with_columns(pl.Series(PROBABILITY, found, dtype=pl.Float64, nan_to_null=True))
    if file is not None:
        unfinished = file.with_name(f".{file.name}.unfinished")
        try:
            table.write_parquet(unfinished)
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
    return PredictedClicks(table, [*map(str, events.problems), *map(str, asked.problems), *notes], file)


def _predicted(recommender: XCatRecommender, asked: ShowingTable, events: Histories) -> tuple[np.ndarray, list[str]]:
    """(rows of the table,) probabilities, NaN for none, and notes."""
    log = asked.log
    context = recommender.click_context
    context.require(log.columns, "shown")
    context.check(log, "shown")
    notes = context.notes(log, "rows", "shown")
    items = recommender.vocabulary.encode(log["item_id"].to_list())
    known = items >= NUM_SPECIAL_ROWS
    if unknown := int((~known).sum()):
        notes.append(
            f"shown: {counted_of(unknown, len(log), 'row', 'have')} an item that the catalogue lacks, so without a "
            "probability; add the items with xcat catalogue"
        )
    place = {user: number for number, user in enumerate(events.user_ids)}
    people = log["user_id"].to_list()
    new = len({user for user in people if user not in place})
    if new:
        notes.append(
            f"shown: {counted_of(new, len(set(people)), 'user', 'have')} no events, so probabilities of new customers"
        )
    owners = np.array([place.get(user, -1) for user in people], dtype=np.int64)
    ends = _ends(asked, events, owners)
    pairs, number = np.unique(np.stack([owners, ends])[:, known], axis=1, return_inverse=True)
    order = np.argsort(number.ravel(), kind="stable")
    rows = np.flatnonzero(known)[order]
    values = recommender.predict_showings(
        _requests(events, pairs.T.tolist()), number.ravel()[order], items[rows].astype(np.int64), log[rows]
    )
    found = np.full(asked.table.height, np.nan)
    found[asked.places[rows]] = values
    return found, notes


def _ends(asked: ShowingTable, events: Histories, owners: np.ndarray) -> np.ndarray:
    """(rows,) number of the user's events before each row; 0 for users without events."""
    whole: np.ndarray = np.array([*map(len, events.items), 0], dtype=np.int64)[owners]
    if asked.times is None or not events.items:
        return whole
    if events.exact_times is None or any(time is None for own in events.exact_times for time in own):
        raise ValueError(
            "shown has times, and events of users have none, so it is not known which came before; fill the column of "
            "times of users, or leave that of shown out"
        )
    times = [np.array(own) for own in events.exact_times]
    timed = np.flatnonzero((owners >= 0) & (asked.times >= 0))
    whole[timed] = [np.searchsorted(times[owners[row]], asked.times[row]) for row in timed]
    return whole


def _requests(events: Histories, pairs: list[tuple[int, int]]) -> Requests:
    """The first events of users: pairs of a user, -1 for a new one, and a number of events."""

    def taken(values: list[list[Any]]) -> list[list[Any]]:
        return [values[user][:end] if user >= 0 else [] for user, end in pairs]

    details = {name: taken(values) for name in _DETAILS if (values := getattr(events, name)) is not None}
    return read_requests(taken(events.items), **details)
