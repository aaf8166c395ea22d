"""Search spaces of hyperparameters, written as "low..high", "low..high:log" or "a|b|c"."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT_SPACE = {"learning_rate": "5e-4..1e-2:log", "weight_decay": "1e-3..0.3:log", "new_category_weight": "1..4"}
"""Searched training arguments and their values."""


@dataclass(frozen=True)
class Dimension:
    """The searched values of one argument.

    Args:
        name: Name of a training argument.
        low: Lowest value; None for choices.
        high: Highest value.
        log: Whether to draw the logarithm evenly.
        choices: Values to choose from; empty for a range.
    """

    name: str
    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values at the ends, or all choices."""
        return self.choices or (self.low, self.high)

    def draw(self, trial: Any) -> Any:
        """Draw a value from an optuna trial."""
        if self.choices:
            return trial.suggest_categorical(self.name, list(self.choices))
        suggest = (
            trial.suggest_int if isinstance(self.low, int) and isinstance(self.high, int) else trial.suggest_float
        )
        return suggest(self.name, self.low, self.high, log=self.log)


def read_space(space: Mapping[str, Any]) -> list[Dimension]:
    """Read a search space.

    Args:
        space: Name of a training argument to its values: "5e-4..1e-2:log", "1..4", "64|128", or a list of choices.
            Two whole numbers are a range of whole numbers.

    Raises:
        ValueError: If it is empty, or values cannot be read.

    Example:
        >>> [one.ends for one in read_space({"weight_decay": "0.01..0.1:log", "num_train_epochs": "8|16"})]
        [(0.01, 0.1), (8, 16)]
    """
    if not space:
        raise ValueError("space is empty; give at least one argument, such as 'learning_rate' with '5e-4..1e-2:log'")
    return [_dimension(name, given) for name, given in space.items()]


def _dimension(name: str, given: Any) -> Dimension:
    if isinstance(given, list | tuple):
        found = tuple(given)
    else:
        text, _, scale = str(given).partition(":")
        low, dots, high = text.partition("..")
        if dots:
            return _range(name, str(given), low, high, scale)
        found = tuple(_value(part) for part in str(given).split("|") if part.strip())
    if len(found) < 2:
        raise ValueError(f"space: {name!r} is {given!r}; give low..high, low..high:log, or choices such as 64|128")
    return Dimension(name, choices=found)


def _range(name: str, given: str, low: str, high: str, scale: str) -> Dimension:
    ends = _value(low), _value(high)
    numbers = [end for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
    usable = len(numbers) == 2 and all(abs(end) <= sys.float_info.max for end in numbers)
    if not usable or scale not in ("", "log") or not ends[0] < ends[1] or (scale and ends[0] <= 0):
        raise ValueError(
            f"space: {name!r} is {given!r}; give numbers low..high with low below high, or low..high:log with low "
            "over 0"
        )
    return Dimension(name, *ends, log=bool(scale))


def _value(text: str) -> Any:
    text = text.strip()
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


def space_function(space: Mapping[str, Any]) -> Callable[[Any], dict[str, Any]]:
    """The space as a function that draws values from an optuna trial.

    Args:
        space: As in `read_space`.
    """
    dimensions = read_space(space)
    return lambda trial: {one.name: one.draw(trial) for one in dimensions}
