"""Context of impressions: columns of events with numbers or categories, as inputs of a model."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from ...counting import counted, counted_of
from ..tables.table_columns import CLICKED, EVENT_SCHEMA, QUANTITY, QUERY
from ..tables.values import read_categories, read_numbers, read_texts, where

logger = logging.getLogger(__name__)

LONG_TAIL = 3.0
"""Skewness from which a column of numbers that are never negative is read as log(1 + number)."""
_LARGEST = float(np.finfo(np.float32).max)
_WORDS = {"true": "1", "false": "0"}
"""Categories of a column of Booleans, and of the same column as numbers."""
_REFUSED = {*EVENT_SCHEMA, QUANTITY, QUERY, CLICKED}
"""Columns that identify an event or tell its outcome."""


@dataclass(frozen=True)
class ClickContext:
    """Columns of impressions as numbers; means, deviations and categories are those of training impressions.

    Counts and prices often have a long tail, so such a column is read as log(1 + number).

    Args:
        dense: Columns with numbers.
        means: Mean of each, after the logarithm.
        deviations: Standard deviation of each, after the logarithm; 1 for a constant column.
        categorical: Columns with categories.
        categories: Categories of each, in order of their codes, which begin at 1.
        logarithms: Columns of `dense` that are read as log(1 + number); a number below 0 counts as 0 there.
    """

    dense: tuple[str, ...] = ()
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()
    categorical: tuple[str, ...] = ()
    categories: tuple[tuple[str, ...], ...] = ()
    logarithms: tuple[str, ...] = ()

    @property
    def sizes(self) -> list[int]:
        """Number of codes of each categorical column, with code 0."""
        return [len(values) + 1 for values in self.categories]

    def require(self, columns: Iterable[str], table: str) -> None:
        """Refuse a table without one of the columns.

        Args:
            columns: Columns of the table.
            table: Its name for the message.

        Raises:
            ValueError: If one is missing.
        """
        there = set(columns)
        for name in (*self.dense, *self.categorical):
            if name not in there:
                raise ValueError(
                    f"{table} lacks the column {name!r}, which the model was trained with; add it, empty if unknown"
                )

    def encode(self, events: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """The inputs of impressions.

        Args:
            events: Events with these columns.

        Returns:
            (events, dense) float32, standardized, 0 where missing or beyond float32; (events, categorical) int32
            codes, 0 where missing or not in training.
        """
        numbers = np.zeros((events.height, len(self.dense)), dtype=np.float32)
        for place, name in enumerate(self.dense):
            numbers[:, place] = np.nan_to_num(self._standardized(place, events[name])[0])
        codes = np.zeros((events.height, len(self.categorical)), dtype=np.int32)
        for place, name in enumerate(self.categorical):
            codes[:, place] = self._codes(place, events[name])[0]
        return numbers, codes

    def check(self, events: pl.DataFrame, table: str = "events") -> None:
        """Refuse a column of numbers that has values, and none that is a number.

        Args:
            events: Events with these columns.
            table: Name of their table.

        Raises:
            ValueError: If there is such a column.
        """
        for place, name in enumerate(self.dense):
            values, given = self._standardized(place, events[name])
            if given and np.isnan(values).all():
                raise ValueError(
                    f"{table}, column {name}: none of {counted(given, 'value')} is a number, and the model was "
                    "trained with numbers; write numbers, or leave the column empty"
                )

    def notes(self, events: pl.DataFrame, rows: str, table: str = "events") -> list[str]:
        """Notes on values that count as missing, in sentences.

        Args:
            events: Events with these columns.
            rows: Name of their rows, in the plural.
            table: Name of their table.

        Example:
            >>> context = ClickContext(categorical=("device",), categories=(("phone", "tv"),))
            >>> context.notes(pl.DataFrame({"device": ["tv", "watch", None]}), "rows")
            ['events, column device: 1 of 2 values of rows read as missing: not among 2 categories of the training']
        """
        read = []
        for place, name in enumerate(self.dense):
            values, given = self._standardized(place, events[name])
            read.append((name, given, int(np.isfinite(values).sum()), "no number within the range of float32"))
        for place, name in enumerate(self.categorical):
            codes, given = self._codes(place, events[name])
            named = counted(len(self.categories[place]), "category", "categories")
            read.append((name, given, int((codes > 0).sum()), f"not among {named} of the training"))
        notes = []
        for name, given, known, why in read:
            if events.height and not given:
                notes.append(f"{table}, column {name}: all {events.height:,} values of {rows} are empty")
            elif known < given:
                lost = counted_of(given - known, given, "value")
                notes.append(f"{table}, column {name}: {lost} of {rows} read as missing: {why}")
        return notes

    def _standardized(self, place: int, column: pl.Series) -> tuple[np.ndarray, int]:
        """(values,) float32 of a column of `dense`, NaN where missing or beyond float32; number of given values."""
        numbers, bad = _numbers(column)
        scaled = _scaled(numbers, self.dense[place] in self.logarithms)
        with np.errstate(over="ignore"):
            values = ((scaled - self.means[place]) / self.deviations[place]).astype(np.float32)
        return np.where(np.isfinite(values), values, np.float32(np.nan)), numbers.count() + int(bad.sum())

    def _codes(self, place: int, column: pl.Series) -> tuple[np.ndarray, int]:
        """(values,) int32 codes of a column of `categorical`, 0 where missing or not in training; number of given."""
        texts = read_categories(column)
        known = {value: code for code, value in enumerate(self.categories[place], start=1)}
        if not known:
            return np.zeros(len(column), dtype=np.int32), texts.count()
        # Older checkpoints have categories as the column of the training had them, such as 1.0.
        plain = read_categories(pl.Series(list(known))).to_list()
        for value, code in zip(plain, list(known.values()), strict=True):
            known.setdefault(value, code)
        for words in (_WORDS, {number: word for word, number in _WORDS.items()}):
            if set(plain) <= set(words):
                known |= {words[value]: known[value] for value in plain}
        exact, others = (
            values.replace_strict(known, default=None, return_dtype=pl.Int32) for values in (read_texts(column), texts)
        )
        codes: np.ndarray = exact.fill_null(others).fill_null(0).to_numpy()
        return codes, texts.count()

    def to_dict(self) -> dict[str, Any]:
        """The context as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> ClickContext:
        """The context from the result of `to_dict`, also after JSON."""
        plain = {name: tuple(values) for name, values in saved.items() if name != "categories"}
        return cls(**plain, categories=tuple(tuple(values) for values in saved["categories"]))


def fit_context(
    events: pl.DataFrame, train: np.ndarray, dense: Sequence[str], categorical: Sequence[str]
) -> ClickContext:
    """The context of training impressions.

    Args:
        events: Events of `ShopTables`.
        train: (events,) True for impressions of training.
        dense: Columns with numbers.
        categorical: Columns with categories.

    Raises:
        ValueError: If a column is missing, identifies an event or tells its outcome, or has no numbers.
    """
    for name in (*dense, *categorical):
        option = "dense" if name in dense else "categorical"
        free = ", ".join(other for other in events.columns if other not in _REFUSED) or "none"
        if name not in events.columns:
            raise ValueError(f"{option} has {name!r}, which is not a column of the events; they have {free}")
        if name in _REFUSED:
            raise ValueError(
                f"{option} has {name!r}, which identifies an event or tells its outcome; choose among {free}"
            )
    chosen = events.filter(pl.Series(train))
    means, deviations, logarithms = [], [], []
    for name in dense:
        values, unread = _numbers(chosen[name])
        values, count = values.drop_nulls(), values.count() + int(unread.sum())
        if values.is_empty():
            raise ValueError(
                f"events, column {name}: none of {count} values of training impressions is a number; give it in "
                "categorical, or leave it out"
            )
        if unread.any():
            logger.warning(
                "events, column %s: %d of %d values of training impressions are no numbers, or beyond float32; they "
                "count as missing", name, unread.sum(), count,
            )  # fmt: skip
        if values.min() >= 0 and (values.skew() or 0.0) >= LONG_TAIL:  # type: ignore[operator]
            logarithms.append(name)
        numbers = _scaled(values, name in logarithms)
        means.append(float(numbers.mean()))
        deviations.append(float(numbers.std()) or 1.0)
    found = [read_categories(chosen[name]).drop_nulls().unique().sort().to_list() for name in categorical]
    return ClickContext(
        tuple(dense), tuple(means), tuple(deviations), tuple(categorical), tuple(tuple(values) for values in found),
        tuple(logarithms),
    )  # fmt: skip


def _numbers(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """(values,) Float64 numbers within float32, null where missing, and True for other values that are not missing."""
    numbers, bad = read_numbers(column)
    large = (numbers.abs() > _LARGEST).fill_null(False)
    return where(~large, numbers), bad | large


def _scaled(numbers: pl.Series, logarithm: bool) -> np.ndarray:
    """(values,) numbers, NaN where missing, or log(1 + number)."""
    values = numbers.cast(pl.Float64).to_numpy()
    return np.log1p(np.maximum(values, 0)) if logarithm else values
