"""Clicks by the models of the field (DIN, NeuMF, ...): rows to pairs of a history and a candidate."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import EvalPrediction

from ...evaluation.click_prediction.click_metrics import logistic_fit
from ...modeling_baselines.click_model import ClickConfig, ClickModel
from ...tokenization.interests.reader import UserInterests
from ...tokenization.packing import rating_buckets
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.sequences.showings import NO_LABEL, Row, Showings, read_showings
from ...tokenization.tables.event_roles import NEGATIVE, ROLES
from ..arguments import XCatTrainingArguments
from ..preparation.click_windows import showing_rows
from .click_prediction import ClickPredictionTask, labelled_places
from .task import Collator

if TYPE_CHECKING:
    from ..trainer import XCatTrainer

UNKNOWN_USERS = 0.05
"""Share of training pairs whose user is made unknown, so that a model of users has a trained answer for new ones."""


class ClickBaselineTask(ClickPredictionTask):
    """Predict clicks with a `ClickModel`.

    A training batch has the labelled showings of its rows, each with its own history. With sampled negatives every
    target event is shown, with negatives that are drawn again in each epoch. The user of a pair is the user's row in
    training; a user without training events has row 0. A share `UNKNOWN_USERS` of the training pairs has row 0 too.

    Example (not run: it needs tables):
        task = ClickBaselineTask(ClickOptions(negatives="category")).for_data(data)
        trainer = XCatTrainer(DINModel(task.model_config(DINConfig, processor)), args, data.train, data.validation,
            processor, task=task)
    """

    head = ClickModel
    deciding_metric = "scaled_log_loss"

    def metrics(self, trainer: XCatTrainer, prediction: EvalPrediction) -> dict[str, float]:
        """Metrics of `ClickPredictionTask`, and `scaled_log_loss`: log loss after Platt scaling on the same labels.

        It decides about epochs, because predictions are calibrated after training: a model that ranks better and is
        overconfident has the higher log loss, but not after calibration.
        """
        logits, labels = np.asarray(prediction.predictions), np.asarray(prediction.label_ids)
        x, y = logits[labels != NO_LABEL].astype(np.float64), labels[labels != NO_LABEL].astype(np.float64)
        slope, intercept = logistic_fit(x, y)
        z = slope * x + intercept if np.isfinite(slope) else x
        scaled = float(np.mean(np.logaddexp(0, z) - y * z))
        return {**super().metrics(trainer, prediction), "scaled_log_loss": scaled}

    def user_rows(self) -> dict[str, int]:
        """Row of each user with training events, from 1."""
        names = dict.fromkeys(self.data.train.with_format(None)["user_id"][:])
        return {name: row for row, name in enumerate(names, start=1)}

    def model_config(self, kind: type[ClickConfig], processor: XCatProcessor, **options: Any) -> ClickConfig:
        """A configuration of a click model with the sizes of the data.

        Args:
            kind: Class of the configuration.
            processor: The processor with the catalogue.
            **options: Fields that are not sizes of the data.
        """
        sizes: dict[str, Any] = {
            "num_item_rows": len(processor.catalogue), "num_category_rows": len(processor.catalogue.categories) + 1,
            "max_history": processor.max_history, "num_rating_buckets": processor.num_rating_buckets,
            "dense_features": len(self.data.context.dense), "categorical_sizes": self.data.context.sizes,
        }  # fmt: skip
        if not processor.catalogue.categories:
            sizes["num_category_rows"] = 0
        if hasattr(kind, "num_user_rows"):
            sizes["num_user_rows"] = len(self.user_rows()) + 1
        return kind(**{**sizes, **options})

    def training_rows(
        self,
        rows: Any,
        args: XCatTrainingArguments,
        max_history: int,
        processor: XCatProcessor,
        interests: UserInterests | None,
    ) -> Any:
        """Rows with labels of their own keep the history of each showing; others are cut into windows."""
        if self.data.sampler is None:
            return showing_rows(rows, max_history, args.max_train_events)
        return super().training_rows(rows, args, max_history, processor, interests)

    def collator(self, processor: XCatProcessor) -> Collator:
        """Labelled showings of training rows, with their histories."""
        return PairCollator(PairInputs(processor, self.user_rows()), self)

    def evaluation_collator(self, processor: XCatProcessor, model: Any, args: XCatTrainingArguments) -> Collator:
        """Fixed showings of evaluation rows, with their histories."""
        inputs = PairInputs(processor, self.user_rows())

        def collate(rows: Sequence[Row]) -> dict[str, torch.Tensor]:
            shown = read_showings(rows)
            return {**inputs(rows, shown), **labelled_places(rows, shown)}

        return collate


class UserItemTask(ClickBaselineTask):
    """`ClickBaselineTask` for models that read the user and no history: a user's first event is a positive too."""

    @property
    def least_history(self) -> int:
        """A user's first event is a positive too."""
        return 0


@dataclass
class PairInputs:
    """Makes inputs of `ClickModel` for showings.

    Args:
        processor: The processor with the catalogue.
        users: Row of each known user.
    """

    processor: XCatProcessor
    users: dict[str, int]
    categories: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.categories = self.processor.catalogue.category_codes.astype(np.int64) + 1

    def __call__(self, rows: Sequence[Row], shown: Showings) -> dict[str, torch.Tensor]:
        """Inputs of the showings, in their order.

        Args:
            rows: Rows with events; a model reads only those before a showing. Negative events, such as returns, are
                left out.
            shown: Their showings.
        """
        lengths = np.array([len(row["items"]) for row in rows], dtype=np.int64)
        starts = np.cumsum(lengths) - lengths
        kept = np.minimum(shown.after, self.processor.max_history)
        column = np.arange(int(kept.max(initial=0)))
        there = column < kept[:, None]
        place = np.where(there, (starts[shown.owners] + shown.after - kept)[:, None] + column, 0)

        def joined(name: str, kind: type) -> np.ndarray:
            return np.concatenate([np.zeros(0, kind), *(np.asarray(row[name], kind) for row in rows)])

        if rows and ROLES in rows[0]:
            there &= joined(ROLES, np.int64)[place] != NEGATIVE
        items = np.where(there, joined("items", np.int64)[place], 0)
        found: dict[str, np.ndarray] = {
            "item_ids": items, "category_ids": np.where(there, self.categories[items], 0),
            "candidate_ids": shown.items, "candidate_category_ids": self.categories[shown.items],
            "user_ids": np.array([self.users.get(row["user_id"], 0) for row in rows], dtype=np.int64)[shown.owners],
            "dense_features": shown.dense, "categorical_features": shown.categorical,
        }  # fmt: skip
        if self.processor.num_rating_buckets:
            features = self.processor.features
            codes = rating_buckets(joined("ratings", np.float64), features.num_rating_buckets, features.rating_range)
            found["rating_ids"] = np.where(there, codes[place], 0)
        return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in found.items()}


@dataclass
class PairCollator:
    """Makes training batches of `ClickModel`.

    Args:
        inputs: Makes the inputs.
        task: The task, which labels or draws showings.
    """

    inputs: PairInputs
    task: ClickPredictionTask

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Make inputs with `labels` from windows."""
        shown = self.task.training_showings(rows)
        batch = self.inputs(rows, shown)
        # Seeded by the batch, as its negatives are.
        generator = np.random.default_rng((self.task.clicks.seed, zlib.crc32(shown.items.tobytes()), len(shown)))
        unknown = torch.from_numpy(generator.random(len(shown)) < UNKNOWN_USERS)
        batch["user_ids"] = batch["user_ids"].masked_fill(unknown, 0)
        return {**batch, "labels": torch.from_numpy(shown.labels)}
