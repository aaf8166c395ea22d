"""A training that has diverged: its loss or its predictions are no longer finite."""

from __future__ import annotations

import numpy as np
import torch


def check_finite(values: torch.Tensor | np.ndarray, what: str, learning_rate: float) -> None:
    """Refuse to go on with a loss or predictions that are not finite.

    Args:
        values: The loss, or predictions.
        what: Their name, with the verb.
        learning_rate: Learning rate of the training.

    Raises:
        ValueError: If one is not finite.

    Example:
        >>> check_finite(torch.tensor(float("nan")), "the loss of step 3 is", 10.0)
        Traceback (most recent call last):
        ...
        ValueError: the training has diverged: the loss of step 3 is not finite; learning_rate is 10, give a lower one
    """
    finite = torch.isfinite(values) if isinstance(values, torch.Tensor) else np.isfinite(values)
    if not bool(finite.all()):
        raise ValueError(
            f"the training has diverged: {what} not finite; learning_rate is {learning_rate:g}, give a lower one"
        )
