"""The two purposes of a ranking, defined once for every model: the next item, and discovery."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tokenization.vocabulary import PAD_ROW
from .baseline_names import POPULARITY, REPEAT_PURCHASE
from .slices import SLICE_NAMES

if TYPE_CHECKING:
    import torch

    from .ranker_evaluation import RankingReport

NEXT, DISCOVER = "next", "discover"
PURPOSES = (NEXT, DISCOVER)
PURPOSE_MEANINGS = {
    NEXT: "any item, also items of the user's history",
    DISCOVER: "items that are not in the user's history",
}
"""What a purpose ranks, and what its targets are."""
PURPOSE_CALLS = {NEXT: "recommend(exclude_seen=False)", DISCOVER: "recommend()"}
"""The call that gives the lists of a purpose."""
NO_DISCOVERY = "no user has a target that is not in the history"
"""Why an evaluation has no metrics for `DISCOVER`."""
NEW_TARGETS = "unseen"
"""The slice that holds the targets of `DISCOVER`."""
DISCOVER_SLICES = tuple(name for name in SLICE_NAMES if name != NEW_TARGETS)
"""Slices of `DISCOVER`: all but the slice of all its targets."""

_SCORES_AT_ONCE = 1 << 25


def history_rows(rows: Sequence[Mapping[str, Any]]) -> torch.Tensor:
    """The items of each whole history: all events of all types, also older ones than a model reads.

    Args:
        rows: Rows of a dataset with `items`.

    Returns:
        (users, longest history) int64 item indices, padded with `PAD_ROW`.
    """
    import torch

    from .ranks import pad_targets

    return torch.from_numpy(np.maximum(pad_targets([row["items"] for row in rows]), PAD_ROW))


def without_history(scores: torch.Tensor, history: torch.Tensor) -> torch.Tensor:
    """A copy of scores with the items of the histories left out, which score `-inf`.

    Args:
        scores: (users, rows) scores.
        history: (users, events) result of `history_rows`.

    Example:
        >>> import torch
        >>> without_history(torch.tensor([[-torch.inf, -torch.inf, 0.5, 0.25]]), torch.tensor([[2, 0]])).tolist()
        [[-inf, -inf, -inf, 0.25]]
    """
    return scores.scatter(1, history.to(scores.device), -math.inf)


def rank_new_targets(
    scores: torch.Tensor, history: torch.Tensor, targets: torch.Tensor, new: torch.Tensor, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rank the targets of `DISCOVER` among the items that are not in the history.

    Args:
        scores: (users, rows) scores.
        history: (users, events) result of `history_rows`.
        targets: (users, targets) item indices, `TARGET_PADDING` for none.
        new: (users, targets) bool, the slice `NEW_TARGETS`.
        k: Length of the lists.

    Returns:
        (users, targets) ranks from 1, 0 for other targets and padding; (users, k) recommended item indices.
    """
    import torch

    from .ranks import TARGET_PADDING, target_ranks, top_rows

    targets, new = targets.to(scores.device), new.to(scores.device)
    wanted = targets.masked_fill(~new, TARGET_PADDING)
    ranks, top = [], []
    for part in torch.arange(len(scores)).split(max(1, _SCORES_AT_ONCE // scores.shape[1])):  # bounds the copies
        users = slice(int(part[0]), int(part[-1]) + 1)
        masked = without_history(scores[users], history[users])
        ranks.append(target_ranks(masked, wanted[users]))
        top.append(top_rows(masked, k))
    return torch.cat(ranks), torch.cat(top)


def discover_reports(reports: Mapping[str, RankingReport]) -> dict[str, RankingReport]:
    """The reports of discovery by name, for tables; empty if there are none.

    Repeat purchase is left out where popularity is there: without the history both rank alike.

    Args:
        reports: Reports by name of the model.
    """
    found = {name: report.discover for name, report in reports.items() if report.discover is not None}
    if POPULARITY in found:
        found.pop(REPEAT_PURCHASE, None)
    return found
