"""Clicks by XCat: `XCatForClickPrediction`, trained for clicks and next items over one trunk."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from datasets import Dataset
from transformers import initialization as init

from ...modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...modeling_xcat.pretrained_xcat import XCatPreTrainedModel
from ...tokenization.packing import IGNORED_LABEL
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.sequences.next_item_rows import next_item_rows
from ...tokenization.sequences.showings import Row, Showings, click_inputs, events_of, read_showings, showing_inputs
from ...tokenization.tables.event_roles import ROLES, TARGET
from ..arguments import XCatTrainingArguments
from ..collators import QueryCollator
from ..tuning.calibration import fit_calibration
from ..tuning.click_stack import fit_click_stack
from ..tuning.user_samples import QUICK_USERS
from .click_prediction import ClickPredictionTask, labelled_places
from .next_item import NextItemTask, tune_neighbor_weight
from .task import Collator, register_task

if TYPE_CHECKING:
    from ..trainer import XCatTrainer

CLICK = "click"

logger = logging.getLogger(__name__)


@register_task(CLICK)
class ClickTask(ClickPredictionTask, NextItemTask):
    """Predict clicks on shown items, and the next item beside it.

    A training batch has windows of histories, the next item of each event and labelled showings. With sampled
    negatives every target event is shown, with negatives that are drawn again for each batch.

    At the end of training, `tune` chooses the values of next-item prediction, as `NextItemTask` does. Then it fits
    the evidence of `click_stack` and the calibration on users of the validation split. Both are in use when the
    trainer evaluates these users afterwards, so those metrics are slightly too good; the test split has none of them.
    """

    head = XCatForClickPrediction
    encodes_texts = True
    tunes = True

    def new_model(self, model: XCatForNextItem) -> XCatPreTrainedModel:
        """The model with a click head for the context of the data, or the given one if it fits.

        A new head begins at the share of positives in training; see `ClickModel.start_at`.

        Args:
            model: A new model, or a base, with its catalogue in place.
        """
        context, config = self.data.context, model.config
        sizes = len(context.dense), context.sizes
        same = sizes == (config.click_dense, config.click_categorical_sizes)
        if same and isinstance(model, self.head):
            return model
        config.click_dense, config.click_categorical_sizes = sizes
        config.click_attention = False
        head = self.head(config)
        head.model = model.model
        rate = self.data.train_rate
        init.constant_(head.click.linear.bias, math.log(rate / (1 - rate)))
        if hasattr(model, "soft_target_rows"):
            head.soft_target_rows.copy_(model.soft_target_rows)
        return head

    def ranked_rows(self, rows: Dataset) -> Dataset:
        """Rows with sampled negatives have targets; of labelled impressions the first clicks follow."""
        return next_item_rows(rows)

    def rows_with_loss(self, rows: Any, model: Any) -> Any:
        """Without the loss of next items, a window needs a labelled showing; each has one with sampled negatives."""
        if model.config.next_item_weight or self.data.sampler is not None:
            return rows
        return rows.filter(bool, input_columns=["shown_items"])

    def collator(self, processor: XCatProcessor) -> Collator:
        """Packed histories with the next item of each event, and labelled showings."""
        return ClickCollator(processor, self)

    def evaluation_collator(self, processor: XCatProcessor, model: Any, args: XCatTrainingArguments) -> Collator:
        """Packed histories with the fixed showings of evaluation rows."""
        trained = (model.model.items.item_counts > 0).cpu().numpy()
        return ShowingCollator(processor, trained, args.new_category_weight)

    def begin(self, trainer: XCatTrainer, model: Any) -> None:
        """Switch off what is fitted after training."""
        NextItemTask.begin(self, trainer, model)
        ClickPredictionTask.begin(self, trainer, model)
        model.config.click_attention = False

    def predicted_logits(self, trainer: XCatTrainer, head: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """(showings,) log odds with evidence, calibrated: a model in evaluation mode applies both."""
        logits: torch.Tensor = head(**inputs, return_dict=True).logits
        return logits

    def before_evaluation(self, trainer: XCatTrainer, model: Any, validation: Dataset) -> None:
        """Nothing: no metric of clicks depends on the item-to-item weight, which `tune` chooses."""

    def tune(self, trainer: XCatTrainer, model: Any, validation: Dataset) -> None:
        """Choose values of next-item prediction, then fit the evidence and the calibration of clicks.

        Without `tune_lists` only the item-to-item weight is chosen before. Impressions of few times fit no evidence;
        see `ClickData.kept_rate`.
        """
        args = trainer.args
        ranked = self.ranked_rows(validation) if model.config.next_item_weight else []
        if len(ranked) and args.tune_lists:
            NextItemTask.tune(self, trainer, model, ranked)
        elif len(ranked):  # a score of next items is evidence of clicks
            tune_neighbor_weight(trainer, model, ranked, QUICK_USERS if args.quick else None)
        found = fit_click_stack(
            model, trainer.processor, validation, sampler=self.data.sampler, seed=args.seed, quick=args.quick,
            fits=args.tune_second_stage and self.data.kept_rate is None,
        )  # fmt: skip
        logger.info("evidence of clicks: %s", found)
        # The evidence is fitted to the shares of positives of validation.
        shift = 0.0 if found.pays else self.shift
        fit = fit_calibration(
            model.calibration, found.logits, found.labels, found.users, shift=shift, seed=args.seed,
            rate=self.data.kept_rate,
        )  # fmt: skip
        logger.info("calibration of clicks: %s", fit)
        trainer.log({
            "click_log_loss_before_evidence": found.before, "click_log_loss_with_evidence": found.after,
            **{f"click_log_loss_{name}": value for name, value in fit.log_losses.items()},
        })  # fmt: skip

    def tunes_lists(self, args: XCatTrainingArguments) -> bool:
        """As of the argument `tune_lists`."""
        return args.tune_lists

    def held_out_ranker(self, trainer: XCatTrainer, recommender: Any) -> Any:
        """As of `NextItemTask`."""
        return NextItemTask.held_out_ranker(self, trainer, recommender)


@dataclass
class ClickCollator:
    """Makes training batches of `XCatForClickPrediction`.

    Args:
        processor: The processor.
        task: The task, which labels or draws showings.
    """

    processor: XCatProcessor
    task: ClickPredictionTask

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Make inputs with `labels`, `loss_weights` and `click_...` from windows."""
        shown, read = self.task.training_showings(rows), [events_of(row, self.processor.max_history) for row in rows]
        batch = self.processor.collate(read)
        lengths = np.array([len(row["items"]) for row in read], dtype=np.int64)
        starts = batch.pop("query_positions").numpy() - lengths + 1
        labels = np.full(batch["item_ids"].shape, IGNORED_LABEL, dtype=np.int64)
        weights = np.ones(labels.shape, dtype=np.float32)
        for row, start in zip(rows, starts, strict=True):
            following = np.asarray(row["items"][1 : self.processor.max_history + 1])
            place = slice(start, start + len(following))
            if ROLES in row:
                following = np.where(np.asarray(row[ROLES][1:])[: len(following)] == TARGET, following, IGNORED_LABEL)
            labels.flat[place] = following
            if "loss_weights" in row:
                weights.flat[place] = row["loss_weights"][1:][: len(following)]
        positions = np.where(shown.after > 0, starts[shown.owners] + shown.after - 1, -1)
        clicks = {**click_inputs(shown, positions), "click_labels": torch.from_numpy(shown.labels)}
        if rows and "shown_counts" in rows[0]:
            counts = [np.asarray(row["shown_counts"], dtype=np.int64) for row in rows]
            clicks["click_counts"] = torch.from_numpy(np.concatenate(counts))
        return {
            **batch, "labels": torch.from_numpy(labels), "loss_weights": torch.from_numpy(weights), **clicks,
        }  # fmt: skip


@dataclass
class ShowingCollator(QueryCollator):
    """Makes evaluation batches of `XCatForClickPrediction`; as a `QueryCollator` it keeps weights of re-rankers."""

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Make inputs with `shown_labels` and `shown_places`, see `labelled_places`."""
        shown: Showings = read_showings(rows)
        return {**showing_inputs(self.processor, rows, shown), **labelled_places(rows, shown)}
