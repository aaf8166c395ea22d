"""Replay: what other rankings would have earned on logged lists."""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..evaluation.bootstrap import Interval
from ..evaluation.off_policy import LoggedRounds, OffPolicyEstimate, off_policy_estimate
from ..modeling_xcat.arguments_xcat import finite_number
from ..ranking.place_chances import PoolReader, place_chances
from ..ranking.recommender import XCatRecommender
from ..ranking.rerank import pool_size
from ..ranking.rerankers.sampling import PlackettLuce
from ..ranking.rerankers.words import read_rerankers
from ..serving.feedback import HIDE, Impression, open_feedback
from ..tokenization.progress import stage
from .text_lists import list_of_texts

_PRIOR = 5.0
"""Expected reactions that an item needs until half of its own rate is believed."""


@dataclass(frozen=True)
class ReplayResult:
    """What rankings would have earned per list.

    Args:
        estimates: By checkpoint, in order.
        differences: By estimator: the second checkpoint minus the first one; empty for one checkpoint.
        num_lists: Lists that were used.
        left_out: Lists that were not: they were not drawn at random.
        reactions: Types of reactions that count.
    """

    estimates: dict[str, OffPolicyEstimate]
    differences: dict[str, Interval] = field(default_factory=dict)
    num_lists: int = 0
    left_out: int = 0
    reactions: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON."""
        return {
            "num_lists": self.num_lists,
            "left_out": self.left_out,
            "reactions": list(self.reactions),
            "logged_value": next(iter(self.estimates.values())).logged_value,
            "checkpoints": {
                name: {
                    "effective_lists": found.effective_rounds,
                    "estimates": {kind: _plain(interval) for kind, interval in found.estimates.items()},
                }
                for name, found in self.estimates.items()
            },
            "differences": {kind: _plain(interval) for kind, interval in self.differences.items()},
        }


def replay(
    log: str | os.PathLike[str],
    checkpoints: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    reactions: str | Collection[str] = (),
    temperature: float | None = None,
    clip: float | None = None,
) -> ReplayResult:
    """Estimate how many reactions per list checkpoints would have got, from lists that another one has shown.

    Lists that were drawn at random (rule `sample`) are used. Each checkpoint ranks again for the logged history and
    options; its chance of every logged place is compared with the logged one.

    Args:
        log: Store of the service: a SQLite file, or "redis://HOST:PORT/NUMBER".
        checkpoints: Folders or names, one or more; the first two are compared.
        reactions: Types of reactions that count, such as click and purchase; empty for all but hide.
        temperature: Of the draw of the checkpoints; 0 for their best lists; None for that of each logged list.
        clip: See `off_policy_estimate`.

    Raises:
        OSError: If the log or a checkpoint cannot be read.
        TooFewRoundsError: If the log says too little about a checkpoint.
        ValueError: If no list was drawn at random, no reaction has one of the types, or an argument is invalid.
    """
    if temperature is not None and finite_number("temperature", temperature) < 0:
        raise ValueError(f"temperature is {temperature}; give 0 or more")
    counting, chosen = (
        list_of_texts("reactions", reactions, "types"),
        list_of_texts("checkpoints", checkpoints, "folders"),
    )
    if not chosen:
        raise ValueError("checkpoints is empty; give the folder of at least one")
    feedback = open_feedback(log, reading=True)
    every = list(feedback.impressions())
    if not every:
        raise ValueError("log has no lists; the service logs those of POST /recommend, unless log is false")
    drawn = [one for one in every if one.propensities is not None and len(one.propensities) == len(one.items)]
    if not drawn:
        raise ValueError(
            f"log has {len(every):,} lists, and none was drawn at random; ask for lists with sample=0.1:SEED"
        )
    reacted = list(feedback.reactions())
    _check_types(counting, {one.type for one in reacted})
    found = [one for one in reacted if (one.type in counting if counting else one.type != HIDE)]
    rounds = _Rounds(drawn, {(one.impression, one.item) for one in found})
    estimates = {name: rounds.estimate(XCatRecommender.from_pretrained(name), temperature, clip) for name in chosen}
    differences = {}
    if len(estimates) > 1:
        first, second = (estimates[name] for name in list(estimates)[:2])
        differences = {kind: second.difference(first, kind) for kind in second.estimates}
    counted = tuple(sorted({one.type for one in found}))
    return ReplayResult(estimates, differences, len(drawn), len(every) - len(drawn), counted)


def _check_types(counting: Collection[str], known: Collection[str]) -> None:
    """Refuse types that no reaction has, which would count as none.

    Raises:
        ValueError: If there is one.
    """
    unknown = [name for name in counting if name not in known]
    if unknown:
        shown = ", ".join(sorted(known)) or "no reactions"
        raise ValueError(f"reactions has {unknown[0]!r}, and no reaction of the log has this type; it has {shown}")


class _Rounds:
    """Logged lists as arrays, and a model of rewards: the rate of a place times that of an item."""

    def __init__(self, lists: list[Impression], reacted: set[tuple[str, str]]) -> None:
        self.lists = lists
        self.users = [one.user or one.id for one in lists]
        shape = len(lists), max(len(one.items) for one in lists)
        self.rewards, self.logged = np.zeros(shape), np.ones(shape)
        self.present = np.zeros(shape, bool)
        for row, one in enumerate(lists):
            assert one.propensities is not None
            count = len(one.items)
            self.present[row, :count], self.logged[row, :count] = True, one.propensities
            self.rewards[row, :count] = [(one.id, item) in reacted for item in one.items]
        # Rewards of a user are predicted from the other half of the users.
        self.half = np.array([zlib.crc32(user.encode("utf-8", "replace")) % 2 for user in self.users])
        self.models = [_RewardModel(self, self.half != half) for half in (0, 1)]

    def estimate(
        self, recommender: XCatRecommender, temperature: float | None, clip: float | None
    ) -> OffPolicyEstimate:
        target, predicted, expected = (np.zeros_like(self.rewards) for _ in range(3))
        with stage("replaying lists", len(self.lists), "lists") as progress:
            for row, one in enumerate(self.lists):
                model, count = self.models[self.half[row]], len(one.items)
                chances, means = _chances(recommender, one, temperature, model)
                target[row, :count], expected[row, :count] = chances, means
                predicted[row, :count] = [model.value(place, item) for place, item in enumerate(one.items)]
                progress.advance(1)
        rounds = LoggedRounds(
            self.rewards, self.logged, target, predicted, expected, users=self.users, present=self.present
        )
        return off_policy_estimate(rounds, clip=clip)


class _RewardModel:
    """Rewards of the lists in which `used` is true, as the rate of a place times the relative rate of an item."""

    def __init__(self, rounds: _Rounds, used: np.ndarray) -> None:
        shown = np.maximum(rounds.present[used].sum(0), 1)
        self.places = rounds.rewards[used].sum(0) / shown
        seen: dict[str, float] = {}
        got: dict[str, float] = {}
        for row in np.flatnonzero(used):
            for place, item in enumerate(rounds.lists[row].items):
                seen[item] = seen.get(item, 0.0) + self.places[place]
                got[item] = got.get(item, 0.0) + rounds.rewards[row, place]
        self.items = {item: (got[item] + _PRIOR) / (seen[item] + _PRIOR) for item in seen}

    def value(self, place: int, item: str) -> float:
        return float(min(1.0, self.places[place] * self.items.get(item, 1.0)))


def _chances(
    recommender: XCatRecommender, one: Impression, temperature: float | None, model: _RewardModel
) -> tuple[np.ndarray, np.ndarray]:
    """Chances of the places of a list under a recommender, and its expected rewards there."""
    options, reader = dict(one.options), PoolReader()
    rules = read_rerankers(options.pop("rerank", None) or ())
    draws = [rule for rule in rules if isinstance(rule, PlackettLuce)]
    if temperature is None:
        temperature = draws[-1].temperature if draws else 0.0
    options["rerank"] = [*(rule for rule in rules if not isinstance(rule, PlackettLuce)), reader]
    recommender.pool = pool_size(len(one.items))
    recommender.recommend(list(one.history), len(one.items), explain=False, **options)
    if reader.candidates is None:
        return np.zeros(len(one.items)), np.zeros(len(one.items))
    names = recommender.vocabulary.decode(reader.candidates.rows[0].cpu().numpy())
    values = np.array([[model.value(place, name) for name in names] for place in range(len(one.items))])
    rows = recommender.vocabulary.encode(list(one.items)).tolist()
    return place_chances(reader.candidates, rows, temperature or None, values)


def _plain(interval: Interval) -> dict[str, float]:
    return {"value": interval.mean, "low": interval.low, "high": interval.high}
