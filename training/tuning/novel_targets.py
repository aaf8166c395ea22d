"""Targets that are new to their users, on which the choices for discovery are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from ...evaluation.ranks import pad_targets
from ...modeling_xcat.configuration_xcat import DISCOVERY_FROM
from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...modeling_xcat.ranked_xcat import scores_of_its_own
from ...modeling_xcat.recent_events_xcat import RecentEvents
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.vocabulary import NUM_SPECIAL_ROWS
from .user_samples import spread_users

LEAST_USERS = 300
"""Minimum users with a target that is new to them; with fewer the choices for next items are better founded."""
LEAST_REPEATS = 0.01
"""Minimum share of targets that users had before. With fewer, both purposes have the same targets."""

_SCORES_AT_ONCE = 1 << 22


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


def encoded_for_discovery(
    model: XCatForNextItem, processor: XCatProcessor, dataset: Dataset, chosen: np.ndarray
) -> Iterator[tuple[torch.Tensor, RecentEvents, torch.Tensor]]:
    """Encode users in batches, small enough to score the catalogue for each.

    Args:
        model: The model.
        processor: Its processor.
        dataset: Rows with `items` and `targets`.
        chosen: (users,) places of the users in the rows.

    Yields:
        (users, hidden) states; the events before them, which leave out the items of the history; (users, targets) new
        targets, padded with `TARGET_PADDING`.
    """
    base = model.model
    for part in np.array_split(chosen, max(1, -(-len(chosen) * model.config.num_item_rows // _SCORES_AT_ONCE))):
        rows = [dataset[int(i)] for i in part]
        inputs = {name: value.to(base.device) for name, value in processor.collate(rows).items()}
        states, recent, _ = base.encode_queries(**inputs)
        targets = torch.from_numpy(pad_targets([novel_targets(row) for row in rows])).to(base.device)
        yield states, recent.discovering([row["items"] for row in rows]), targets


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
