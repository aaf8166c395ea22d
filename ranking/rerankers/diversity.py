"""Rules against lists of similar items: MMR, DPP, and the distance to the history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...modeling_xcat.arguments_xcat import finite_number
from ...tokenization.vocabulary import NUM_SPECIAL_ROWS
from ..rerank import Candidates
from .greedy import dpp_picks, mmr_picks


def share(name: str, value: float, least: float = 0.0) -> float:
    """A number from `least` to 1.

    Raises:
        ValueError: If it is not.
    """
    number = finite_number(name, value)
    if not least <= number <= 1:
        raise ValueError(f"{name} is {number:g}; give a number from {least:g} to 1")
    return number


@dataclass(frozen=True)
class MMR:
    """Maximal marginal relevance: each next item is relevant and unlike all items above it.

    Each place gets the item with the largest `(1 - diversity) * relevance - diversity * similarity`. The similarity is
    the cosine of the text states to the most similar item above it (Carbonell & Goldstein, SIGIR 1998).

    Args:
        diversity: Weight of the similarity, from 0 (no change) to 1; 1 - lambda of the paper.

    Raises:
        ValueError: If it is not from 0 to 1.
    """

    diversity: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "diversity", share("diversity", self.diversity))

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) sort keys."""
        relevance, tiers = candidates.greedy_inputs
        picks = mmr_picks(relevance, candidates.vectors, self.diversity, candidates.num_picks, tiers)
        return candidates.keys_of_picks(picks)


@dataclass(frozen=True)
class DPP:
    """Determinantal point process: a list whose items are relevant and span a large volume.

    The greedy MAP inference of Chen, Zhang & Zhou (NeurIPS 2018) with the cosine of the text states as kernel. An item
    with the text of an item above it comes after all others.

    Args:
        diversity: Weight of the volume, from 0 (no change) to 1; 1 - theta of the paper.

    Raises:
        ValueError: If it is not from 0 to 1.
    """

    diversity: float = 0.05

    def __post_init__(self) -> None:
        object.__setattr__(self, "diversity", share("diversity", self.diversity))

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) sort keys."""
        if not self.diversity:
            return torch.zeros_like(candidates.relevance)
        relevance, tiers = candidates.greedy_inputs
        picks = dpp_picks(relevance, candidates.vectors, self.diversity, candidates.num_picks, tiers)
        return candidates.keys_of_picks(picks)


@dataclass(frozen=True)
class Unexpectedness:
    """Favour items whose text differs from the texts of the history, or that are like them.

    Adds `weight * (1 - cosine to the most similar item of the history)` to the relevance.

    Args:
        weight: From -1 (familiar items first) to 1 (unfamiliar items first); 0 for no change.

    Raises:
        ValueError: If it is not from -1 to 1.
    """

    weight: float = 0.2

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", share("weight", self.weight, -1.0))

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) sort keys."""
        vectors, distance = candidates.vectors, np.zeros(candidates.rows.shape)
        for user, history in enumerate(candidates.histories):
            items = torch.as_tensor(history, dtype=torch.long).unique()
            known = candidates.known_data.vectors(items[items >= NUM_SPECIAL_ROWS])
            if len(known):
                distance[user] = 1 - (vectors[user] @ known.T).max(axis=1)
        return candidates.relevance + self.weight * torch.from_numpy(distance).to(candidates.relevance.device)
