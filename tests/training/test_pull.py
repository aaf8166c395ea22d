"""The pull of weights towards those of the start."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from xcat_rec.training.pull import PullToStart


def moved(strength: float, steps: int, rate: float = 0.1) -> float:
    """A weight that starts at 1 and is raised by 1 per step."""
    model = torch.nn.Linear(1, 1, bias=False)
    any_: Any = SimpleNamespace()
    torch.nn.init.ones_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    callback = PullToStart(strength)
    callback.on_train_begin(any_, any_, any_, model=model)
    for _ in range(steps):
        with torch.no_grad():
            model.weight += 1
        callback.on_optimizer_step(any_, any_, any_, optimizer=optimizer)
    callback.on_train_end(any_, any_, any_)
    assert not callback._start
    return float(model.weight.detach())


def test_weights_go_back_by_a_share_of_the_difference() -> None:
    assert moved(0.0, 3) == 4.0
    assert moved(5.0, 1) == pytest.approx(1.5)
    assert moved(5.0, 2) == pytest.approx(1 + (0.5 + 1) * 0.5)
    assert moved(100.0, 4) == 1.0, "at most the whole difference"


def test_a_wrong_strength_is_named() -> None:
    with pytest.raises(ValueError, match="pull is -1"):
        PullToStart(-1.0)
    with pytest.raises(ValueError, match="pull"):
        PullToStart(float("nan"))
