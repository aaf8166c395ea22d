"""Counts of a log of feedback: what was shown, how often, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_SECONDS = (60, 3_600, 86_400)
_MOST_STEPS = 60
"""Steps of time that a reader can take in."""


@dataclass(frozen=True)
class FeedbackSummary:
    """Counts of a log.

    Args:
        lists: Lists that were shown.
        shown: Item id to the number of lists that had it, most first.
        reactions: Type of reaction to its number, most first.
        reacted: Item id to the number of reactions to it, most first.
        step: Seconds per entry of `traffic`.
        traffic: (start in seconds since 1970, number of lists) of each step of time with lists, oldest first.
    """

    lists: int
    shown: dict[str, int]
    reactions: dict[str, int]
    reacted: dict[str, int]
    step: int
    traffic: list[tuple[int, int]]


def summary_of(rows: Callable[[str, tuple[Any, ...]], list[Any]]) -> FeedbackSummary:
    """Count the rows of a log.

    Args:
        rows: Takes a query in SQL with its values, and returns the rows.
    """
    (count, first, last) = rows("SELECT COUNT(*), MIN(timestamp), MAX(timestamp) FROM impressions", ())[0]
    span = (last or 0) - (first or 0)
    step = next((seconds for seconds in _SECONDS if span < _MOST_STEPS * seconds), _SECONDS[-1])
    shown = "SELECT value, COUNT(*) FROM impressions, json_each(impressions.items) GROUP BY value ORDER BY 2 DESC, 1"
    counted = "SELECT {0}, COUNT(*) FROM reactions GROUP BY {0} ORDER BY 2 DESC, 1"
    traffic = "SELECT timestamp / ? * ?, COUNT(*) FROM impressions GROUP BY 1 ORDER BY 1 DESC LIMIT ?"
    return FeedbackSummary(
        count, dict(rows(shown, ())), dict(rows(counted.format("type"), ())), dict(rows(counted.format("item"), ())),
        step, rows(traffic, (step, step, _MOST_STEPS))[::-1],
    )  # fmt: skip
