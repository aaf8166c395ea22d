"""Ranking of groups of items by a head over behaviour states, alone or beside summed items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..modeling_xcat.target_heads_xcat import with_head
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS
from .purposes import history_rows, without_history
from .ranker_evaluation import Ranker

Head = Callable[[torch.Tensor], torch.Tensor]
"""From (users, hidden) states to (users, groups) logarithms of probabilities; -inf for groups that it cannot rank."""
States = Callable[[list[dict[str, Any]]], torch.Tensor]
"""From rows of `group_rows` to (users, hidden) states of their histories."""


class HeadRanker:
    """Ranks groups by a head, alone or with summed items as `recommend_targets` does.

    Args:
        head: The head, such as a `TargetHead`.
        states: The states that it reads.
        summed: Summed items (`SummedItems`); None for the head alone.
        weights: Weight of the head beside them, for the next item and for discovery.
    """

    def __init__(
        self, head: Head, states: States, summed: Ranker | None = None, weights: Sequence[float] = (1.0, 1.0)
    ) -> None:
        self._head, self._states, self._summed, self._weights = head, states, summed, weights

    def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        """(users, groups) logarithms of probabilities, for rows of `group_rows`."""
        found = self._logarithms(rows)
        return found if self._summed is None else with_head(self._summed.score_rows(rows), found, self._weights[0])

    def discover_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        """The same for discovery: the head ranks only groups that the history lacks."""
        found = without_history(self._logarithms(rows), history_rows(rows))
        if self._summed is None:
            return found
        rank = getattr(self._summed, "discover_rows", self._summed.score_rows)
        return with_head(rank(rows), found, self._weights[1])

    def _logarithms(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        found = self._head(self._states(rows))
        return torch.nn.functional.pad(found, (NUM_SPECIAL_ROWS, 0), value=-torch.inf)


class StoredScores:
    """A ranker whose scores of all rows are computed once.

    Args:
        ranker: The ranker.
        rows: Result of `group_rows`; its rows have scores, which `row` of a row finds.
        batch: Rows scored at once.
    """

    def __init__(self, ranker: Ranker, rows: Any, batch: int = 256) -> None:
        plain, parts = rows.with_format(None), []
        for start in range(0, len(plain), batch):
            some = plain.select(range(start, min(start + batch, len(plain)))).to_list()
            discover = getattr(ranker, "discover_rows", ranker.score_rows)
            parts.append((ranker.score_rows(some).cpu(), discover(some).cpu()))
        self._following, self._discover = map(torch.cat, zip(*parts, strict=True))
        self._places = {row: place for place, row in enumerate(plain["row"])}

    def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        """(users, groups) scores for the next item."""
        return self._following[[self._places[row["row"]] for row in rows]]

    def discover_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        """(users, groups) scores for discovery."""
        return self._discover[[self._places[row["row"]] for row in rows]]
