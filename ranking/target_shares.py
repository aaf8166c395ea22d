"""Probabilities of groups of items by summed items and by the head of their column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..modeling_xcat.filters_xcat import Filters
from ..modeling_xcat.target_heads_xcat import TargetHead, with_head
from ..tokenization.item_groups import ItemGroups


def target_head(base: Any, groups: ItemGroups) -> TargetHead | None:
    """The head of a column for the groups of a catalogue; None without one.

    Args:
        base: The `XCatModel`; code of an older checkpoint has no heads.
        groups: Groups of the column.
    """
    heads = getattr(base, "target_heads", None)
    found: TargetHead | None = None if heads is None else heads.head(groups.column, groups.names)
    return found


def group_shares(
    head: TargetHead | None,
    groups: ItemGroups,
    scores: torch.Tensor,
    states: torch.Tensor,
    known: torch.Tensor,
    filters: Filters,
    by_history: Sequence[bool],
) -> torch.Tensor:
    """Probabilities by summed items and, for lists of the kind that its weight was chosen for, by the head.

    Args:
        head: The head; None for sums alone.
        groups: The groups.
        scores: (users, rows) scores of the items.
        states: (users, hidden) states.
        known: (users, groups) whether the history has a group.
        filters: The filters; with others than `exclude_seen` the head is left out.
        by_history: Whether the list of each user goes by the history alone; the head is left out for others.

    Returns:
        (users, groups) probabilities.
    """
    summed = groups.probabilities(scores)
    if head is None or filters != Filters(exclude_seen=filters.exclude_seen):
        return summed
    weight = head.weights[int(filters.exclude_seen)]
    if not weight:
        return summed
    left_out = ~torch.tensor(by_history, device=scores.device)[:, None]
    left_out = left_out | known if filters.exclude_seen else left_out
    return with_head(summed.log(), head(states).masked_fill(left_out, -torch.inf), weight).exp()
