"""Evaluation of a trainer: rank every user's targets among the whole catalogue and compute their loss."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import EvalPrediction, Trainer

from ..checkpoints.load import bare_model
from ..evaluation.ranker_evaluation import Ranker, report_from_ranks
from ..evaluation.ranks import target_ranks, top_rows
from ..evaluation.slices import SLICE_NAMES
from ..modeling_xcat.modeling_xcat import XCatModel
from ..modeling_xcat.recent_events_xcat import RecentEvents
from ..tokenization.progress import is_listened_to, listening
from ..tokenization.progress_bars import show_progress
from .arguments import XCatTrainingArguments
from .collators import QueryCollator
from .row_datasets import as_dataset
from .tuning.held_out import HeldOutRanker

SCORES_AT_ONCE = 1 << 25
"""Maximum scores in memory in an evaluation (128 MiB in float32), whatever the size of catalogue and batch."""

VALIDATION = "validation"

_LOADING = {
    "dataloader_persistent_workers": False,  # Trainer would reuse the first data set's loader for all
    "dataloader_drop_last": False,
    "dataloader_in_order": True,
    "train_sampling_strategy": "random",  # evaluation keeps the order of the rows
}
"""Overrides of training-loader arguments that would drop or reorder rows of an evaluation."""


class RankingEvaluation(Trainer):
    """The evaluation methods of a trainer.

    An evaluation gathers ranks of the targets and top-k rows, never scores over the catalogue. The ranked rows and
    their order depend only on the data set, not on arguments of the training loader.

    The re-ranker is fitted on users of the validation split at the end of training. When this trainer evaluates their
    rows, each row is scored with cross-validation weights fitted without it (`held_out.py`).

    Attributes:
        query_collator: Collator of rows with targets.
    """

    args: XCatTrainingArguments
    query_collator: QueryCollator
    _evaluated_items: list[torch.Tensor] | None = None
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
        held_out, reranker = self.query_collator.held_out, bare_model(self.model).model.candidates
        if held_out is None or reranker is None:
            return recommender
        return HeldOutRanker(recommender, reranker, held_out)

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
        collator, self.data_collator = self.data_collator, self.query_collator
        try:
            for name, value in _LOADING.items():
                setattr(self.args, name, value)
            yield
        finally:
            self.data_collator = collator
            for name, value in given.items():
                setattr(self.args, name, value)

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """As in `Trainer`, with the mean loss of the targets; items are encoded once, not once per batch."""
        self._evaluated_items, self._losses = [], []
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
            self._evaluated_items, self._losses = None, []

    def _shown(self) -> AbstractContextManager[None]:
        """Show progress bars if nothing else shows progress; none with `disable_tqdm`."""
        if self.args.disable_tqdm:
            return listening(None)
        return nullcontext() if is_listened_to() else show_progress()

    def _items_of(self, base: XCatModel) -> torch.Tensor:
        kept = [] if self._evaluated_items is None else self._evaluated_items
        if not kept:
            kept.append(base.item_side(base.items().float()))
        return kept[0]

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[torch.Tensor | None, Any, Any]:
        """Rank the targets of a batch of users among the whole catalogue, and compute their losses.

        Returns:
            No loss, because `Trainer` would average it over users: `evaluation_loop` averages over targets;
            ranks (users, targets) with the top rows (users, k); targets with their slices.
        """
        inputs = self._prepare_inputs(inputs)
        targets, flags = inputs.pop("targets"), inputs.pop("target_slices")
        weights = inputs.pop("target_weights")
        positions, folds = inputs.pop("query_positions", None), inputs.pop("folds", None)
        bare = self.accelerator.unwrap_model(model)
        head = bare_model(bare)
        base = head.model
        # FSDP gathers sharded parameters only in a module's own forward, also those of the items.
        encode = bare if self.is_fsdp_enabled else base
        losses, ranks, top = [], [], []
        with torch.no_grad(), torch.autocast(base.device.type, enabled=False):
            states, recent = base.pick(encode(**inputs, return_dict=True).last_hidden_state, positions, **inputs)
            items = self._items_of(base)
            for part in torch.arange(len(states), device=states.device).split(max(1, SCORES_AT_ONCE // len(items))):
                losses.append(head.target_losses(states[part], recent[part], targets[part], items))
                if prediction_loss_only:
                    continue
                scores = self._scores(base, states[part], recent[part], items, None if folds is None else folds[part])
                ranks.append(target_ranks(scores, targets[part]))
                top.append(top_rows(scores, max(self.args.metric_ks)))
        self._gather_losses(torch.cat(losses) * weights)
        if prediction_loss_only:
            return None, None, None
        return None, (torch.cat(ranks), torch.cat(top)), (targets, flags)

    def _scores(
        self,
        base: XCatModel,
        states: torch.Tensor,
        recent: RecentEvents,
        items: torch.Tensor,
        folds: torch.Tensor | None,
    ) -> torch.Tensor:
        """(queries, item rows) scores; users of the re-ranker's fit are scored with weights fitted without them."""
        held_out = self.query_collator.held_out
        if folds is None or held_out is None or not base.has_second_stage:
            return base.score_states(states, recent, items)
        assert base.candidates is not None
        return held_out.scores(
            base.candidates, folds, lambda chosen: base.score_states(states[chosen], recent[chosen], items)
        )

    def _gather_losses(self, losses: torch.Tensor) -> None:
        """Keep the losses of this batch from all processes, each user once."""
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

    def ranking_metrics(self, prediction: EvalPrediction) -> dict[str, float]:
        """Recall, NDCG and MRR at the k of the arguments, overall and by slice, and coverage.

        Slices without targets are left out: their mean is NaN, which JSON does not support.
        """
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
        return {name: value for name, value in report.flat().items() if not np.isnan(value)}


def _with_rows(loader: Any, name: str) -> Any:
    if not len(loader.dataset):
        raise ValueError(f"{name} has no rows; give rows with items and targets, as build_splits makes them")
    return loader
