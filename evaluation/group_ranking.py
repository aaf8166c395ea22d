"""Ranking of groups of items, such as the next brand: rows of groups, scores by summing items, counted baselines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset, Features, List, Value

from ..modeling_baselines.popularity import (
    PopularityConfig,
    PopularityModel,
    RepeatPurchaseConfig,
    RepeatPurchaseModel,
)
from ..tokenization.item_groups import ItemGroups
from ..tokenization.sequences.build import target_histories
from ..tokenization.tables.event_roles import ROLES
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS
from .baseline_names import POPULARITY, REPEAT_PURCHASE, TRANSITIONS
from .purposes import history_rows, without_history
from .ranker_evaluation import Ranker

_FEATURES = Features({
    "items": List(Value("int32")), "last": List(Value("int32")), "targets": List(Value("int32")),
    "row": Value("int64"),
})  # fmt: skip


def group_rows(dataset: Dataset, groups: ItemGroups) -> Dataset:
    """Turn rows of items into rows of groups, which `evaluate_ranker` ranks as it ranks items.

    Args:
        dataset: A validation or test split, with `items` and `targets`.
        groups: The groups of the items.

    Returns:
        One row per user with a target that belongs to a group: `items` (group indices of the history), `last` (those
        of the latest event that has any), `targets` (distinct), `row` (its position in the dataset), and `event_roles`
        if the dataset has them. A group index is the index of the group in `groups.vocabulary()`.
    """
    roles = ROLES in dataset.column_names
    columns = dataset.with_format(None).select_columns(["items", "targets", *([ROLES] if roles else [])])[:]
    rows: dict[str, list[Any]] = {name: [] for name in (*_FEATURES, *([ROLES] if roles else []))}
    for number, wanted in enumerate(groups.of_histories(columns["targets"])):
        if not len(wanted):
            continue
        codes, counts = groups.expanded(np.asarray(columns["items"][number], dtype=np.int64))
        latest = counts[counts > 0][-1:].sum()
        rows["items"].append(codes + NUM_SPECIAL_ROWS)
        rows["last"].append(codes[len(codes) - latest :] + NUM_SPECIAL_ROWS)
        rows["targets"].append(np.unique(wanted) + NUM_SPECIAL_ROWS)
        rows["row"].append(number)
        if roles:
            rows[ROLES].append(np.repeat(columns[ROLES][number], counts))
    features = Features({**_FEATURES, **({ROLES: List(Value("int8"))} if roles else {})})
    return Dataset.from_dict(rows, features=features)


def item_rows(dataset: Dataset, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of items that rows of groups were made from.

    Args:
        dataset: The rows of items that `group_rows` was given.
        rows: Some rows of its result.
    """
    columns = dataset.with_format(None)[[row["row"] for row in rows]]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


class SummedItems:
    """Ranks groups by the model's distribution over items, summed per group (`ItemGroups.probabilities`).

    Args:
        ranker: A ranker of items.
        groups: The groups of its items.
        dataset: The rows of items that `group_rows` was made from.
    """

    def __init__(self, ranker: Ranker, groups: ItemGroups, dataset: Dataset) -> None:
        self._ranker, self._groups, self._rows = ranker, groups, dataset.with_format(None)

    def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        """(users, groups) logarithms of probabilities, for rows of `group_rows`."""
        return self._logarithms(torch.as_tensor(self._ranker.score_rows(item_rows(self._rows, rows))))

    def discover_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        """The same for discovery: the items of the history are left out."""
        own = item_rows(self._rows, rows)
        rank = getattr(self._ranker, "discover_rows", self._ranker.score_rows)
        return self._logarithms(without_history(torch.as_tensor(rank(own)), history_rows(own)))

    def _logarithms(self, scores: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(
            self._groups.probabilities(scores).log(), (NUM_SPECIAL_ROWS, 0), value=-torch.inf
        )


class GroupTransitions:
    """Ranks groups by how often they followed the groups of the latest event in training, then by popularity.

    Args:
        histories: Item indices of the target events of each training user, oldest first.
        groups: The groups of the items.

    Example:
        >>> groups = ItemGroups("brand", ["a", "b"], np.array([2, 3]), np.array([0, 1]), 4)
        >>> model = GroupTransitions([[2, 3, 3]], groups)
        >>> model.score_rows([{"last": [2]}, {"last": [3]}, {"last": []}]).round(decimals=2).tolist()
        [[-inf, -inf, 0.25, 1.5], [-inf, -inf, 0.25, 1.5], [-inf, -inf, 0.25, 0.5]]
    """

    def __init__(self, histories: Iterable[Sequence[int]], groups: ItemGroups) -> None:
        size = len(groups) + NUM_SPECIAL_ROWS
        keys, counts = np.zeros(0, np.int64), np.zeros(size, np.int64)
        rows = [np.asarray(history, dtype=np.int64) for history in histories]
        items = np.concatenate([np.zeros(0, np.int64), *rows])
        users = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        _, numbers = groups.expanded(items)
        # Events without a group are skipped, so that the previous one that has a group counts.
        items, users = items[numbers > 0], users[numbers > 0]
        codes, numbers = groups.expanded(items)
        codes = codes + NUM_SPECIAL_ROWS
        counts += np.bincount(codes, minlength=size)
        follows = users[1:] == users[:-1]
        starts = np.cumsum(numbers) - numbers
        pairs = self._pairs(starts[:-1][follows], numbers[:-1][follows], starts[1:][follows], numbers[1:][follows])
        keys, self._times = np.unique(codes[pairs[0]] * size + codes[pairs[1]], return_counts=True)
        self._after = keys % size
        self._first = np.searchsorted(keys // size, np.arange(size + 1))
        popularity = torch.from_numpy(counts / (counts.sum() + 1)).float()
        popularity[:NUM_SPECIAL_ROWS] = -torch.inf
        self._popularity = popularity

    @staticmethod
    def _pairs(
        first: np.ndarray, of_first: np.ndarray, then: np.ndarray, of_then: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Positions of all pairs of a group of an event and a group of the next one."""
        number = of_first * of_then
        place = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
        width = np.repeat(of_then, number)
        return np.repeat(first, number) + place // width, np.repeat(then, number) + place % width

    def score_rows(self, rows: Sequence[dict[str, Any]]) -> torch.Tensor:
        """(users, groups) numbers of transitions, plus a share below 1 by popularity."""
        scores = self._popularity.repeat(len(rows), 1)
        for user, row in enumerate(rows):
            for group in row["last"]:
                part = slice(self._first[group], self._first[group + 1])
                scores[user, self._after[part]] += torch.from_numpy(self._times[part]).float()
        return scores


def group_baselines(train: Dataset, groups: ItemGroups) -> dict[str, Ranker]:
    """The counted baselines of groups by name: popularity, the user's most frequent groups, and transitions.

    Args:
        train: Training split; its target events are counted.
        groups: The groups of the items.
    """
    size, histories = len(groups) + NUM_SPECIAL_ROWS, list(target_histories(train))
    counted = [(codes + NUM_SPECIAL_ROWS).tolist() for codes in groups.of_histories(histories)]
    return {
        POPULARITY: PopularityModel(PopularityConfig(num_item_rows=size)).fit(counted),
        REPEAT_PURCHASE: RepeatPurchaseModel(RepeatPurchaseConfig(num_item_rows=size)).fit(counted),
        TRANSITIONS: GroupTransitions(histories, groups),
    }


def trained_groups(train: Dataset, groups: ItemGroups) -> np.ndarray:
    """(groups + special rows,) True for groups with a target event in training."""
    trained = np.zeros(len(groups) + NUM_SPECIAL_ROWS, dtype=bool)
    for codes in groups.of_histories(list(target_histories(train))):
        trained[codes + NUM_SPECIAL_ROWS] = True
    return trained
