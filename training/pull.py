"""Regularization that pulls weights towards their values before training."""

from __future__ import annotations

from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ..modeling_xcat.arguments_xcat import finite_number


class PullToStart(TrainerCallback):
    """After each step, moves the trained weights towards their values at the start of the training.

    This is the weight decay of AdamW with the old weights in place of zero: decoupled L2-SP (Li, Grandvalet and
    Davoine, "Explicit Inductive Bias for Transfer Learning with Convolutional Networks", ICML 2018; Loshchilov and
    Hutter 2019). Set `weight_decay=0` beside it.

    Args:
        strength: The difference is multiplied by 1 minus the learning rate times this; 0 for no pull.

    Raises:
        ValueError: If the strength is negative or not a number.
    """

    def __init__(self, strength: float) -> None:
        self.strength = finite_number("pull", strength)
        if self.strength < 0:
            raise ValueError(f"pull is {strength}; give 0 or more")
        self._start: dict[int, torch.Tensor] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        """Keep the weights of the start."""
        trained = (value for value in model.parameters() if value.requires_grad)
        self._start = {id(value): value.detach().clone() for value in trained}

    @torch.no_grad()
    def on_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        optimizer: Any = None,
        **kwargs: Any,
    ) -> None:
        """Pull the weights that the optimizer has changed."""
        for group in optimizer.param_groups:
            share = min(1.0, group["lr"] * self.strength)
            for value in group["params"]:
                if share and id(value) in self._start:
                    value.lerp_(self._start[id(value)], share)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Forget the weights of the start."""
        self._start = {}
