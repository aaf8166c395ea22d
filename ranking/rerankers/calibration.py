"""Calibration: lists with the categories of the history, in the history's shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...evaluation.redundancy import category_shares
from ...modeling_xcat.arguments_xcat import whole_number
from ..rerank import MOST_PLACES, Candidates
from .diversity import share
from .greedy import calibrated_picks


@dataclass(frozen=True)
class Calibrate:
    """Calibrated recommendations: the categories of the list get the shares that they have in the history.

    Each place gets the item with the largest `(1 - weight) * relevance` minus `weight` times the growth of the
    Kullback-Leibler divergence between the shares in the history and in the list (Steck, RecSys 2018). The first
    places are left to the most relevant items, because their order decides most of NDCG (as in LeapRec, arXiv
    2408.02156). Users without a category in their history keep their list.

    Args:
        weight: Weight of the divergence, from 0 (no change) to 1; lambda of the paper.
        after: First places that keep their items; 0 as in the paper.
        column: Column of the catalogue with the categories.

    Raises:
        ValueError: If the weight is not from 0 to 1, or `after` is not a whole number.
    """

    weight: float = 0.5
    after: int = 8
    column: str = "category"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", share("weight", self.weight))
        object.__setattr__(self, "after", whole_number("after", self.after, 0, MOST_PLACES))

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) sort keys."""
        own = self.column == "category"
        codes = candidates.vocabulary.category_codes if own else candidates.known_data.codes(self.column)
        places, wanted = _wanted(codes[candidates.rows.cpu().numpy()], candidates.histories, codes)
        relevance, tiers = candidates.greedy_inputs
        picks = calibrated_picks(relevance, places, wanted, self.weight, candidates.num_picks, tiers, self.after)
        return candidates.keys_of_picks(picks)


def _wanted(
    categories: np.ndarray, histories: Sequence[Sequence[int]], codes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the candidates' categories among those of the history, and the shares of these."""
    shares = [category_shares(codes[np.asarray(history, dtype=np.int64)]) for history in histories]
    widest = max((len(found) for found, _ in shares), default=0)
    places, wanted = np.full(categories.shape, -1), np.zeros((len(histories), widest))
    for user, (found, parts) in enumerate(shares):
        wanted[user, : len(found)] = parts
        if len(found):
            near = np.searchsorted(found, categories[user]).clip(max=len(found) - 1)
            places[user] = np.where(found[near] == categories[user], near, -1)
    return places, wanted
