"""The evaluation methods of a trainer: its rows, their order and the deciding metric; the task computes metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import Trainer

from ..evaluation.ranker_evaluation import Ranker
from ..tokenization.progress import is_listened_to, listening
from ..tokenization.progress_bars import show_progress
from .arguments import XCatTrainingArguments
from .row_datasets import as_dataset
from .tasks.task import Collator, Task

if TYPE_CHECKING:
    from .trainer import XCatTrainer

VALIDATION = "validation"

_LOADING = {
    "dataloader_persistent_workers": False,  # Trainer would reuse the first data set's loader for all
    "dataloader_drop_last": False,
    "dataloader_in_order": True,
    "train_sampling_strategy": "random",  # evaluation keeps the order of the rows
}
"""Overrides of training-loader arguments that would drop or reorder rows of an evaluation."""


class EvaluationLoop(Trainer):
    """The evaluation methods of a trainer.

    The evaluated rows and their order depend only on the data set, not on arguments of the training loader.

    Attributes:
        task: Computes predictions and metrics.
        evaluation_collator: Collator of evaluation rows.
    """

    args: XCatTrainingArguments
    task: Task
    evaluation_collator: Collator
    _represented: list[torch.Tensor] | None = None
    _losses: list[torch.Tensor]

    @property
    def deciding_set(self) -> Any:
        """The evaluation set for model selection and tuning: the set named "validation", or else the first."""
        sets: Any = self.eval_dataset
        return sets[self._deciding_name] if isinstance(sets, dict) else sets

    @property
    def _deciding_name(self) -> str | None:
        sets: Any = self.eval_dataset
        if not isinstance(sets, dict):
            return None
        return VALIDATION if VALIDATION in sets else next(iter(sets))

    def held_out_ranker(self, recommender: Ranker) -> Ranker:
        """A recommender of the trained model with unbiased scores for users that its re-ranker was fitted on.

        Args:
            recommender: The recommender, such as `XCatRecommender(model, processor)`.

        Returns:
            The same, or one that scores each of these users with weights fitted without them.
        """
        return self.task.held_out_ranker(self._own, recommender)

    @property
    def _own(self) -> XCatTrainer:
        own: Any = self
        return own  # type: ignore[no-any-return]

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """As in `Trainer`, with the collator for targets; a new loader at every call."""
        if eval_dataset is not None and not isinstance(eval_dataset, str):
            eval_dataset = as_dataset(eval_dataset, "eval_dataset")
        with self._loads_for_evaluation():
            return _with_rows(super().get_eval_dataloader(eval_dataset), "eval_dataset")

    def get_test_dataloader(self, test_dataset: Any) -> Any:
        """As in `Trainer`, with the collator for targets."""
        with self._loads_for_evaluation():
            return _with_rows(super().get_test_dataloader(as_dataset(test_dataset, "test_dataset")), "test_dataset")

    @contextmanager
    def _loads_for_evaluation(self) -> Iterator[None]:
        given = {name: getattr(self.args, name) for name in _LOADING}
        collator, self.data_collator = self.data_collator, self.evaluation_collator
        try:
            for name, value in _LOADING.items():
                setattr(self.args, name, value)
            yield
        finally:
            self.data_collator = collator
            for name, value in given.items():
                setattr(self.args, name, value)

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """As in `Trainer`, with the mean of the losses that the task adds."""
        self._represented, self._losses = [], []
        try:
            with self._shown():
                output = super().evaluation_loop(*args, **kwargs)
            metrics: Any = output.metrics
            prefix = kwargs.get("metric_key_prefix", "eval")
            losses = torch.cat(self._losses or [torch.empty(0)])
            if len(losses):
                metrics[f"{prefix}_loss"] = float(losses.double().mean())
            deciding = (self.args.metric_for_best_model or "").removeprefix("eval_")
            if prefix == f"eval_{self._deciding_name}" and f"{prefix}_{deciding}" in metrics:
                metrics[f"eval_{deciding}"] = metrics[f"{prefix}_{deciding}"]
            return output
        finally:
            self._represented, self._losses = None, []

    def _shown(self) -> AbstractContextManager[None]:
        """Show progress bars if nothing else shows progress; none with `disable_tqdm`."""
        if self.args.disable_tqdm:
            return listening(None)
        return nullcontext() if is_listened_to() else show_progress()

    def evaluated_once(self, represent: Callable[[], torch.Tensor]) -> torch.Tensor:
        """What is the same for all batches of an evaluation, such as the items of the catalogue, computed once.

        Args:
            represent: Computes it.
        """
        kept = [] if self._represented is None else self._represented
        if not kept:
            kept.append(represent())
        return kept[0]

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[torch.Tensor | None, Any, Any]:
        """As the task computes it, or as in `Trainer`."""
        inputs = self._prepare_inputs(inputs)
        found = self.task.prediction_step(self._own, model, inputs, prediction_loss_only)
        if found is None:
            return super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        return found

    def add_losses(self, losses: torch.Tensor) -> None:
        """Keep the losses of this batch from all processes, each user once; their mean is the loss of the evaluation.

        Args:
            losses: (users, labels) losses; NaN where there is no label.
        """
        padded = self.accelerator.pad_across_processes(losses, dim=1, pad_index=float("nan"))
        gathered = self.accelerator.gather_for_metrics(padded)
        self._losses.append(gathered[~gathered.isnan()].cpu())

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        name = f"eval_{(self.args.metric_for_best_model or '').removeprefix('eval_')}"
        if name in metrics or self.args.metric_for_best_model is None:
            return super()._determine_best_metric(metrics, trial)
        if self.args.load_best_model_at_end or self.args.save_strategy == "best":
            raise ValueError(
                f"metric_for_best_model is {self.args.metric_for_best_model!r}, which this evaluation did not "
                "compute: the validation split has no target in that slice, or compute_metrics leaves it out. It "
                f"computed {', '.join(key for key in metrics if '@' in key or key.endswith('loss'))}"
            )
        return False


def _with_rows(loader: Any, name: str) -> Any:
    if not len(loader.dataset):
        raise ValueError(f"{name} has no rows; give rows with items and targets, as build_splits makes them")
    return loader
