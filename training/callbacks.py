"""Progress, counts and early stopping of a training run."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from transformers import EarlyStoppingCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import has_length

from ..tokenization.progress import Stage, say, stage
from .tuning.user_samples import QUICK_USERS


class EpochProgress(TrainerCallback):
    """Reports training and evaluations as stages (`tokenization.progress`), and one short line per evaluation.

    Args:
        metrics: Names of the metrics to show.
    """

    def __init__(self, metrics: tuple[str, ...] = ("recall@10", "ndcg@10")) -> None:
        self.metrics = metrics
        self.loss: float | None = None
        self._training = _OpenStage()
        self._evaluation = _OpenStage()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Begin the stage of the training."""
        if state.is_world_process_zero:
            if getattr(args, "quick", False):
                epochs = args.num_train_epochs
                trained = "1 epoch" if epochs == 1 else f"{epochs:g} epochs without evaluations between them"
                say(
                    f"quick: {trained}, and at most {QUICK_USERS:,} users for the item-to-item weight and the "
                    "re-ranker; metrics may be lower than in a full training"
                )
            self._training.begin("training", state.max_steps, "steps").done = state.global_step

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Count the step."""
        if (running := self._training.stage) is not None:
            running.advance(state.global_step - running.done)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """End the stage of the training."""
        self._training.end()

    def on_prediction_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        eval_dataloader: Any = None,
        **kwargs: Any,
    ) -> None:
        """Count the batch of an evaluation."""
        if state.is_world_process_zero and has_length(eval_dataloader):
            running = self._evaluation.stage or self._evaluation.begin("evaluating", len(eval_dataloader), "batches")
            running.advance()

    def on_predict(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: Any = None, **kwargs: Any
    ) -> None:
        """End the stage of the prediction."""
        self._evaluation.end()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **kwargs: Any
    ) -> None:
        """Store the loss; the loggers in `report_to` show the rest."""
        self.loss = (logs or {}).get("loss", self.loss)

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: Any = None, **kwargs: Any
    ) -> None:
        """End the stage of the evaluation and report its metrics."""
        self._evaluation.end()
        if state.is_world_process_zero and metrics:
            first = next((name for name in metrics if name.endswith("_runtime")), "eval_runtime")
            prefix = first.removesuffix("_runtime")  # with several sets it contains the name
            shown = [f"{name} {metrics[key]:.4f}" for name in self.metrics if (key := f"{prefix}_{name}") in metrics]
            if f"{prefix}_loss" in metrics:
                shown.insert(0, f"loss {metrics[f'{prefix}_loss']:.3f}")
            loss = "" if self.loss is None else f"loss {float(self.loss):.3f}, "
            of = prefix.removeprefix("eval").removeprefix("_") or "validation"
            say(f"epoch {state.epoch or 0:.0f}: {loss}{of} {', '.join(shown)}")


class _OpenStage:
    """A stage that one callback method begins and another ends."""

    def __init__(self) -> None:
        self.stage: Stage | None = None
        self._open = ExitStack()

    def begin(self, name: str, total: int, unit: str) -> Stage:
        """Begin the stage."""
        self.end()
        self.stage = self._open.enter_context(stage(name, total, unit))
        return self.stage

    def end(self) -> None:
        """End the stage, if it is open."""
        self._open.close()
        self.stage = None


class EarlyStoppingOfSets(EarlyStoppingCallback):
    """Early stopping by evaluations that have the deciding metric, so other evaluation sets do not count."""

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: Any = None, **kwargs: Any
    ) -> None:
        """Count the evaluation of the deciding set only."""
        if f"eval_{(args.metric_for_best_model or '').removeprefix('eval_')}" in metrics:
            super().on_evaluate(args, state, control, metrics, **kwargs)


class TrainedParameters(TrainerCallback):
    """Counts the trained parameters: parameters that had a gradient in at least one step."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._total = 0

    @property
    def counts(self) -> tuple[int, int] | None:
        """Numbers of trained and of all parameters; None before the first step."""
        return (sum(self._sizes.values()), self._total) if self._sizes else None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start counting."""
        self._sizes = {}

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        """Record the parameters that this step changes."""
        sizes = [(name, value.numel(), value.grad is not None) for name, value in model.named_parameters()]
        self._sizes |= {name: size for name, size, reached in sizes if reached}
        self._total = sum(size for _, size, _ in sizes)
