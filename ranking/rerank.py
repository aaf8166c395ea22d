"""Re-ranking rules: reorder a user's best items after scoring, in serving and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch

from ..tokenization.vocabulary import ItemVocabulary

DEPTH = 200
"""Number of best items per user that rules reorder; more for longer lists."""


@dataclass(frozen=True)
class Candidates:
    """The best items of some users: the input of a rule.

    Args:
        rows: (users, n) item indices, best first after the previous rules.
        scores: (users, n) float32 scores of these items; -inf if a user has fewer items.
        histories: Item indices of each user's history, oldest first.
        vocabulary: The catalogue, for item columns such as `vocabulary.category_codes`.
    """

    rows: torch.Tensor
    scores: torch.Tensor
    histories: Sequence[Sequence[int]]
    vocabulary: ItemVocabulary


@runtime_checkable
class Reranker(Protocol):
    """A rule: any callable that computes sort keys of candidates."""

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """Compute sort keys.

        Args:
            candidates: The best items of some users.

        Returns:
            (users, n) keys, highest first. Items with equal keys keep their order.
        """
        ...


@dataclass(frozen=True)
class MaxPerCategory:
    """Move items back when their category already has its maximum of items.

    Items without a category are never moved.

    Args:
        most: Maximum of items per category at the front.

    Raises:
        ValueError: If `most` is below 1.
    """

    most: int

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError(f"most is {self.most}; give a whole number from 1, such as 3")

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) 1 for items within the maximum of their category, 0 for the others."""
        codes = (
            torch.as_tensor(candidates.vocabulary.category_codes).long().to(candidates.rows.device)[candidates.rows]
        )
        order = codes.argsort(dim=1, stable=True)  # groups items by category, best first
        grouped = codes.gather(1, order)
        place = torch.arange(codes.shape[1], device=codes.device).expand_as(codes)
        begins = torch.ones_like(grouped, dtype=torch.bool)
        begins[:, 1:] = grouped[:, 1:] != grouped[:, :-1]
        within = place - torch.where(begins, place, 0).cummax(1).values
        kept = (within < self.most) | (grouped < 0)
        return torch.zeros_like(candidates.scores).scatter(1, order, kept.to(candidates.scores.dtype))


def rerank_order(candidates: Candidates, rerankers: Sequence[Reranker]) -> torch.Tensor:
    """Apply rules one after the other and return the resulting order of the candidates.

    Args:
        candidates: The best items of some users.
        rerankers: The rules.

    Returns:
        (users, n) positions in `candidates`.

    Raises:
        ValueError: If the keys of a rule have another shape or are NaN.
    """
    places = torch.arange(candidates.rows.shape[1], device=candidates.rows.device).expand_as(candidates.rows)
    for rule in rerankers:
        keys = torch.as_tensor(rule(candidates)).to(candidates.rows.device)
        if keys.shape != candidates.rows.shape or keys.isnan().any():
            wrong = "NaN" if keys.shape == candidates.rows.shape else f"of shape {tuple(keys.shape)}"
            raise ValueError(
                f"re-ranking rule {rule!r} gives keys {wrong}; give one number per candidate, "
                f"{tuple(candidates.rows.shape)}"
            )
        missing = candidates.scores == -torch.inf
        order = keys.double().masked_fill(missing, -torch.inf).argsort(dim=1, descending=True, stable=True)
        places = places.gather(1, order)
        candidates = replace(
            candidates, rows=candidates.rows.gather(1, order), scores=candidates.scores.gather(1, order)
        )
    return places


def rerank_scores(
    scores: torch.Tensor,
    histories: Sequence[Sequence[int]],
    vocabulary: ItemVocabulary,
    rerankers: Sequence[Reranker],
    depth: int = DEPTH,
) -> torch.Tensor:
    """Reorder the scores of the whole catalogue by the rules, for evaluation.

    The best items exchange their scores, so all other items keep their ranks.

    Args:
        scores: (users, item rows) scores; -inf for special rows.
        histories: Item indices of each user's history, oldest first.
        vocabulary: The catalogue.
        rerankers: The rules.
        depth: Number of best items that are reordered.

    Returns:
        (users, item rows) scores.
    """
    best, rows = scores.topk(min(depth, scores.shape[1]), dim=1)
    order = rerank_order(Candidates(rows, best, histories, vocabulary), rerankers)
    return scores.scatter(1, rows.gather(1, order), best)
