"""Importance of the history: lists if some of its events had not happened, or had happened in another order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ...tokenization.progress import stage
from ..bootstrap import Interval, confidence_interval, paired_bootstrap
from ..ranker_evaluation import Ranker
from ..ranks import pad_targets, target_ranks, top_rows
from ..recommendation_ranking.ranking_metrics import per_user_metrics

FEWEST_EVENTS = 2
"""Events of a history that is changed, at least."""
USERS = 1000
"""Most users whose histories are changed."""
_COLUMNS = ("items", "event_types", "ratings", "timestamps", "event_texts")
"""Columns of a row with one value per event."""
_AT_ONCE = 128

Change = Callable[[int, np.random.Generator], np.ndarray]
"""Places of the events that are kept, in their new order, from the number of events."""


def _without_one(size: int, generator: np.random.Generator) -> np.ndarray:
    return np.delete(np.arange(size), generator.integers(size))


CHANGES: Mapping[str, Change] = {
    "without the latest event": lambda size, _: np.arange(size - 1),
    "without the latest five events": lambda size, _: np.arange(max(1, size - 5)),
    "without one event, drawn at random": _without_one,
    "without the older half": lambda size, _: np.arange(size // 2, size),
    "only the latest event": lambda size, _: np.arange(size - 1, size),
    "in random order": lambda size, generator: generator.permutation(size),
}
"""Changes of a history by name. Times keep their order where events change it."""


@dataclass(frozen=True)
class HistoryChange:
    """Lists after a change of the histories.

    Args:
        change: Name of the change.
        ndcg: NDCG with changed histories.
        difference: This less NDCG with whole histories, on the same users.
        replaced: Share of a list's items that the list of the whole history lacks.
    """

    change: str
    ndcg: Interval
    difference: Interval
    replaced: Interval


@dataclass(frozen=True)
class HistoryImportance:
    """Importance of the history for the lists of one model.

    Args:
        whole: NDCG with whole histories.
        changes: Results by change, in the order of `CHANGES`.
        num_users: Users whose histories were changed: those with at least `FEWEST_EVENTS` events.
        num_all_users: Users of the split, of which these were drawn.
    """

    whole: Interval
    changes: tuple[HistoryChange, ...]
    num_users: int
    num_all_users: int


def history_importance(
    ranker: Ranker, rows: Sequence[Mapping[str, Any]], k: int = 10, most_users: int = USERS, seed: int = 0
) -> HistoryImportance:
    """Rank the targets of users with changed histories; nothing is trained again.

    The lists answer what the model would have listed, not what the user would have bought.

    Args:
        ranker: The model.
        rows: Rows of a validation or test split.
        k: Length of the lists.
        most_users: Most users to rank, drawn with the seed.
        seed: Seed of the draws.

    Raises:
        ValueError: If no user has `FEWEST_EVENTS` events and a target.
    """
    long_enough = [row for row in rows if len(row["items"]) >= FEWEST_EVENTS and len(row["targets"])]
    if not long_enough:
        raise ValueError(f"no user has {FEWEST_EVENTS} events and a target, so no history can be changed")
    generator = np.random.default_rng(seed)
    if len(long_enough) > most_users:
        drawn = np.sort(generator.choice(len(long_enough), most_users, replace=False))
        long_enough = [long_enough[place] for place in drawn]
    with stage("lists of changed histories", len(CHANGES) + 1, "changes") as running:
        values, lists = _ranked(ranker, long_enough, k)
        running.advance()
        found = []
        for name, change in CHANGES.items():
            changed = [changed_row(row, change(len(row["items"]), generator)) for row in long_enough]
            others, other_lists = _ranked(ranker, changed, k)
            replaced = [1 - len(np.intersect1d(a, b)) / len(a) for a, b in zip(lists, other_lists, strict=True)]
            found.append(HistoryChange(
                name, confidence_interval(others), paired_bootstrap(others, values),
                confidence_interval(np.array(replaced)),
            ))  # fmt: skip
            running.advance()
    return HistoryImportance(confidence_interval(values), tuple(found), len(long_enough), len(rows))


def changed_row(row: Mapping[str, Any], places: np.ndarray) -> dict[str, Any]:
    """A row with some of its events, in a new order; times stay ascending.

    Args:
        row: A row of a split.
        places: Places of the events that are kept.

    Example:
        >>> changed_row({"items": [5, 6, 7], "timestamps": [1, 2, 3], "targets": [9]}, np.array([2, 0]))
        {'items': [7, 5], 'timestamps': [1, 3], 'targets': [9]}
    """
    changed = dict(row)
    for name in _COLUMNS:
        values = row.get(name)
        if values is not None and len(values) == len(row["items"]):
            order = np.sort(places) if name == "timestamps" else places
            changed[name] = [values[place] for place in order]
    return changed


def _ranked(ranker: Ranker, rows: Sequence[dict[str, Any]] | Sequence[Mapping[str, Any]], k: int) -> Any:
    """(users,) NDCG, and the (users, k) lists."""
    values, lists = [], []
    with torch.no_grad():
        for start in range(0, len(rows), _AT_ONCE):
            part = [dict(row) for row in rows[start : start + _AT_ONCE]]
            scores = torch.as_tensor(ranker.score_rows(part))
            ranks = target_ranks(scores, torch.from_numpy(pad_targets([row["targets"] for row in part])))
            values.append(per_user_metrics(ranks.cpu().numpy(), [k])[f"ndcg@{k}"])
            lists.append(top_rows(scores, k).cpu().numpy())
    return np.concatenate(values), np.concatenate(lists)
