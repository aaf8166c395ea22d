"""Defaults that depend on the data, kept apart from values that were given.

The number of histories per batch, the learning rate, epochs and patience have a starting value. `resolve_sizes` of
`training.preparation.windows` turns it into the value for a data set. A given value is never
changed. The type of the number tells the two apart: `HfArgumentParser` passes every default on, and it stays a
default.
"""

from __future__ import annotations

from typing import Any, overload

SIZED = ("per_device_train_batch_size", "learning_rate", "num_train_epochs", "early_stopping_patience")
"""Training arguments whose defaults depend on the data."""


class _FromData:
    """Marks a number as a default that depends on the data."""


class _WholeFromData(_FromData, int):
    pass


class _RealFromData(_FromData, float):
    pass


@overload
def from_data(value: int) -> int: ...
@overload
def from_data(value: float) -> float: ...
def from_data(value: float) -> float:
    """A starting value that data may change; it computes, prints and is saved like the number itself.

    Args:
        value: The value for a data set of ordinary size.

    Example:
        >>> depends_on_data(from_data(128)), depends_on_data(128), from_data(128) == 128
        (True, False, True)
    """
    return _WholeFromData(value) if isinstance(value, int) else _RealFromData(value)


def depends_on_data(value: Any) -> bool:
    """Whether a value is a default of `from_data`, not a given value."""
    return isinstance(value, _FromData)
