"""What texts and images of items bring: metrics of a model with each of them changed, on the same users."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .bootstrap import Interval
from .ranker_evaluation import RankingReport

METRICS = ("recall@10", "ndcg@10")


@dataclass(frozen=True)
class ModalityReport:
    """Reports by condition, on the same users.

    Args:
        reports: Reports by condition; the first is of the model as it is.
        without: Name of the condition without images; "" for a model without images.
        shuffled: Name of the condition with the images of other items; likewise.
        num_all_users: Users of the split, of which these are a sample.
    """

    reports: Mapping[str, RankingReport]
    without: str = ""
    shuffled: str = ""
    num_all_users: int = 0

    @property
    def whole(self) -> RankingReport:
        """The report of the model as it is."""
        return next(iter(self.reports.values()))

    def change(self, condition: str, metric: str = "ndcg@10") -> float:
        """Relative change of a metric: -0.1 is 10 % less than the model as it is; NaN if that is 0."""
        before, after = self.whole.value(metric), self.reports[condition].value(metric)
        return after / before - 1 if before else float("nan")

    def difference(self, condition: str, other: str | None = None, metric: str = "ndcg@10") -> Interval | None:
        """Paired bootstrap interval of a condition minus another one, or minus the model as it is."""
        against = self.whole if other is None else self.reports[other]
        return self.reports[condition].difference(against, metric)

    @property
    def images_inform(self) -> bool | None:
        """Whether images of other items cost significantly more than no images; None for a model without images."""
        if not self.shuffled:
            return None
        difference = self.difference(self.shuffled, self.without)
        return difference is not None and difference.high < 0

    def to_dict(self) -> dict[str, Any]:
        """The metrics by condition, for JSON."""
        return {
            "num_users": self.whole.num_users,
            "conditions": {
                name: {
                    **{metric: report.value(metric) for metric in METRICS},
                    "cold": {metric: _or_none(report.value(metric, "cold")) for metric in METRICS},
                }
                for name, report in self.reports.items()
            },
            "images_inform": self.images_inform,
        }  # fmt: skip


def _or_none(value: float) -> float | None:
    """A number, or None for NaN, which JSON does not have."""
    return None if math.isnan(value) else value
