"""Calibration of click logits: prior correction, slope and intercept, and a piecewise-linear isotonic curve."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

MAX_KNOTS = 64
"""Knots of the isotonic curve that a checkpoint stores."""


class ClickCalibration(nn.Module):
    """Calibrates logits; a new one leaves them as they are, bit for bit.

    The result for a logit x is z + c(z), with z = slope * (x + shift) + intercept. `shift` corrects the share of
    positives in training (see `prior_shift`), slope and intercept are temperature or Platt scaling, and c interpolates
    the corrections of an isotonic regression between knots. Its values stay float32 in a model of another type.

    Example:
        >>> calibration = ClickCalibration()
        >>> calibration.set_line(slope=0.5, intercept=1.0)
        >>> calibration(torch.tensor([2.0, -4.0])).tolist()
        [2.0, -1.0]
    """

    shift: torch.Tensor
    slope: torch.Tensor
    intercept: torch.Tensor
    knots: torch.Tensor
    corrections: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros((), dtype=torch.float32))
        self.register_buffer("slope", torch.ones((), dtype=torch.float32))
        self.register_buffer("intercept", torch.zeros((), dtype=torch.float32))
        self.register_buffer("knots", torch.arange(MAX_KNOTS, dtype=torch.float32))
        self.register_buffer("corrections", torch.zeros(MAX_KNOTS, dtype=torch.float32))

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Calibrated float32 logits of the same shape."""
        found = self.slope.float() * (logits.float() + self.shift.float()) + self.intercept.float()
        knots, corrections = self.knots.float(), self.corrections.float()
        right = torch.searchsorted(knots, found.detach().contiguous()).clamp(1, MAX_KNOTS - 1)
        low, high = knots[right - 1], knots[right]
        share = ((found - low) / (high - low)).clamp(0, 1)
        return found + corrections[right - 1] + share * (corrections[right] - corrections[right - 1])

    @property
    def curved(self) -> bool:
        """Whether log odds are corrected by a curve, such as that of isotonic regression, and not by a constant."""
        return bool((self.corrections != self.corrections[0]).any())

    def set_prior(self, shift: float) -> None:
        """Set the correction of log odds from `prior_shift`.

        Raises:
            ValueError: If it is not finite.
        """
        _check_finite(shift=shift)
        self.shift.fill_(shift)

    def set_line(self, slope: float, intercept: float = 0.0) -> None:
        """Set temperature (slope = 1 / temperature) or Platt scaling.

        Raises:
            ValueError: If the values are not finite, or the slope is not positive.
        """
        _check_finite(slope=slope, intercept=intercept)
        _check_slope(slope)
        self.slope.fill_(slope)
        self.intercept.fill_(intercept)

    def set_curve(self, knots: torch.Tensor, values: torch.Tensor) -> None:
        """Set the isotonic curve: logits, and the calibrated logits there; outside it is continued with slope 1.

        Args:
            knots: (knots,) ascending logits, at most `MAX_KNOTS`.
            values: (knots,) calibrated logits that never fall.

        Raises:
            ValueError: If there are too many knots or none, or values fall.
        """
        if not 1 <= len(knots) <= MAX_KNOTS or knots.shape != values.shape:
            raise ValueError(
                f"the curve has {len(knots)} knots and {len(values)} values; give 1 to {MAX_KNOTS} of each"
            )
        if bool((knots.diff() <= 0).any()) or bool((values.diff() < 0).any()):
            raise ValueError("the knots of a curve must rise, and its values may not fall")
        knots, values = knots.to(self.knots), values.to(self.knots)
        behind = knots[-1] + torch.arange(1, MAX_KNOTS + 1 - len(knots)).to(knots)
        last = (values - knots)[-1:].expand(len(behind))
        self.knots.copy_(torch.cat([knots, behind]))
        self.corrections.copy_(torch.cat([values - knots, last]))

    def add(self, offset: float) -> None:
        """Add a number to all calibrated logits.

        Raises:
            ValueError: If it is not finite.
        """
        _check_finite(offset=offset)
        self.corrections.add_(offset)

    def check(self) -> None:
        """Refuse values that damaged weights may have.

        Raises:
            ValueError: If a value is not finite, or the slope is not positive.
        """
        for name, buffer in self.named_buffers():
            for value in buffer[~buffer.isfinite()].tolist():
                _check_finite(**{name: value})
        _check_slope(float(self.slope))

    def reset(self) -> None:
        """Leave logits as they are."""
        self.load_state_dict(type(self)().state_dict())

    def _apply(self, fn: Any, recurse: bool = True) -> ClickCalibration:
        """Move to a device, and keep float32 if the model changes its type."""
        before = dict(self.named_buffers())
        super()._apply(fn, recurse)
        for name, buffer in self.named_buffers():
            if buffer.dtype != torch.float32:
                setattr(self, name, before[name].to(buffer.device))
        return self


def prior_shift(train_rate: float, true_rate: float) -> float:
    """Correction of log odds for a model that was trained on another share of positives.

    With negatives kept at a rate w it is log(w) (King and Zeng, "Logistic Regression in Rare Events Data", 2001).

    Args:
        train_rate: Share of positives that the model was trained on.
        true_rate: Share of positives where it is used.

    Raises:
        ValueError: If a share is not between 0 and 1.

    Example:
        >>> round(prior_shift(1 / 2, 1 / 5), 4) == round(-math.log(4), 4)
        True
    """
    for name, rate in (("train_rate", train_rate), ("true_rate", true_rate)):
        if not 0 < rate < 1:
            raise ValueError(f"{name} is {rate}; give a share of positives between 0 and 1, both exclusive")
    return math.log(true_rate / (1 - true_rate)) - math.log(train_rate / (1 - train_rate))


def offset_to_mean(logits: torch.Tensor, mean: float) -> float:
    """Number that has to be added to all logits, so that the mean of their probabilities has a value.

    Args:
        logits: (rows,) finite logits.
        mean: The value, between 0 and 1.

    Raises:
        ValueError: If it is not between 0 and 1.

    Example:
        >>> round(offset_to_mean(torch.tensor([0.0, 0.0]), 0.2), 4) == round(-math.log(4), 4)
        True
    """
    if not 0 < mean < 1:
        raise ValueError(f"mean is {mean}; give a share of positives between 0 and 1, both exclusive")
    values, wanted = logits.double(), math.log(mean / (1 - mean))
    low, high = wanted - float(values.max()), wanted - float(values.min())
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if float((values + middle).sigmoid().mean()) < mean else (low, middle)
    return (low + high) / 2


def _check_slope(slope: float) -> None:
    if slope <= 0:
        raise ValueError(f"slope is {slope}; a calibration keeps the order of logits, so give a number above 0")


def _check_finite(**values: float) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value}; give a finite number")
