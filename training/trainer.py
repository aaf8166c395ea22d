"""XCatTrainer: `Trainer` with packed batches and ranking metrics."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn
from transformers import EarlyStoppingCallback, EvalPrediction, PrinterCallback, ProgressCallback, Trainer

from ..evaluation.metrics import METRIC_NAMES
from ..evaluation.protocol import report_from_ranks
from ..evaluation.ranks import target_ranks, top_rows
from ..evaluation.slices import SLICE_NAMES
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.processing_xcat import XCatProcessor
from .arguments import XCatTrainingArguments
from .callbacks import EpochProgress
from .collators import PackingCollator, QueryCollator, training_windows


class XCatTrainer(Trainer):
    """Trains `XCatForNextItem` on packed histories and evaluates it by full-catalogue ranking.

    Evaluation gathers ranks of the targets and top-k rows, never scores over the catalogue.

    Args:
        model: The model, with its catalogue in place.
        args: Training arguments.
        train_dataset: Rows with `items`, `event_types`, `ratings`, `timestamps`, as `build_splits` makes them.
        eval_dataset: The same with `targets`.
        processing_class: The processor that carries the model's catalogue.
        **kwargs: Further arguments of `Trainer`.
    """

    args: XCatTrainingArguments

    def __init__(
        self,
        model: XCatForNextItem,
        args: XCatTrainingArguments,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: XCatProcessor | None = None,
        **kwargs: Any,
    ) -> None:
        if processing_class is None:
            raise ValueError("XCatTrainer needs processing_class=, the XCatProcessor of the model's catalogue")
        if kwargs.get("compute_metrics") is None:
            _check_deciding_metric(args)
        if train_dataset is not None:
            train_dataset = training_windows(train_dataset, model.config.max_history, args.max_train_events)
        kwargs.setdefault("data_collator", PackingCollator(processing_class, args.label_policy))
        super().__init__(
            model=model, args=args, train_dataset=train_dataset, eval_dataset=eval_dataset,
            processing_class=processing_class, **kwargs,
        )  # fmt: skip
        if self.compute_metrics is None:
            self.compute_metrics = self.ranking_metrics
        if args.early_stopping_patience and args.load_best_model_at_end:
            self.add_callback(EarlyStoppingCallback(args.early_stopping_patience))
        # Of the two, Trainer has added one; both print every log to standard output.
        if self.pop_callback(ProgressCallback) is not None:
            self.add_callback(EpochProgress())
        self.remove_callback(PrinterCallback)
        trained = (model.model.items.item_counts > 0).cpu().numpy()
        self.query_collator = QueryCollator(processing_class, trained)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """As in `Trainer`, with the collator that carries targets."""
        return self._with_query_collator(super().get_eval_dataloader, eval_dataset)

    def get_test_dataloader(self, test_dataset: Any) -> Any:
        """As in `Trainer`, with the collator that carries targets."""
        return self._with_query_collator(super().get_test_dataloader, test_dataset)

    def _with_query_collator(self, make: Any, dataset: Any) -> Any:
        training_collator, self.data_collator = self.data_collator, self.query_collator
        try:
            return make(dataset)
        finally:
            self.data_collator = training_collator

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[torch.Tensor | None, Any, Any]:
        """Rank the targets of a batch of users among the whole catalogue.

        Returns:
            No loss; ranks (users, targets) with the top rows (users, k); targets with their slices.
        """
        inputs = self._prepare_inputs(inputs)
        targets, flags = inputs.pop("targets"), inputs.pop("target_slices")
        scores = self.accelerator.unwrap_model(model).score_catalogue(**inputs)
        ranks = target_ranks(scores, targets)
        top = top_rows(scores, max(self.args.metric_ks))
        return None, (ranks, top), (targets, flags)

    def ranking_metrics(self, prediction: EvalPrediction) -> dict[str, float]:
        """Recall, NDCG and MRR at the k of the arguments, overall and by slice, and coverage."""
        predictions: Any = prediction.predictions
        labels: Any = prediction.label_ids
        (ranks, top), (_, flags) = predictions, labels
        report = report_from_ranks(
            ranks,
            {name: flags[..., i] == 1 for i, name in enumerate(SLICE_NAMES)},
            top,
            self.args.metric_ks,
            num_items=self.query_collator.processor.catalogue.num_items,
        )
        return report.flat()


def _check_deciding_metric(args: XCatTrainingArguments) -> None:
    """Refuse a metric that no evaluation will give, before hours of training end at the first one."""
    name = args.metric_for_best_model or ""
    ranked, slices = "|".join(METRIC_NAMES), "|".join(SLICE_NAMES)
    known = re.fullmatch(rf"(eval_)?(((slices\.({slices})\.)?({ranked}))|coverage)@[1-9]\d*", name)
    if args.load_best_model_at_end and not known:
        raise ValueError(
            f"metric_for_best_model is {name!r}; give {', '.join(METRIC_NAMES)} or coverage with a cut-off, such as "
            f"ndcg@10, or one of a slice, such as slices.{SLICE_NAMES[0]}.ndcg@10"
        )
