"""Re-ranking rules: reorder a user's best items after scoring, in serving and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from ..modeling_xcat.ranked_xcat import Reordered, Reordering, add_pins
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from .item_data import ItemData

POOL, POOL_TIMES = 200, 10
"""Number of best items per user that rules reorder: `POOL`, or `POOL_TIMES` the length of a longer list."""
MOST_PLACES = 2**31 - 1
"""Largest number of places or items in a rule; no list is as long."""


@dataclass(frozen=True)
class Candidates:
    """The best items of some users: the input of a rule.

    Args:
        rows: (users, n) item indices, best first after the previous rules.
        scores: (users, n) float32 scores of these items; -inf if a user has fewer items.
        histories: Item indices of each user's history, oldest first.
        vocabulary: The catalogue, for item columns such as `vocabulary.category_codes`.
        data: Vectors and training events of items; None if there are none.
        relevance: (users, n) float64 relevance of the places, from 1 for the best score of the pool to 0 for the
            lowest. It belongs to the places: after a rule, the items have the relevance of their new places.
        tiers: (users, n) float64; an item of a lower tier stays behind all of a higher one. -inf for no item.
        length: First places that a rule orders that picks item by item. It depends on the pool and not on the list,
            so that the first items of a longer list are those of a shorter one.
    """

    rows: torch.Tensor
    scores: torch.Tensor
    histories: Sequence[Sequence[int]]
    vocabulary: ItemVocabulary
    data: ItemData | None = None
    relevance: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    tiers: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    length: int = POOL // POOL_TIMES

    def __post_init__(self) -> None:
        if self.relevance.shape != self.scores.shape:
            object.__setattr__(self, "relevance", relevance_of(self.scores))
        if self.tiers.shape != self.scores.shape:
            missing = self.scores == -torch.inf
            object.__setattr__(self, "tiers", torch.zeros_like(self.relevance).masked_fill(missing, -torch.inf))

    @property
    def known_data(self) -> ItemData:
        """Vectors and training events of the items.

        Raises:
            ValueError: If there are none.
        """
        if self.data is None:
            raise ValueError("these candidates have no item data; give data=ItemData(...), or use XCatRecommender")
        return self.data

    @property
    def vectors(self) -> np.ndarray:
        """(users, n, width) float32 text states of the items, of length 1."""
        return self.known_data.vectors(self.rows)

    def keys_of_picks(self, picks: np.ndarray) -> torch.Tensor:
        """(users, n) sort keys that put (users, places) picked positions first; the others keep their order."""
        keys = torch.zeros_like(self.relevance)
        places = torch.arange(picks.shape[1], 0, -1, dtype=keys.dtype, device=keys.device)
        return keys.scatter(1, torch.from_numpy(picks).to(keys.device), places.expand(picks.shape))

    @property
    def num_picks(self) -> int:
        """Places that a rule orders that picks item by item."""
        return min(self.length, self.rows.shape[1])

    @property
    def greedy_inputs(self) -> tuple[np.ndarray, np.ndarray | None]:
        """(users, n) relevance and tiers as NumPy arrays; None for one tier of all."""
        tiers = self.tiers.cpu().numpy()
        return self.relevance.cpu().numpy(), tiers if tiers.any() else None


def relevance_of(scores: torch.Tensor) -> torch.Tensor:
    """(users, n) scores moved to 0 to 1 by the lowest and the highest of each user; 0 for -inf.

    Example:
        >>> relevance_of(torch.tensor([[5.0, 4.0, 3.0, -torch.inf]])).tolist()
        [[1.0, 0.5, 0.0, 0.0]]
    """
    scores = scores.double()
    missing = scores == -torch.inf
    least = scores.masked_fill(missing, torch.inf).amin(dim=1, keepdim=True)
    span = scores.amax(dim=1, keepdim=True) - least
    shares = torch.where(span > 0, (scores - least) / torch.where(span > 0, span, 1), 1.0)
    return shares.masked_fill(missing, 0.0)


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


def pool_size(length: int) -> int:
    """Number of best items that rules reorder for a list: ten times its length, at least `POOL`.

    Example:
        >>> pool_size(10), pool_size(50)
        (200, 500)
    """
    return max(POOL, POOL_TIMES * length)


def rerank_order(candidates: Candidates, rerankers: Sequence[Reranker]) -> torch.Tensor:
    """Apply rules one after the other and return the resulting order of the candidates; see `rerank`."""
    return rerank(candidates, rerankers).places


def rerank(candidates: Candidates, rerankers: Sequence[Reranker]) -> Reordered:
    """Apply rules one after the other.

    A rule sees the order of the rules before it: `relevance` stays in its places, so the items exchange it. After a
    rule with a true attribute `binding`, the items with a larger key stay before the others, whatever the later rules
    compute.

    Args:
        candidates: The best items of some users.
        rerankers: The rules.

    Returns:
        The order.

    Raises:
        ValueError: If the keys of a rule have another shape or are NaN, or a rule follows one that draws at random.
    """
    check_last(rerankers)
    places = torch.arange(candidates.rows.shape[1], device=candidates.rows.device).expand_as(candidates.rows)
    drawn = None
    for rule in rerankers:
        keys = torch.as_tensor(rule(candidates)).to(candidates.rows.device)
        if keys.shape != candidates.rows.shape or keys.isnan().any():
            wrong = "NaN" if keys.shape == candidates.rows.shape else f"of shape {tuple(keys.shape)}"
            raise ValueError(
                f"re-ranking rule {rule!r} gives keys {wrong}; give one number per candidate, "
                f"{tuple(candidates.rows.shape)}"
            )
        before, keys = candidates, keys.double()
        order = keys.argsort(dim=1, descending=True, stable=True)
        order = order.gather(1, before.tiers.gather(1, order).argsort(dim=1, descending=True, stable=True))
        tiers = before.tiers.gather(1, order)
        if getattr(rule, "binding", False):
            tiers = _split_tiers(tiers, keys.gather(1, order))
        places = places.gather(1, order)
        candidates = replace(
            before, rows=before.rows.gather(1, order), scores=before.scores.gather(1, order), tiers=tiers
        )
        drawn = rule.propensities(before, order) if hasattr(rule, "propensities") else None
    return Reordered(places, drawn)


def check_last(rerankers: Sequence[Reranker]) -> None:
    """Refuse rules after one that draws at random: their order would have another probability than the recorded one.

    Raises:
        ValueError: If there is such a rule.
    """
    for rule in rerankers[:-1]:
        if hasattr(rule, "propensities"):
            raise ValueError(f"re-ranking rule {rule!r} draws at random, so it comes last; move the others before it")


def _split_tiers(tiers: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Sorted tiers (users, n), split where the sorted keys change; places of no item keep -inf."""
    changes = torch.zeros_like(tiers)
    changes[:, 1:] = ((tiers[:, 1:] != tiers[:, :-1]) | (keys[:, 1:] != keys[:, :-1])).double()
    return (-changes.cumsum(dim=1)).masked_fill(tiers == -torch.inf, -torch.inf)


def rerank_scores(
    scores: torch.Tensor,
    histories: Sequence[Sequence[int]],
    vocabulary: ItemVocabulary,
    rerankers: Sequence[Reranker],
    depth: int = POOL,
    data: ItemData | None = None,
) -> torch.Tensor:
    """Reorder the scores of the whole catalogue by the rules, for evaluation.

    The best items exchange their scores, so all other items keep their ranks.

    Args:
        scores: (users, item rows) scores; -inf for special rows.
        histories: Item indices of each user's history, oldest first.
        vocabulary: The catalogue.
        rerankers: The rules.
        depth: Number of best items that are reordered.
        data: Item vectors and counts, for rules that need them.

    Returns:
        (users, item rows) scores.
    """
    best, rows = scores.topk(min(depth, scores.shape[1]), dim=1)
    pins = pinned_rows(rerankers, vocabulary).to(rows.device)
    rows, best = add_pins(rows, best, pins, scores[:, pins])
    candidates = pool_candidates(rows, best, len(pins), histories, vocabulary, data, depth)
    order = rerank_order(candidates, rerankers)
    return scores.scatter(1, rows.gather(1, order), best.sort(dim=1, descending=True).values)


def pinned_rows(rerankers: Sequence[Reranker], vocabulary: ItemVocabulary) -> torch.Tensor:
    """(pins,) item indices of items that rules add to the pool, by their attribute `pinned` of item ids.

    Raises:
        ValueError: If one is not in the catalogue.
    """
    ids = list(dict.fromkeys(item for rule in rerankers for item in getattr(rule, "pinned", ())))
    rows = torch.as_tensor(vocabulary.encode(ids)) if ids else torch.empty(0, dtype=torch.long)
    unknown = [item for item, row in zip(ids, rows.tolist(), strict=True) if row < NUM_SPECIAL_ROWS]
    if unknown:
        raise ValueError(f"rerank: {unknown[0]!r} is not an item of the catalogue; pin items of the catalogue")
    return rows


def pool_candidates(
    rows: torch.Tensor,
    scores: torch.Tensor,
    pins: int,
    histories: Sequence[Sequence[int]],
    vocabulary: ItemVocabulary,
    data: ItemData | None,
    depth: int,
) -> Candidates:
    """Candidates whose last `pins` places were added to a pool of `depth` items; they have relevance 0."""
    relevance = relevance_of(scores[:, : scores.shape[1] - pins]).sort(dim=1, descending=True).values
    relevance = torch.cat([relevance, relevance.new_zeros(len(scores), pins)], 1)
    return Candidates(rows, scores, histories, vocabulary, data, relevance, length=max(1, depth // POOL_TIMES))


def reordering(
    histories: Sequence[Sequence[int]],
    vocabulary: ItemVocabulary,
    rerankers: Sequence[Reranker],
    depth: int,
    data: ItemData | None = None,
) -> Reordering:
    """The rules as an order of the best items of some users, for serving; see `rerank_scores` for evaluation.

    Args:
        histories: Item indices of each user's history, oldest first.
        vocabulary: The catalogue.
        rerankers: The rules.
        depth: Number of best items that are reordered.
        data: Item vectors and counts, for rules that need them.

    Raises:
        ValueError: If a pinned item is not in the catalogue.
    """
    pins = pinned_rows(rerankers, vocabulary)

    def order(rows: torch.Tensor, scores: torch.Tensor) -> Reordered:
        return rerank(pool_candidates(rows, scores, len(pins), histories, vocabulary, data, depth), rerankers)

    return Reordering(order, depth, pins)
