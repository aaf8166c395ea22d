"""The models of bench with their descriptions and sources."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..training.recipes import RECIPES
from .baseline_registry import BASELINES
from .baselines import FINE_TUNED, ZERO_SHOT, runs_once
from .click_models import CLICK, CLICK_BASELINES, CLICK_OWN, RANKING_BASELINES

NEXT_ITEM = "next-item"
PURPOSES = (NEXT_ITEM, CLICK)
"""Purposes of the models of bench: the values of its `task`."""
_FROM_BASE = {
    ZERO_SHOT: "a checkpoint, unchanged; give base=",
    FINE_TUNED: "a checkpoint, trained further on this data set; give base=",
}


@dataclass(frozen=True)
class BenchModel:
    """A model of bench.

    Args:
        name: Its name in `models`.
        purpose: "next-item" or "click".
        description: One line.
        reference: The publication it follows; empty for none.
        trained: Whether bench runs it once per seed.
    """

    name: str
    purpose: str
    description: str
    reference: str = ""
    trained: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The model as JSON values."""
        return asdict(self)


def list_models(purpose: str | None = None) -> list[BenchModel]:
    """List the models of `bench`, as `xcat bench --list-models` does.

    Args:
        purpose: "next-item" or "click"; None for all.

    Raises:
        ValueError: If there is no such purpose.

    Example:
        >>> [model.name for model in list_models("next-item")][:3]
        ['popularity', 'popularity-recent', 'repeat-purchase']
    """
    if purpose is not None and purpose not in PURPOSES:
        raise ValueError(f"purpose is {purpose!r}; give one of {', '.join(PURPOSES)}, or leave it out")
    return [model for model in [*_next_item_models(), *_click_models()] if purpose in (None, model.purpose)]


def _next_item_models() -> list[BenchModel]:
    told = [(name, found.about, found.reference) for name, found in BASELINES.items()]
    ranking = {name: CLICK_BASELINES[name] for name in RANKING_BASELINES}
    told += [(name, f"{found.about}; no history", found.reference) for name, found in ranking.items()]
    told += [(name, recipe.description, recipe.reference) for name, recipe in RECIPES.items()]
    told += [(name, about, "") for name, about in _FROM_BASE.items()]
    return [BenchModel(name, NEXT_ITEM, about, reference, not runs_once(name)) for name, about, reference in told]


def _click_models() -> list[BenchModel]:
    found = [
        BenchModel(name, CLICK, baseline.about, baseline.reference, baseline.trained)
        for name, baseline in CLICK_BASELINES.items()
    ]
    own = [RECIPES[name] for name in CLICK_OWN]
    return found + [BenchModel(recipe.name, CLICK, recipe.description, trained=True) for recipe in own]
