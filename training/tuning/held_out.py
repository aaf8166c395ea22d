"""Scores of users that a re-ranker was fitted on, with weights fitted on the other users."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ...evaluation.ranker_evaluation import Ranker
from ...modeling_xcat.scoring_xcat import XCatScoring


def fingerprint(row: dict[str, Any]) -> int:
    """Hash of the history and the targets of a row, the same in every process."""
    items, targets = (tuple(np.asarray(row[name]).tolist()) for name in ("items", "targets"))
    return hash((items, targets))  # hashes of numbers are not salted, unlike hashes of texts


@dataclass(frozen=True)
class HeldOutWeights:
    """Weights of a re-ranker fitted without some users, for unbiased metrics of these users.

    Args:
        folds: `fingerprint` of each fitted row to the number of its fold.
        weights: Buffers of the re-ranker by name, one mapping per fold, fitted on the other folds.
    """

    folds: dict[int, int]
    weights: Sequence[dict[str, torch.Tensor]]

    def folds_of(self, rows: Sequence[dict[str, Any]]) -> torch.Tensor:
        """(rows,) numbers of folds; -1 for rows that the re-ranker was not fitted on."""
        return torch.tensor([self.folds.get(fingerprint(row), -1) for row in rows], dtype=torch.long)

    def scores(
        self,
        reranker: nn.Module,
        folds: torch.Tensor,
        score: Callable[[torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        """Score queries, each with weights fitted without its user.

        Args:
            reranker: The re-ranker; its own weights are restored afterwards.
            folds: (queries,) result of `folds_of`.
            score: Computes (chosen, item rows) scores from (chosen,) query numbers.

        Returns:
            (queries, item rows) scores.
        """
        parts, order = [], []
        for fold in folds.unique().tolist():
            chosen = (folds == fold).nonzero().squeeze(1)
            with _weighted(reranker, self.weights[fold] if fold >= 0 else {}):
                parts.append(score(chosen))
            order.append(chosen)
        return torch.cat(parts)[torch.cat(order).argsort().to(parts[0].device)]


class HeldOutRanker:
    """A recommender that scores the rows its re-rankers were fitted on with weights fitted without them.

    Args:
        recommender: The recommender.
        model: Its model.
        held_out: Weights by fold for next items (False) and for discovery (True), if there are any.
    """

    def __init__(self, recommender: Ranker, model: XCatScoring, held_out: Mapping[bool, HeldOutWeights]) -> None:
        self.recommender, self.model, self.held_out = recommender, model, held_out

    def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        """(rows, item rows) scores."""
        return self._scored(rows, self.recommender.score_rows, discovers=False)

    def discover_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        """(rows, item rows) scores for discovery."""
        score = getattr(self.recommender, "discover_rows", self.recommender.score_rows)
        return self._scored(rows, score, discovers=True)

    def _scored(
        self,
        rows: list[dict[str, Any]],
        score: Callable[[list[dict[str, Any]]], torch.Tensor],
        discovers: bool,
    ) -> torch.Tensor:
        reranker, held_out = self.model.reranker(discovers), self.held_out.get(discovers)
        if reranker is None or held_out is None:
            return score(rows)
        return held_out.scores(
            reranker, held_out.folds_of(rows), lambda chosen: score([rows[i] for i in chosen.tolist()])
        )


@contextmanager
def rerankers_off(config: Any) -> Iterator[None]:
    """Switch off the re-rankers that were fitted on validation users, to rank these users without their targets.

    Args:
        config: Configuration of the model.
    """
    before = config.candidate_attention, config.discover_candidate_attention
    config.candidate_attention, config.discover_candidate_attention = False, None
    try:
        yield
    finally:
        config.candidate_attention, config.discover_candidate_attention = before


@contextmanager
def _weighted(reranker: nn.Module, weights: dict[str, torch.Tensor]) -> Iterator[None]:
    own = {name: getattr(reranker, name).clone() for name in weights}
    try:
        for name, value in weights.items():
            getattr(reranker, name).copy_(value)
        yield
    finally:
        for name, value in own.items():
            getattr(reranker, name).copy_(value)
