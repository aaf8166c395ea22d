"""What a training run shows while it goes on, what it counts, and when it stops."""

from __future__ import annotations

import sys
from typing import Any

from tqdm.auto import tqdm
from transformers import (
    EarlyStoppingCallback,
    ProgressCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)


class EpochProgress(ProgressCallback):
    """The Trainer's progress bars, and one short line an evaluation; all of it on standard error.

    Args:
        metrics: Names of the metrics to show.
    """

    def __init__(self, metrics: tuple[str, ...] = ("recall@10", "ndcg@10")) -> None:
        super().__init__()
        self.metrics = metrics
        self.loss: float | None = None

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **kwargs: Any
    ) -> None:
        """Remember the loss; the loggers named in `report_to` show the rest."""
        self.loss = (logs or {}).get("loss", self.loss)

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: Any = None, **kwargs: Any
    ) -> None:
        """Close the bar of the evaluation and show its metrics."""
        super().on_evaluate(args, state, control, **kwargs)
        if state.is_world_process_zero and metrics:
            first = next((name for name in metrics if name.endswith("_runtime")), "eval_runtime")
            prefix = first.removesuffix("_runtime")  # of several sets the name is in it
            shown = [f"{name} {metrics[key]:.4f}" for name in self.metrics if (key := f"{prefix}_{name}") in metrics]
            if f"{prefix}_loss" in metrics:
                shown.insert(0, f"loss {metrics[f'{prefix}_loss']:.3f}")
            loss = "" if self.loss is None else f"loss {float(self.loss):.3f}, "
            of = prefix.removeprefix("eval").removeprefix("_") or "validation"
            tqdm.write(f"epoch {state.epoch or 0:.0f}: {loss}{of} {', '.join(shown)}", file=sys.stderr)


class EarlyStoppingOfSets(EarlyStoppingCallback):
    """Early stopping where several sets are evaluated, of which one has the metric that decides."""

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: Any = None, **kwargs: Any
    ) -> None:
        """Count the evaluation of that set, and no other."""
        if f"eval_{(args.metric_for_best_model or '').removeprefix('eval_')}" in metrics:
            super().on_evaluate(args, state, control, metrics, **kwargs)


class TrainedParameters(TrainerCallback):
    """Counts the parameters that a training run changes: the parameters that had a gradient at a step of it."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._total = 0

    @property
    def counts(self) -> tuple[int, int] | None:
        """Parameters that were trained, and all parameters; None before the first step."""
        return (sum(self._sizes.values()), self._total) if self._sizes else None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Begin to count."""
        self._sizes = {}

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        """Note the parameters that this step changes."""
        sizes = [(name, value.numel(), value.grad is not None) for name, value in model.named_parameters()]
        self._sizes |= {name: size for name, size, reached in sizes if reached}
        self._total = sum(size for _, size, _ in sizes)
