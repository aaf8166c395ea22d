"""How often items were bought, lately and at all, as of the end of a log; see `TRENDS`."""

from __future__ import annotations

import numpy as np
import torch

from ..modeling_xcat.segments_xcat import TRENDS

WINDOWS, TREND_WINDOW = (1 / 26, 2 / 13), 1 / 13
"""Windows before the end of the log, as shares of the time that the events span: 2, 8 and 4 weeks of a year."""
_EARLY = 0.05
"""Share of the events that are left out of the span: a few old events do not stretch it."""


def relative_ages(times: np.ndarray) -> np.ndarray:
    """Ages of events before the last one, as shares of the time that all but the oldest twentieth span.

    Args:
        times: (events,) seconds, below 0 for none.

    Returns:
        (events,) shares; infinite for an event without time, and 0 for all events if none has a time.

    Example:
        >>> relative_ages(np.array([0, 10, 30, 40, -1])).round(2).tolist()
        [1.04, 0.78, 0.26, 0.0, inf]
    """
    known = times >= 0
    if not known.any():
        return np.zeros(len(times))
    last = times[known].max()
    span = max(float(last - np.quantile(times[known], _EARLY)), 1.0)
    ages: np.ndarray = np.where(known, (last - times) / span, np.inf)
    return ages


def item_trends(users: np.ndarray, items: np.ndarray, times: np.ndarray, rows: int) -> torch.Tensor:
    """Trends of items: the columns of `TRENDS` after the rate.

    Args:
        users: (events,) numbers of users, ascending from 0.
        items: (events,) item indices, in order of time within a user.
        times: (events,) seconds, below 0 for none.
        rows: Number of item rows.

    Returns:
        (rows, trends) logarithms of: 1 + events; 0.5 + events within each of `WINDOWS`; 0.5 + first purchases within
        each; 1 + events within `TREND_WINDOW`, divided by 1 + their number if all events were spread evenly.
    """
    ages = relative_ages(times)
    firsts = np.zeros(len(items), dtype=bool)
    firsts[np.unique(users * rows + items, return_index=True)[1]] = True

    def counts(wanted: np.ndarray) -> np.ndarray:
        return np.bincount(items[wanted], minlength=rows).astype(np.float64)

    events = counts(ages >= 0)
    windows = [counts((ages < window) & chosen) for chosen in (ages >= 0, firsts) for window in WINDOWS]
    trend = np.log((counts(ages < TREND_WINDOW) + 1) / (events * TREND_WINDOW + 1))
    columns = [np.log1p(events), *(np.log(count + 0.5) for count in windows), trend]
    assert len(columns) + 1 == len(TRENDS)
    return torch.from_numpy(np.stack(columns, 1)).float()
