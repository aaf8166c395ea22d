"""One knob from familiar to adventurous lists."""

from __future__ import annotations

from typing import Literal, get_args

from ..rerank import Reranker
from .calibration import Calibrate
from .diversity import MMR, Unexpectedness, share
from .limits import OnePerProduct

Explore = Literal["familiar", "balanced", "adventurous"]
LEVELS: dict[str, float] = {"familiar": 0.0, "balanced": 0.5, "adventurous": 1.0}
"""Words of the knob, and their places from 0 to 1."""
_DIVERSITY, _CALIBRATION, _UNEXPECTEDNESS = 0.15, 0.8, 0.3
"""Largest weights of the rules."""


def exploration_level(explore: Explore | float) -> float:
    """Place of the knob from 0 (familiar) to 1 (adventurous).

    Args:
        explore: A word of `LEVELS` or a number.

    Raises:
        ValueError: If it is neither.

    Example:
        >>> exploration_level("balanced"), exploration_level(0.75)
        (0.5, 0.75)
    """
    if isinstance(explore, str):
        if explore not in LEVELS:
            raise ValueError(
                f"explore is {explore!r}; give one of {', '.join(get_args(Explore))}, or a number from 0 to 1"
            )
        return LEVELS[explore]
    return share("explore", explore)


def exploration_rules(explore: Explore | float) -> list[Reranker]:
    """The rules of a place of the knob.

    Towards "familiar", the list has more items that are like those of the history, in the history's categories.
    Towards "adventurous", it has items that are less like them and less like each other. "balanced" keeps the order of
    the model as far as the items are not alike. Every place shows each product once.

    Args:
        explore: As in `exploration_level`.

    Example:
        >>> exploration_rules("balanced")
        [MMR(diversity=0.075), Calibrate(weight=0.4, after=8, column='category'), OnePerProduct(column='title')]
    """
    level = exploration_level(explore)
    rules: list[Reranker] = []
    if level != LEVELS["balanced"]:
        rules.append(Unexpectedness(round(_UNEXPECTEDNESS * (2 * level - 1), 9)))
    if level > 0:
        rules.append(MMR(_DIVERSITY * level))
    if level < 1:
        rules.append(Calibrate(_CALIBRATION * (1 - level)))
    return [*rules, OnePerProduct()]
