"""Click baselines for data: the model of a name, its trainer, and the size of its batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import set_seed

from .. import modeling_baselines
from ..modeling_baselines.click_model import ClickModel
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.sequences.build import target_histories, target_items
from ..tokenization.sequences.click_rows import ClickData
from ..tokenization.sequences.shown import flat_lists
from ..training.arguments import XCatTrainingArguments
from ..training.preparation.click_windows import MOST_SHOWINGS
from ..training.preparation.textless import textless_processor
from ..training.tasks.click_baseline import ClickBaselineTask
from ..training.trainer import XCatTrainer
from .click_models import PAIRS_PER_BATCH, SIZES, TRAINING, ClickBaseline


def make_click_model(baseline: ClickBaseline, task: ClickBaselineTask, processor: XCatProcessor) -> ClickModel:
    """A new model for the data of a task; one that is not trained has counted the training events.

    Args:
        baseline: The baseline.
        task: The task, with its data.
        processor: The processor with the catalogue.
    """
    kind: Any = getattr(modeling_baselines, f"{baseline.kind}Config")
    model: Any = getattr(modeling_baselines, f"{baseline.kind}Model")(
        task.model_config(kind, processor, **{**SIZES, **baseline.config})
    )
    if hasattr(model, "fit"):
        model.fit(list(target_histories(task.data.train)))
    if baseline.trained:
        model.start_at(task.data.train_rate)
    return model  # type: ignore[no-any-return]


def rows_per_batch(data: ClickData) -> int:
    """Training rows per batch, for about `PAIRS_PER_BATCH` pairs of a history and a candidate.

    Args:
        data: The split data; with sampled negatives every target event but the first is a positive.
    """
    rows = len(data.train)
    if data.sampler is None:
        counts = flat_lists(data.train, "shown_items")[0]
        rows, pairs = int((-(-counts // MOST_SHOWINGS)).sum()), int(counts.sum())
    else:
        events = len(target_items(data.train).combine_chunks().flatten())
        pairs = max(events - rows, 1) * (1 + data.clicks.train_negatives)
    return max(1, round(PAIRS_PER_BATCH * rows / max(pairs, 1)))


def new_click_trainer(
    baseline: ClickBaseline, task: ClickBaselineTask, training: Mapping[str, Any], max_history: int | None = None
) -> XCatTrainer:
    """A trainer with a new model for the data of a task.

    Args:
        baseline: The baseline.
        task: The task, with its data.
        training: Fields of `XCatTrainingArguments`, which take precedence over `TRAINING`; with `seed`.
        max_history: Events that a model reads; None for the default of the data.
    """
    data, processor = task.data, textless_processor(task.data, max_history)
    arguments = XCatTrainingArguments(**{
        **TRAINING, **baseline.training, "per_device_train_batch_size": rows_per_batch(data), **training,
    })  # fmt: skip
    set_seed(arguments.seed)
    model = make_click_model(baseline, task, processor)
    return XCatTrainer(model, arguments, data.train, data.validation, processor, task=task)
