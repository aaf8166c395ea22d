"""Self-attention over histories of different lengths, almost without padding.

It imports only its neighbours here, because `transformers` copies these files next to a checkpoint's weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

SHORTEST_GROUP = 8
"""Largest length of the first group; below it, padding costs less than one more group."""


@dataclass(frozen=True)
class LengthGroups:
    """Sequences grouped by length: up to 8, up to 16, up to 32, ...; a sequence is padded to the end of its group.

    Attributes:
        places: Per group, (rows, length) places of the elements in the order of all elements; padding has the place of
            the first element of its row.
        present: Per group, (rows, length) True for elements.
        inverse: (elements,) place of each element among the elements of all groups.
    """

    places: list[torch.Tensor]
    present: list[torch.Tensor]
    inverse: torch.Tensor

    @classmethod
    def of(cls, lengths: torch.Tensor) -> LengthGroups:
        """Groups of sequences of (rows,) lengths, whose elements stand in the order of rows, then times.

        Example:
            >>> [part.tolist() for part in LengthGroups.of(torch.tensor([2, 0, 1])).places]
            [[[0, 1], [2, 2]]]
        """
        starts, longest = lengths.cumsum(0) - lengths, int(lengths.max()) if len(lengths) else 0
        places, present, most, least = [], [], SHORTEST_GROUP, 0
        while least < longest:
            rows = ((lengths > least) & (lengths <= most)).nonzero()[:, 0]
            if len(rows):
                column = torch.arange(min(most, longest), device=lengths.device)
                present.append(column < lengths[rows][:, None])
                places.append(starts[rows][:, None] + column * present[-1])
            least, most = most, 2 * most
        found = [part[there] for part, there in zip(places, present, strict=True)]
        order = torch.cat(found) if found else starts[:0]
        inverse = torch.empty_like(order).scatter(0, order, torch.arange(len(order), device=order.device))
        return cls(places, present, inverse)


class SelfAttention(nn.Module):
    """Multi-head self-attention without output projection: softmax(Q K' / sqrt(width of a head)) V per head.

    Args:
        width: Width of the states.
        heads: Number of heads, a divisor of the width.
        causal: Whether an element attends to itself and to earlier elements only.
    """

    def __init__(self, width: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.projections = nn.Linear(width, 3 * width, bias=False)

    def forward(self, states: torch.Tensor, groups: LengthGroups) -> torch.Tensor:
        """Outputs of the heads.

        Args:
            states: (elements, width) states of the elements of all sequences.
            groups: The sequences.

        Returns:
            (elements, heads, width of a head) outputs.
        """
        parts, size = self.projections(states), states.shape[-1] // self.heads
        found = [parts.new_zeros(0, self.heads, size)]
        for places, present in zip(groups.places, groups.present, strict=True):
            rows, length = places.shape
            read = parts.index_select(0, places.flatten()).view(rows, length, 3, self.heads, size)
            query, key, value = read.permute(2, 0, 3, 1, 4)
            allowed = present[:, None, None]
            if self.causal:
                allowed = allowed & torch.ones(length, length, dtype=torch.bool, device=places.device).tril()
            output = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
            found.append(output.transpose(1, 2)[present])
        return torch.cat(found)[groups.inverse]
