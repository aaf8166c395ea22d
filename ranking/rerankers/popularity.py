"""Rules by the number of training events and by the age of items."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import torch

from ...modeling_xcat.arguments_xcat import finite_number, whole_number
from ...modeling_xcat.limits_xcat import MOST_LOGIT_ADJUSTMENT
from ...tokenization.tables.event_times import read_call_times
from ..rerank import MOST_PLACES, Candidates
from .diversity import share

_DAY = 86_400


@dataclass(frozen=True)
class PopularityDiscount:
    """Lower the relevance of popular items.

    Subtracts `weight * log(1 + events) / log(1 + events of the most popular item)` from the relevance.

    Args:
        weight: From 0 (no change) to 1.

    Raises:
        ValueError: If it is not from 0 to 1.
    """

    weight: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", share("weight", self.weight))

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) sort keys."""
        popularity = candidates.known_data.counts.double().log1p()
        popularity = popularity / popularity.max().clamp(min=torch.finfo(torch.float64).tiny)
        return candidates.relevance - self.weight * popularity[candidates.rows].to(candidates.relevance.device)


@dataclass(frozen=True)
class LogitAdjustment:
    """Rank as if popularity differed less: subtract `strength * log(1 + events)` from the scores.

    The post-hoc logit adjustment of Menon et al. ("Long-tail learning via logit adjustment", ICLR 2021). The strength
    means the same in training (`XCatTrainingArguments.logit_adjustment`), so use one of the two. Unlike
    `PopularityDiscount`, it is in units of the score and does not depend on the pool or on the most popular item.

    Args:
        strength: 0 for no change; 1 removes the whole prior of a calibrated softmax; negative values favour popular
            items. From -100 to 100.
        after: First places that keep their items, because their order decides most of NDCG.

    Raises:
        ValueError: If the strength is not a number or beyond 100, or `after` is not a whole number.
    """

    strength: float = 0.1
    after: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", finite_number("strength", self.strength))
        if abs(self.strength) > MOST_LOGIT_ADJUSTMENT:
            raise ValueError(
                f"strength is {self.strength:g}; give a number from -{MOST_LOGIT_ADJUSTMENT} to "
                f"{MOST_LOGIT_ADJUSTMENT}, such as 0.2"
            )
        object.__setattr__(self, "after", whole_number("after", self.after, 0, MOST_PLACES))

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) sort keys, in units of the score."""
        relevance = candidates.relevance
        prior = candidates.known_data.counts.double().log1p().to(relevance.device)[candidates.rows]
        keys = relevance * _span(candidates) - self.strength * prior
        keys[:, : self.after] = keys.amax(dim=1, keepdim=True) + 1  # equal keys keep their order
        return keys


def _span(candidates: Candidates) -> torch.Tensor:
    """(users, 1) score per unit of relevance: places exchange items, so scores are sorted again."""
    relevance = candidates.relevance.sort(dim=1, descending=True).values
    scores = candidates.scores.double().sort(dim=1, descending=True).values
    lowest = ((relevance > 0).sum(dim=1, keepdim=True) - 1).clamp(min=0)
    drop = 1 - relevance.gather(1, lowest)
    span = (scores[:, :1] - scores.gather(1, lowest)) / torch.where(drop > 0, drop, 1)
    return torch.where(drop > 0, span, 0.0)


@dataclass(frozen=True)
class Freshness:
    """Raise the relevance of new items.

    Adds `weight * 2 ** (-age / half_life)` to the relevance. An item without a time counts as old.

    Args:
        column: Column of the catalogue with times, such as release_date.
        weight: From 0 (no change) to 1.
        half_life: Days after which half of the weight is left.
        today: Time that ages are counted to; None for the latest time of the column.

    Raises:
        ValueError: If a value is out of its range.
    """

    column: str
    weight: float = 0.1
    half_life: float = 30.0
    today: str | datetime | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", share("weight", self.weight))
        if finite_number("half_life", self.half_life) <= 0:
            raise ValueError(f"half_life is {self.half_life}; give a number of days above 0")

    def __call__(self, candidates: Candidates) -> torch.Tensor:
        """(users, n) sort keys."""
        times = candidates.known_data.conditions.times(self.column)
        known = times.nan_to_num(nan=-torch.inf)
        today = known.max() if self.today is None else _seconds(self.today)
        age = ((today - known) / _DAY).clamp(min=0)
        fresh = (-age / self.half_life).exp2().nan_to_num(nan=0.0)
        return candidates.relevance + self.weight * fresh.to(candidates.rows.device)[candidates.rows]


def _seconds(time: Any) -> float:
    (found,) = read_call_times("today", [time])
    return float(found or 0)
