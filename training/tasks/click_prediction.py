"""Base class of tasks that predict clicks: data, training windows, evaluation and metrics, for any model."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from datasets import Dataset
from torch import nn
from transformers import EvalPrediction

from ...evaluation.click_evaluation import ClickReport, click_report
from ...evaluation.click_prediction.click_metrics import CLICK_METRICS, Predictions
from ...modeling_xcat.calibration_xcat import ClickCalibration, prior_shift
from ...tokenization.interests.reader import UserInterests
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.sequences.click_options import ClickOptions
from ...tokenization.sequences.click_rows import ClickData, split_clicks
from ...tokenization.sequences.event_options import EventOptions
from ...tokenization.sequences.sampled_clicks import require_positives
from ...tokenization.sequences.showings import NO_LABEL, Row, Showings, draw_showings, read_showings
from ...tokenization.sequences.split_data import SplitData
from ...tokenization.tables.schema import ShopTables
from ...tokenization.text.item_text import DEFAULT_TEXT_FIELDS
from ...tokenization.vocabulary import ItemVocabulary
from ..arguments import XCatTrainingArguments
from ..divergence import check_finite
from ..preparation.click_windows import click_windows
from ..preparation.windows import training_rows
from .task import Task

if TYPE_CHECKING:
    from ..trainer import XCatTrainer

DECIDING = ("log_loss", "auc", "gauc", "loss")
"""Metrics that can choose the best epoch."""


class ClickPredictionTask(Task):
    """Predict whether a user clicks, or buys, an item that is shown.

    A subclass names the head and makes batches: inputs of the model for some showings, in their order. Its
    `evaluation_collator` adds `labelled_places(rows, showings)`. Everything else is here: the split with labels, the
    negatives of training batches, calibrated predictions of evaluations and their metrics.

    A head may have a `ClickCalibration` named `calibration`. Evaluations apply it. Before training it is set to the
    correction for the share of positives, and `tune` may fit it.

    Args:
        clicks: Labels, negatives and context; None for the defaults.
        data: The split data; None until `for_data` or `split` is called.

    Attributes:
        clicks: The options.
    """

    deciding_metric = "log_loss"
    tunes = False
    option_class = ClickOptions

    def __init__(self, clicks: ClickOptions | None = None, data: ClickData | None = None) -> None:
        self.clicks = clicks or ClickOptions()
        self._data = data

    def with_options(self, **fields: Any) -> Self:
        """The same task with other values of `ClickOptions`."""
        other = copy.copy(self)
        other.clicks = replace(self.clicks, **fields)
        return other

    def split(
        self,
        shop: ShopTables,
        events: EventOptions,
        *,
        vocabulary: ItemVocabulary | None = None,
        event_types: list[str] | None = None,
        text_fields: Sequence[str] = DEFAULT_TEXT_FIELDS,
        cache_dir: Path | None = None,
    ) -> ClickData:
        """`split_clicks` with the options of the task; negatives of evaluation have the seed of the events."""
        clicks = replace(self.clicks, seed=events.event_seed)
        return split_clicks(
            shop, events, clicks, vocabulary=vocabulary, event_types=event_types, text_fields=text_fields,
            cache_dir=cache_dir,
        )  # fmt: skip

    def for_data(self, data: SplitData) -> Self:
        """The task for split data: its options, sampler and context.

        Args:
            data: Result of `split` or `split_clicks`.

        Raises:
            TypeError: If it is the split of another task.
        """
        if not isinstance(data, ClickData):
            raise TypeError(f"data is {type(data).__name__}; give the result of split_clicks, which has showings")
        other = copy.copy(self)
        other.clicks, other._data = data.clicks, data
        return other

    @property
    def data(self) -> ClickData:
        """The split data.

        Raises:
            ValueError: If the task has none.
        """
        if self._data is None:
            raise ValueError(
                f"{type(self).__name__} has no data for labels and negatives; use its method for_data with the result "
                "of split_clicks, before training"
            )
        return self._data

    def training_showings(self, rows: Sequence[Row]) -> Showings:
        """Labelled candidates of training rows: those of their columns, or target events with sampled negatives."""
        if rows and "shown_items" in rows[0]:
            return read_showings(rows)
        data = self.data
        assert data.sampler is not None
        clicks = data.clicks
        return draw_showings(rows, data.sampler, clicks.train_negatives, clicks.seed, self.least_history)

    @property
    def least_history(self) -> int:
        """Fewest earlier events of a training positive with sampled negatives."""
        return self.data.clicks.least_history

    def training_rows(
        self,
        rows: Any,
        args: XCatTrainingArguments,
        max_history: int,
        processor: XCatProcessor,
        interests: UserInterests | None,
    ) -> Any:
        """Windows of training sequences, with their showings if the rows have labels of their own."""
        if self.data.sampler is None:
            rows = click_windows(rows, max_history, args.max_train_events)
        return training_rows(rows, args, max_history, processor.catalogue.category_codes, interests)

    def check_rows(self, rows: Any) -> None:
        """Refuse training rows without a showing, or without a positive if negatives are sampled.

        Raises:
            ValueError: If no row has one.
        """
        if self.data.sampler is not None or not isinstance(rows, Dataset):
            super().check_rows(rows)
            if isinstance(rows, Dataset) and self.data.sampler is not None:
                require_positives(rows, self.data.sampler, self.data.clicks.train_negatives, self.least_history)
            return
        if not any(map(len, rows.with_format(None)["shown_items"])):
            raise ValueError(f"train_dataset has {len(rows)} rows without a labelled item; give rows of split_clicks")

    def check_metric(self, args: XCatTrainingArguments, eval_dataset: Any) -> None:
        """Refuse a metric that does not choose an epoch of click prediction.

        Raises:
            ValueError: If `metric_for_best_model` is another one.
        """
        name = (args.metric_for_best_model or "").removeprefix("eval_")
        if args.load_best_model_at_end and name.rpartition("_")[2] != "loss" and name not in DECIDING:
            raise ValueError(f"metric_for_best_model is {name!r}; give one of {', '.join(DECIDING)}")

    @property
    def shift(self) -> float:
        """Correction of log odds for the share of positives in training; see `prior_shift`."""
        return prior_shift(self.data.train_rate, self.data.true_rate)

    def begin(self, trainer: XCatTrainer, model: Any) -> None:
        """Reset the calibration to the correction for the share of positives in training."""
        calibration = getattr(model, "calibration", None)
        if isinstance(calibration, ClickCalibration):
            calibration.reset()
            calibration.set_prior(self.shift)

    def prediction_step(
        self, trainer: XCatTrainer, model: nn.Module, inputs: dict[str, Any], prediction_loss_only: bool
    ) -> tuple[torch.Tensor | None, Any, Any] | None:
        """Predict the showings of a batch of rows.

        Returns:
            No loss: `evaluation_loop` averages it over showings; (rows, most showings) calibrated log odds, NaN where
            there is no showing; labels of the same shape, `NO_LABEL` there.

        Raises:
            ValueError: If a prediction is not finite.
        """
        labels, places = inputs.pop("shown_labels"), inputs.pop("shown_places")
        head: Any = trainer.accelerator.unwrap_model(model, keep_torch_compile=False)
        with torch.no_grad(), full_precision(head), torch.autocast(labels.device.type, enabled=False):
            found = self.predicted_logits(trainer, head, inputs)
        check_finite(found, "predictions of clicks are", trainer.args.learning_rate)
        logits = torch.full(labels.shape, torch.nan, device=labels.device)
        logits.view(-1)[places] = found.float()
        losses = nn.functional.binary_cross_entropy_with_logits(logits, labels.float(), reduction="none")
        trainer.add_losses(losses)
        return None, logits, labels

    def predicted_logits(self, trainer: XCatTrainer, head: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """(showings,) calibrated log odds.

        Args:
            trainer: The trainer.
            head: The model.
            inputs: A batch of `evaluation_collator`, without `labelled_places`.
        """
        logits: torch.Tensor = head(**inputs).logits
        calibration = getattr(head, "calibration", None)
        return calibration(logits) if isinstance(calibration, ClickCalibration) else logits

    def metrics(self, trainer: XCatTrainer, prediction: EvalPrediction) -> dict[str, float]:
        """The metrics of `CLICK_METRICS`; one without a finite value is left out, because JSON does not support it."""
        logits, labels = np.asarray(prediction.predictions), np.asarray(prediction.label_ids)
        there = labels != NO_LABEL
        users = np.nonzero(there)[0]
        found = Predictions(sigmoid(logits[there]), labels[there], users)
        values = {name: metric(found, found.weights) for name, metric in CLICK_METRICS.items()}
        return {name: value for name, value in values.items() if np.isfinite(value)}

    def probabilities(self, trainer: XCatTrainer, rows: Dataset) -> np.ndarray:
        """(showings,) calibrated probabilities of validation or test rows, in the order of `as_pairs(rows)`.

        Args:
            trainer: The trainer with the model.
            rows: The rows.
        """
        return sigmoid(self.logits(trainer, rows))

    def logits(self, trainer: XCatTrainer, rows: Dataset) -> np.ndarray:
        """(showings,) calibrated log odds; see `probabilities`."""
        output = trainer.predict(rows)
        found: np.ndarray = np.asarray(output.predictions)[np.asarray(output.label_ids) != NO_LABEL]
        return found

    def report(self, trainer: XCatTrainer, rows: Dataset, trained: np.ndarray) -> ClickReport:
        """The click report of validation or test rows.

        Args:
            trainer: The trainer with the model.
            rows: The rows.
            trained: (rows of the vocabulary,) bool, whether an item has training events.
        """
        found = self.probabilities(trainer, rows)
        return click_report(found, rows, trainer.processor.catalogue, trained, kind=self.data.kind)


@contextmanager
def full_precision(head: nn.Module) -> Iterator[None]:
    """Within it a model computes as a loaded checkpoint: Accelerate lets it compute in the precision of training.

    Args:
        head: The model, after `accelerator.unwrap_model`.
    """
    lower = vars(head).pop("forward", None) if "_original_forward" in vars(head) else None
    try:
        yield
    finally:
        if lower is not None:
            head.forward = lower


def labelled_places(rows: Sequence[Row], showings: Showings) -> dict[str, torch.Tensor]:
    """Labels of showings, for `ClickPredictionTask.prediction_step`.

    Args:
        rows: Evaluation rows.
        showings: `read_showings(rows)`.

    Returns:
        `shown_labels` (rows, most showings), `NO_LABEL` where there is none; `shown_places` (showings,) places in it.
    """
    labels, places = showings.padded_labels(len(rows))
    return {"shown_labels": torch.from_numpy(labels), "shown_places": torch.from_numpy(places)}


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities of log odds, in float64."""
    found: np.ndarray = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -700, 700)))
    return found
