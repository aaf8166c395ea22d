"""Options of rows for click prediction: labels, negatives, and context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...modeling_xcat.arguments_xcat import finite_number, kind_of, listed, whole_number
from .negatives import UNIFORM, check_negatives

AUTO, IMPRESSIONS, RATINGS, EVENTS = "auto", "impressions", "ratings", "events"
CLICKS = "clicks"
"""Key of the settings of clicks among the event settings of a processor."""
LABELS = (AUTO, IMPRESSIONS, RATINGS, EVENTS)
"""Where labels come from: impressions with and without a click, ratings, or events with sampled negatives."""
_NUMBERS = {"train_negatives": 1, "eval_negatives": 1, "within": 0, "min_history": 0, "seed": 0}
"""Options that are whole numbers, with the least value of each."""


@dataclass(frozen=True)
class ClickOptions:
    """Labels, negatives and context of rows for click prediction.

    Args:
        labels: "impressions" (column `clicked`, or an event type of impressions), "ratings" (with `min_rating`),
            "events" (every target event is a positive, with sampled negatives), or "auto": ratings if `min_rating` is
            given, impressions if the events have any, else events.
        negatives: Kind of sampled negatives: uniform, popularity or category.
        train_negatives: Sampled negatives per positive in training.
        eval_negatives: Sampled negatives per positive in validation and test.
        min_rating: Lowest rating that is a positive, such as 4; None for no labels by ratings.
        shown: Event types of impressions; None for the types whose names say so.
        taken: Event types that count as a click on an impression; None for all others that are not negative.
        within: Maximum seconds from an impression to its click; None for no maximum.
        unclicked_per_click: Impressions without a click to keep in training, per click, drawn with the seed; None for
            all. Validation and test keep all.
        min_history: Fewest earlier events of a labelled item; others are left out. Sampled negatives: at least 1.
        dense: Columns of events with numbers of an impression, such as its price or place.
        categorical: Columns of events with categories of an impression, such as the device.
        seed: Seed of the negatives.

    Raises:
        ValueError: If a value is out of range or of the wrong type.
    """

    labels: str = AUTO
    negatives: str = UNIFORM
    train_negatives: int = 1
    eval_negatives: int = 1
    min_rating: float | None = None
    shown: Sequence[str] | None = None
    taken: Sequence[str] | None = None
    within: int | None = None
    unclicked_per_click: float | None = None
    min_history: int = 1
    dense: Sequence[str] = ()
    categorical: Sequence[str] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.labels not in LABELS:
            raise ValueError(f"labels is {self.labels!r}; give one of {', '.join(LABELS)}")
        for name, least in _NUMBERS.items():
            if (given := getattr(self, name)) is not None or name != "within":
                object.__setattr__(self, name, whole_number(name, given, least))
        for name in ("min_rating", "unclicked_per_click"):
            if (given := getattr(self, name)) is not None:
                finite_number(name, given)
        check_negatives(self.negatives)
        if self.labels == RATINGS and self.min_rating is None:
            raise ValueError("labels='ratings' needs min_rating, the lowest rating that is a positive, such as 4")
        if self.min_rating is not None and self.labels not in (AUTO, RATINGS):
            raise ValueError(f"min_rating is for labels='ratings', and labels is {self.labels!r}; leave one out")
        if self.unclicked_per_click is not None and not self.unclicked_per_click > 0:
            raise ValueError(f"unclicked_per_click is {self.unclicked_per_click}; give a number above 0, or None")
        for name in ("shown", "taken", "dense", "categorical"):
            given = getattr(self, name)
            if isinstance(given, str):
                raise ValueError(f"{name} is a text; give a list of names, such as [{given!r}]")
            if given is None and name in ("shown", "taken"):
                continue
            values = listed(name, given, "names")
            wrong = next((value for value in values if not isinstance(value, str)), None)
            if not all(isinstance(value, str) for value in values):
                raise ValueError(f"{name} holds {kind_of(wrong)}; give names")
            if not isinstance(given, list | tuple):
                object.__setattr__(self, name, tuple(values))
        both = sorted(set(self.dense) & set(self.categorical))
        if both:
            raise ValueError(f"the column {both[0]!r} is in dense and in categorical; give it in one of them")

    @property
    def least_history(self) -> int:
        """Fewest earlier events of a training positive with sampled negatives."""
        return max(1, self.min_history)


def plain_options(options: ClickOptions) -> dict[str, Any]:
    """The options as JSON values; `ClickOptions(**values)` restores them."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(options).items()}


def saved_clicks(event_settings: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The settings of clicks of a checkpoint; None for a model that predicts none.

    Args:
        event_settings: `event_settings` of its processor.
    """
    return (event_settings or {}).get(CLICKS)
