"""How likely a ranking puts given items into the places of a list, for off-policy estimates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from .rerank import Candidates


class PoolReader:
    """A rule that changes nothing and keeps the candidates that it sees, those of the last request.

    Attributes:
        candidates: Candidates of one user in the order of the rules before; None before a request, and for a list of
            popular items, to which no rule is applied.
    """

    def __init__(self) -> None:
        self.candidates: Candidates | None = None

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) zeros."""
        self.candidates = candidates
        return torch.zeros_like(candidates.relevance)


def place_chances(
    candidates: Candidates, rows: Sequence[int], temperature: float | None, values: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Chance of each item in its place, given the items above it, under `PlackettLuce(temperature)` or no draw.

    Args:
        candidates: The candidates of one user.
        rows: (places,) item indices of a list.
        temperature: Of the draw; None for the order of the candidates.
        values: (places, n) value of each candidate in each place; None for no expectations.

    Returns:
        (places,) chances, 0 from the first item on that is not a candidate; and (places,) mean values of the ranking
        in each place, given the items above it.

    Example:
        >>> scores = torch.tensor([[2.0, 1.0, 0.0]])
        >>> pool = Candidates(torch.tensor([[7, 8, 9]]), scores, [[]], None)
        >>> place_chances(pool, [8, 7], None)[0].tolist()
        [0.0, 1.0]
    """
    found = candidates.rows[0].tolist()
    relevance, tiers = candidates.relevance[0].cpu().numpy(), candidates.tiers[0].cpu().numpy()
    open_ = tiers > -np.inf
    chances, expected = np.zeros(len(rows)), np.zeros(len(rows))
    for place, row in enumerate(rows):
        if not open_.any():
            break
        best = open_ & (tiers == tiers[open_].max())
        if temperature is None:
            odds = (np.arange(len(found)) == np.flatnonzero(best)[0]).astype(float)
        else:
            utility = relevance / temperature
            odds = np.where(best, np.exp(utility - utility[best].max()), 0.0)
            odds /= odds.sum()
        if values is not None:
            expected[place] = odds @ values[place]
        if row not in found:
            break
        position = found.index(row)
        chances[place] = odds[position]
        open_[position] = False
    return chances, expected
