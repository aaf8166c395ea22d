"""The parts of a training loss in the logs."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from transformers import Trainer

_PART = "_loss"


class StepLosses(Trainer):
    """`Trainer` that logs each part of a loss.

    A head whose output has scalars named `..._loss` beside `loss` gets their means since the last log, as
    `next_item_loss` beside `loss`. Each is the mean over the batches of this process, before its weight.
    """

    _sums: dict[str, Any] | None = None
    _batches: dict[str, int]

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """As in `Trainer`."""
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if model.training:
            self._add_parts(outputs)
        return (loss, outputs) if return_outputs else loss

    def _add_parts(self, outputs: Any) -> None:
        if self._sums is None:
            self._sums, self._batches = defaultdict(float), defaultdict(int)
        for name, value in outputs.items() if hasattr(outputs, "items") else ():
            if name.endswith(_PART) and isinstance(value, torch.Tensor):
                self._sums[name] = self._sums[name] + value.detach().float()
                self._batches[name] += 1

    def forget_parts(self) -> None:
        """Begin new means, as for a new training."""
        self._sums = None

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """As in `Trainer`, with the parts of the training loss."""
        if "loss" in logs and self._sums:
            logs |= {name: float(total) / self._batches[name] for name, total in self._sums.items()}
            self.forget_parts()
        super().log(logs, *args, **kwargs)
