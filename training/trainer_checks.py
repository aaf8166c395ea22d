"""Checks of a trainer's inputs at construction, instead of failing hours later."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from datasets import Dataset, IterableDataset

from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.interests.reader import UserInterests
from ..tokenization.interests.snapshots import NO_INTERESTS
from ..tokenization.processing_xcat import XCatProcessor
from .arguments import XCatTrainingArguments
from .preparation.windows import count_windows
from .row_datasets import COUNTED_ROWS
from .text_tuning import trains_text

if TYPE_CHECKING:
    from .tasks.task import Task


def check_arguments(args: Any) -> None:
    """Refuse other training arguments, which lack fields of this trainer."""
    if not isinstance(args, XCatTrainingArguments):
        raise TypeError(f"args is a {type(args).__name__}; give XCatTrainingArguments, which has the same fields")


def check_head(model: Any, task: Task) -> None:
    """Refuse a model if its class is not the head of the task."""
    # By name, since code of the hub has classes of its own.
    if task.head.__name__ not in {cls.__name__ for cls in type(model).__mro__}:
        raise TypeError(
            f"model is of {type(model).__name__}, and {type(task).__name__} trains {task.head.__name__}; give one, "
            "or task= of the model"
        )


def suited_to_task(args: XCatTrainingArguments, task: Task) -> XCatTrainingArguments:
    """The arguments with the metric of the task where `metric_for_best_model` is left at its default."""
    default = XCatTrainingArguments.metric_for_best_model
    if args.metric_for_best_model != default or task.deciding_metric == default:
        return args
    suited = copy.copy(args)
    suited.metric_for_best_model = task.deciding_metric
    suited.greater_is_better = not task.deciding_metric.endswith("loss")
    return suited


def check_heads_of_task(args: XCatTrainingArguments, task: Task) -> None:
    """Refuse heads of targets in a training after which no lists are tuned, with which they are fitted."""
    if args.target_heads and not (task.ranks and task.tunes_lists(args)):
        raise ValueError(
            f"target_heads is {', '.join(args.target_heads)}, and {type(task).__name__} tunes no lists here, with "
            "which heads are fitted; leave it out"
        )


def check_text_tuning(task: Task) -> None:
    """Refuse a text encoder in training whose texts the head would not read."""
    if not task.encodes_texts:
        raise ValueError(
            f"the text encoder is to be trained, and {type(task).__name__} encodes no texts in training; set "
            "freeze_text_encoder=True"
        )


def check_sharding(sharded: bool, tunes_text: bool) -> None:
    """Refuse a text encoder in training under FSDP."""
    if sharded and tunes_text:
        raise ValueError(
            "a text encoder in training encodes the whole catalogue between the steps, for which FSDP gathers "
            "nothing; train it with DDP (configs/accelerate/gpu_ddp.yaml), or freeze it"
        )


def check_stream(rows: IterableDataset, args: XCatTrainingArguments, max_history: int) -> None:
    """Require max_steps for a stream, whose length is unknown, and refuse options that need all rows."""
    if args.max_tokens_per_batch is not None:
        raise ValueError(
            f"max_tokens_per_batch is {args.max_tokens_per_batch}, and train_dataset is a stream, whose lengths are "
            "unknown; give per_device_train_batch_size"
        )
    if args.max_steps > 0:
        return
    some = [len(row["items"]) for row in rows.take(COUNTED_ROWS)]
    windows = count_windows(np.array(some, dtype=np.int64), max_history, args.max_train_events)
    batch = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    raise ValueError(
        f"train_dataset is a stream, so its number of batches is unknown; give max_steps. Its first "
        f"{len(some)} rows make {windows} training windows, so a pass over a million such rows is about "
        f"{round(windows / max(1, len(some)) * 1e6 / batch)} steps of {batch}"
    )


def check_rows(rows: Any) -> None:
    """Refuse training rows without a next event to predict."""
    if isinstance(rows, Dataset) and max(map(len, rows.with_format(None)["items"]), default=0) < 2:
        raise ValueError(
            f"train_dataset has {len(rows)} rows, none with two events or more; give rows with a history and a next "
            "event"
        )


def check_batches(loader: Any, rows: Any, args: XCatTrainingArguments) -> None:
    """Refuse a training without a batch, which would end at once with the initial weights."""
    if args.dataloader_drop_last and isinstance(rows, Dataset) and not len(loader):
        raise ValueError(
            f"dataloader_drop_last is True, and {len(rows)} training windows do not fill one batch of "
            f"{args.train_batch_size * args.world_size}; leave it out, or give a smaller per_device_train_batch_size"
        )


def check_interests(
    interests: UserInterests | None, dataset: Any, processor: XCatProcessor, model: XCatForNextItem
) -> None:
    """Refuse training rows without the interests that a model reads, and interests that training would change."""
    if interests is not None and trains_text(model):
        raise ValueError(
            "interests are computed once from text states, and this text encoder is trained; freeze it, "
            "or leave interests= out"
        )
    there = set(NO_INTERESTS) <= set(dataset.column_names or ())
    if processor.interest_settings is not None and interests is None and not there:
        raise ValueError("this model reads interests; give interests=, as prepare_training returns them")


def check_adaptor_refresh(every: int, model: XCatForNextItem) -> None:
    """Refuse to keep projected texts if there are none, or if they change in every step."""
    if every == 1:
        return
    given = f"adaptor_refresh_steps is {every}"
    if not model.config.use_text:
        raise ValueError(f"{given}, and this model represents items without text (use_text is False); leave it out")
    if not model.config.uses_full_softmax:
        raise ValueError(
            f"{given}, and a sampled objective ({model.config.objective}) never projects the texts of the "
            "whole catalogue, only of the step's items; leave it out"
        )
    if trains_text(model):
        raise ValueError(
            f"{given}, and this text encoder is trained, so text states change in every step; "
            "freeze it, or leave adaptor_refresh_steps out"
        )
