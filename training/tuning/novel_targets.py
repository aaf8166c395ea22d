"""Targets that are new to their users, on which the choices for discovery are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datasets import Dataset

from ...modeling_xcat.configuration_xcat import DISCOVERY_FROM
from ...modeling_xcat.ranked_xcat import scores_of_its_own
from ...tokenization.vocabulary import NUM_SPECIAL_ROWS
from .user_samples import spread_users

LEAST_USERS = 300
"""Minimum users with a target that is new to them; with fewer the choices for next items are better founded."""
LEAST_REPEATS = 0.01
"""Minimum share of targets that users had before. With fewer, both purposes have the same targets."""


def novel_targets(row: Mapping[str, Any]) -> list[int]:
    """The targets of a row that its history lacks.

    Example:
        >>> novel_targets({"items": [4, 2], "targets": [2, 7, 7]})
        [7, 7]
    """
    had = set(row["items"])
    return [target for target in row["targets"] if target >= NUM_SPECIAL_ROWS and target not in had]


def targets_of(row: Mapping[str, Any], discover: bool) -> list[int]:
    """The targets of a row for a purpose.

    Args:
        row: A row with `items` and `targets`.
        discover: Whether only targets that the history lacks count.
    """
    return novel_targets(row) if discover else list(row["targets"])


def with_novel_targets(dataset: Dataset) -> Dataset:
    """The rows with a target that is new to the user; the other columns and targets are kept."""
    rows = dataset.with_format(None)
    places = [i for i, row in enumerate(rows.select_columns(["items", "targets"])) if novel_targets(row)]
    return dataset if len(places) == len(dataset) else dataset.select(places)


def discovery_differs(model: Any, dataset: Dataset) -> bool:
    """Whether discovery needs values of its own, rather than those chosen for next items.

    It does if enough users have a target that is new to them, enough targets are not, and the model can store them.

    Args:
        model: The model.
        dataset: Rows with `items` and `targets` that weights are chosen on.
    """
    if model.config.format_version < DISCOVERY_FROM or scores_of_its_own(model.model):
        return False
    rows = dataset.with_format(None).select_columns(["items", "targets"]).select(spread_users(dataset))
    novel = [len(novel_targets(row)) for row in rows]
    repeats = sum(map(len, rows["targets"])) - sum(novel)
    return sum(map(bool, novel)) >= LEAST_USERS and repeats >= LEAST_REPEATS * (sum(novel) + repeats)
