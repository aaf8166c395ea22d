"""The one definition of a target's rank and of a top-k list."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch

from ..tokenization.vocabulary import PAD_ROW

TARGET_PADDING = -1
"""Padding of (users, targets) arrays, for users with fewer targets than the maximum of the batch."""

_CHUNK = 2**22
"""Scores that are compared at once where equal ones have to be chosen from."""
_LOOP_COLUMNS = 32
"""Up to this many targets per user, comparing each target is faster than sorting the targets (12,000 items)."""


def pad_targets(targets: Sequence[Sequence[int]]) -> np.ndarray:
    """Put target lists of different lengths into one array.

    Args:
        targets: One list of item indices per user.

    Returns:
        (users, widest) int64 item indices, `TARGET_PADDING` for users with fewer.

    Example:
        >>> pad_targets([[4, 2], [7]]).tolist()
        [[4, 2], [7, -1]]
    """
    lengths = np.fromiter(map(len, targets), dtype=np.int64, count=len(targets))
    padded = np.full((len(targets), int(lengths.max(initial=0))), TARGET_PADDING, dtype=np.int64)
    flat = np.fromiter(chain.from_iterable(targets), dtype=np.int64, count=int(lengths.sum()))
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = flat
    return padded


def target_ranks(scores: torch.Tensor, targets: torch.Tensor, among: torch.Tensor | None = None) -> torch.Tensor:
    """Rank every target among all scored rows; ties count against the model.

    The rank is the number of rows that score at least as much as the target, including the target. A model with equal
    scores for everything then ranks last; counting only higher scores would rank that model first (Krichene and
    Rendle, "On Sampled Metrics for Item Recommendation", KDD 2020, on ranking against the full catalogue; ties as in
    McSherry and Najork, "Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied
    Scores", ECIR 2008). No array of users x targets x rows is allocated.

    Args:
        scores: (users, rows) scores, `-inf` for items that must not be recommended.
        targets: (users, targets) item indices of the targets, `TARGET_PADDING` where there is none.
        among: (rows,) bool, rows to count, whether or not the target is one of them; None for all.

    Returns:
        (users, targets) int64 ranks from 1, or from 0 for a target that is not counted itself; 0 for padding.

    Raises:
        ValueError: If shapes do not fit, a score is NaN, or a target is not a row of the scores.

    Example:
        >>> target_ranks(torch.tensor([[0.1, 0.7, 0.7, 0.2]]), torch.tensor([[1, 3, -1]])).tolist()
        [[2, 3, 0]]
    """
    if scores.ndim != 2 or targets.ndim != 2 or len(scores) != len(targets):
        raise ValueError(
            f"scores {tuple(scores.shape)} and targets {tuple(targets.shape)} do not fit; give (users, rows) and "
            "(users, targets)"
        )
    if not targets.numel():
        return torch.zeros(targets.shape, dtype=torch.long, device=scores.device)
    _check_scores(scores)
    targets = targets.to(scores.device, torch.long)
    if int(targets.max()) >= scores.shape[1]:
        raise ValueError(
            f"target row {int(targets.max())} is not among the {scores.shape[1]} scored rows; "
            "the targets come from another vocabulary than the scores"
        )
    valid = targets >= 0
    wanted = scores.gather(1, targets.clamp(min=0))
    counted = scores if among is None else scores[:, among.to(scores.device)]
    if targets.shape[1] <= _LOOP_COLUMNS:
        # A sum into int32 is several times faster than one into int64, and rows are fewer than 2^31.
        columns = [(counted >= value[:, None]).sum(1, dtype=torch.int32) for value in wanted.unbind(1)]
        ranks = torch.stack(columns, dim=1).long()
    else:
        ranks = _counts_at_or_above(counted, wanted)
    return ranks.masked_fill(~valid, 0)


def top_rows(scores: torch.Tensor, k: int) -> torch.Tensor:
    """The rows of every user with the highest scores, best first; of equal scores the first rows.

    `torch.topk` chooses among equal scores in an order that depends on k, so that the coverage of a baseline with few
    different scores would depend on the longest list that was asked for.

    Args:
        scores: (users, rows) scores.
        k: Number of rows per user; at most as many as there are rows.

    Returns:
        (users, min(k, rows)) int64 rows; `PAD_ROW` where the score is `-inf` (not recommended).

    Example:
        >>> top_rows(torch.tensor([[0.5, 0.1, 0.5, 0.9, 0.5]]), 3).tolist()
        [[3, 0, 2]]
    """
    rows = scores.topk(min(k, scores.shape[1]), dim=1).indices.sort(dim=1).values
    values, order = scores.gather(1, rows).sort(dim=1, descending=True, stable=True)
    rows = rows.gather(1, order)
    if rows.numel():
        _choose_first(scores, values, rows)
    return rows.masked_fill(values == -torch.inf, PAD_ROW)


def _choose_first(scores: torch.Tensor, values: torch.Tensor, rows: torch.Tensor) -> None:
    """Replace the rows with the last value by the first rows that have it, in place."""
    last = values[:, -1:]
    places = values == last
    more = (scores == last).sum(1) > places.sum(1)
    for users in (more & (last[:, 0] > -torch.inf)).nonzero()[:, 0].split(max(1, _CHUNK // scores.shape[1])):
        equal = scores[users] == last[users]
        first = equal & (equal.cumsum(1, dtype=torch.int32) <= places[users].sum(1, keepdim=True))
        chosen = rows[users]
        chosen[places[users]] = first.nonzero()[:, 1]
        rows[users] = chosen


def _check_scores(scores: torch.Tensor) -> None:
    unusable = scores.isnan()
    if unusable.any():
        user, row = (int(i) for i in unusable.nonzero()[0])
        raise ValueError(
            f"{int(unusable.sum())} of {scores.numel()} scores are NaN, for example of user {user} and row {row}; "
            "so ranks have no meaning; make the model return finite scores or -inf"
        )


def _counts_at_or_above(scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Number of scores at or above each of many (users, targets) values: sorts the values, then places each score."""
    ordered, order = wanted.sort(dim=1)
    reached = torch.searchsorted(ordered, scores.contiguous(), right=True)
    histogram = torch.zeros(len(scores), wanted.shape[1] + 1, dtype=torch.long, device=scores.device)
    histogram.scatter_add_(1, reached, torch.ones_like(reached))
    at_or_above = histogram.flip(1).cumsum(1).flip(1)[:, 1:]
    return torch.empty_like(at_or_above).scatter_(1, order, at_or_above)
