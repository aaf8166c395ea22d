"""Context of impressions: columns of events with numbers or categories, as inputs of a model."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from ..tables.table_columns import CLICKED, EVENT_SCHEMA, QUANTITY, QUERY
from ..tables.values import holds_no_numbers, read_numbers, read_texts

logger = logging.getLogger(__name__)

LONG_TAIL = 3.0
"""Skewness from which a column of numbers that are never negative is read as log(1 + number)."""
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
            (events, dense) float32, standardized, 0 where missing; (events, categorical) int32 codes, 0 where missing
            or not in training.
        """
        numbers = np.zeros((events.height, len(self.dense)), dtype=np.float32)
        for place, (name, mean, deviation) in enumerate(zip(self.dense, self.means, self.deviations, strict=True)):
            values = _read(events[name], name in self.logarithms)
            numbers[:, place] = np.nan_to_num((values - mean) / deviation)
        codes = np.zeros((events.height, len(self.categorical)), dtype=np.int32)
        for place, (name, named) in enumerate(zip(self.categorical, self.categories, strict=True)):
            known = {value: code for code, value in enumerate(named, start=1)}
            texts = read_texts(events[name])
            if known:
                codes[:, place] = texts.replace_strict(known, default=0, return_dtype=pl.Int32).fill_null(0).to_numpy()
        return numbers, codes

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
        ValueError: If a column is missing, tells the outcome of an event, or has no numbers.
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
        count = chosen[name].len() - chosen[name].null_count()
        values = None if holds_no_numbers(chosen[name].dtype) else read_numbers(chosen[name])[0].drop_nulls()
        if values is None or values.is_empty():
            raise ValueError(
                f"events, column {name}: none of {count} values of training impressions is a number; give it in "
                "categorical, or leave it out"
            )
        if unread := count - len(values.drop_nans()):
            logger.warning(
                "events, column %s: %d of %d values of training impressions are no numbers; they count as missing",
                name, unread, count,
            )  # fmt: skip
        if values.min() >= 0 and (values.skew() or 0.0) >= LONG_TAIL:  # type: ignore[operator]
            logarithms.append(name)
        numbers = _read(values, name in logarithms)
        means.append(float(numbers.mean()))
        deviations.append(float(numbers.std()) or 1.0)
    found = [read_texts(chosen[name]).drop_nulls().unique().sort().to_list() for name in categorical]
    return ClickContext(
        tuple(dense), tuple(means), tuple(deviations), tuple(categorical), tuple(tuple(values) for values in found),
        tuple(logarithms),
    )  # fmt: skip


def _read(values: pl.Series, logarithm: bool) -> np.ndarray:
    """(values,) numbers, NaN where missing, or log(1 + number)."""
    numbers = read_numbers(values)[0].cast(pl.Float64).to_numpy()
    return np.log1p(np.maximum(numbers, 0)) if logarithm else numbers
