"""Exploration: lists drawn at random, with the probability of every place."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...modeling_xcat.arguments_xcat import finite_number, whole_number
from ..rerank import Candidates


@dataclass(frozen=True)
class PlackettLuce:
    """Draw the list place by place, each item with a probability proportional to `exp(relevance / temperature)`.

    The draw depends on the seed and on the history, so the same request gives the same list; give every request a seed
    of its own to explore. Each recommendation has the probability of its place, given the items above it, as
    `propensity`, for off-policy estimators. The rule comes last; limits and pins before it are kept.

    Args:
        temperature: Above 0; .01 rarely changes the order, 1 is nearly uniform over the pool.
        seed: Seed of the draw.

    Raises:
        ValueError: If the temperature is not above 0, or the seed is not a whole number.
    """

    temperature: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if finite_number("temperature", self.temperature) <= 0:
            raise ValueError(f"temperature is {self.temperature}; give a number above 0, such as 0.1")
        object.__setattr__(self, "seed", whole_number("seed", self.seed, 0))

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) sort keys: utilities with Gumbel noise, whose order is a draw of the Plackett-Luce model."""
        noise = np.stack([self._noise(history, candidates.rows.shape[1]) for history in candidates.histories])
        return candidates.relevance / self.temperature + torch.from_numpy(noise).to(candidates.relevance.device)

    def propensities(self, candidates: Candidates, order: torch.Tensor) -> torch.Tensor:
        """Probability of each place's item, given the items above it.

        Args:
            candidates: The candidates before the draw.
            order: (users, n) their positions in the drawn order.

        Returns:
            (users, n) probabilities; 0 for places of no item.
        """
        utility = (candidates.relevance / self.temperature).gather(1, order)
        tiers = candidates.tiers.gather(1, order)
        same = (tiers[:, :, None] == tiers[:, None, :]).triu()  # this place and all below it
        rest = utility[:, None, :].expand(same.shape).masked_fill(~same, -torch.inf).logsumexp(dim=2)
        return (utility - rest).exp().masked_fill(tiers == -torch.inf, 0.0)

    def _noise(self, history: Sequence[int], count: int) -> np.ndarray:
        place = zlib.crc32(np.asarray(history, dtype=np.int64).tobytes())
        noise: np.ndarray = np.random.default_rng([self.seed, place]).gumbel(size=count)
        return noise
