"""Losses of a checkpoint on users it was trained on and on held-out ones, for membership inference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..evaluation.audits.membership import Membership, membership_inference

if TYPE_CHECKING:
    from datasets import Dataset

    from ..ranking.recommender import XCatRecommender
    from .checkpoint_evaluation import EvaluationData

MOST_USERS = 2_000
"""Users of each group that are scored, the first ones in a random order."""
_AT_ONCE = 64


def membership_audit(recommender: XCatRecommender, data: EvaluationData, seed: int = 0) -> Membership:
    """Attack a checkpoint by its losses.

    The loss of a user is that of the user's last item, given the events before. Members are users of the training
    part. The others are the users of the evaluated part, with a split by users; with other splits they are the same
    users, and their last item was held out, so the attack is on single events.

    Args:
        recommender: The checkpoint.
        data: Data of an evaluation.
        seed: Seed of the sampled users and of the intervals.

    Raises:
        ValueError: If a part has no user with two events.
    """
    held = ((row, int(row["targets"][0])) for row in _sampled(data.splits[data.part], seed) if len(row["targets"]))
    members = last_losses(recommender, data.splits["train"], seed)
    return membership_inference(members, _losses(recommender, [*held]), seed=seed)


def last_losses(recommender: XCatRecommender, rows: Dataset, seed: int = 0) -> np.ndarray:
    """Losses of the last event of users, given the events before.

    Args:
        recommender: The checkpoint.
        rows: Sequences of the users, such as those of a training part; users with one event are left out.
        seed: Seed of the sample, of `MOST_USERS` at most.

    Returns:
        (users,) cross-entropy, in nats; infinite values are left out.
    """
    pairs = (_without_last(row) for row in _sampled(rows, seed))
    return _losses(recommender, [pair for pair in pairs if pair is not None])


def _sampled(rows: Dataset, seed: int) -> Iterator[dict[str, Any]]:
    plain = rows.with_format(None)
    for place in np.random.default_rng(seed).permutation(len(plain))[:MOST_USERS].tolist():
        yield plain[place]


def _without_last(row: Mapping[str, Any]) -> tuple[dict[str, Any], int] | None:
    """A training row without its last event, and the item of that event."""
    items = row["items"]
    if len(items) < 2:
        return None
    cut = {
        name: value[:-1] if isinstance(value, list) and len(value) == len(items) else value
        for name, value in row.items()
    }
    return cut, int(items[-1])


def _losses(recommender: XCatRecommender, pairs: Sequence[tuple[dict[str, Any], int]]) -> np.ndarray:
    """(n,) cross-entropy of the items, in nats."""
    found = [np.zeros(0)]
    for start in range(0, len(pairs), _AT_ONCE):
        part = pairs[start : start + _AT_ONCE]
        scores = recommender.score_rows([row for row, _ in part]).double()
        targets = torch.tensor([target for _, target in part], device=scores.device)
        own = scores.gather(1, targets[:, None])[:, 0]
        found.append((torch.logsumexp(scores, 1) - own).cpu().numpy())
    losses: np.ndarray = np.concatenate(found)
    finite: np.ndarray = losses[np.isfinite(losses)]
    return finite
