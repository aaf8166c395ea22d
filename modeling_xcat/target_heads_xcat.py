"""Heads that predict the group of the next item, such as its category, from behaviour states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from .configuration_xcat import XCatConfig


@dataclass(frozen=True)
class TargetHead:
    """The head of one column, for the groups of a catalogue.

    Args:
        weight: (known groups, hidden) weights of the groups that the head was trained on and the catalogue has.
        bias: (known groups,) their bias.
        places: (known groups,) their positions in the catalogue's groups.
        num_groups: Groups of the catalogue.
        weights: Weight beside summed items for the next item, and for discovery; 0 leaves the head out.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    places: torch.Tensor
    num_groups: int
    weights: tuple[float, float]

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Logarithms of the probabilities of groups.

        Args:
            states: (users, hidden) behaviour states.

        Returns:
            (users, groups of the catalogue) logarithms; -inf for groups that the head was not trained on.
        """
        known = torch.log_softmax(states.float() @ self.weight.T + self.bias, 1)
        return known.new_full((len(states), self.num_groups), -torch.inf).index_copy_(1, self.places, known)


class XCatTargetHeads(nn.Module):
    """Linear heads over behaviour states, one per column of the items, trained after the model over fixed states.

    `target_head_groups` of the configuration has the names of the groups per column, in the order of the rows here;
    `target_head_weights` has the weights beside summed items. Columns stand in alphabetical order, because a saved
    configuration has its keys in this order.

    Attributes:
        weight: (groups of all columns, hidden) weights.
        bias: (groups of all columns,) bias.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.config = config
        count = sum(map(len, (config.target_head_groups or {}).values()))
        self.register_buffer("weight", torch.zeros(count, config.hidden_size))
        self.register_buffer("bias", torch.zeros(count))

    def head(self, column: str, names: Sequence[str]) -> TargetHead | None:
        """The head of a column for the groups of a catalogue, whatever catalogue it was trained with.

        Args:
            column: Column of the items.
            names: Names of the catalogue's groups.

        Returns:
            The head; None if the column has none, or no group of the catalogue is known to it.
        """
        first = 0
        for name, own in sorted((self.config.target_head_groups or {}).items()):
            if name == column:
                places = {group: place for place, group in enumerate(names)}
                pairs = [(first + row, places[group]) for row, group in enumerate(own) if group in places]
                if not pairs:
                    return None
                rows, groups = torch.tensor(pairs, device=self.weight.device).T
                following, discover = (self.config.target_head_weights or {})[column]
                return TargetHead(
                    self.weight[rows].float(), self.bias[rows].float(), groups, len(names),
                    (float(following), float(discover)),
                )  # fmt: skip
            first += len(own)
        return None


def with_head(summed: torch.Tensor, head: torch.Tensor, weight: float) -> torch.Tensor:
    """Probabilities of groups by summed items times those of a head, to the power of its weight.

    The groups that the head ranks share the total of their summed probabilities in these proportions. All others keep
    theirs.

    Args:
        summed: (users, groups) logarithms of summed probabilities.
        head: (users, groups) logarithms of the head's probabilities; -inf for groups that it does not rank.
        weight: Weight of the head; 0 for the sums alone.

    Returns:
        (users, groups) logarithms of probabilities.

    Example:
        >>> summed, head = (torch.tensor([p]).double().log() for p in ([0.4, 0.4, 0.2], [0.9, 0.1, 0.0]))
        >>> with_head(summed, head, 1.0).exp().round(decimals=3).tolist()
        [[0.72, 0.08, 0.2]]
    """
    if not weight:
        return summed
    ranked = head > -torch.inf
    both = torch.where(ranked, summed + weight * head, -torch.inf)
    total, shared = (
        torch.logsumexp(values, 1, keepdim=True) for values in (summed.masked_fill(~ranked, -torch.inf), both)
    )
    return torch.where(ranked & torch.isfinite(shared), both - shared + total, summed)
