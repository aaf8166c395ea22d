"""Inputs of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..checkpoints.adapter_choices import DEFAULT_GROUPS
from ..tokenization.tables.schema import ShopTables
from ..training.tasks.next_item import NEXT_ITEM
from ..training.tasks.task import Task


@dataclass
class FitRequest:
    """Inputs of a fit.

    Args:
        shop: Validated tables.
        output: Folder of the checkpoint.
        preparation: Fields of `PreparationOptions`.
        config: Fields of `XCatConfig`.
        training: Fields of `XCatTrainingArguments`.
        resume: Whether to resume from the last saved epoch in `output`.
        base: Checkpoint to start from, a folder or repository; None for a new model.
        task: What to train for: a `Task`, or a registered name.
        task_options: Options of the task, such as those of `ClickOptions`.
        peft: Method of `checkpoints.adapters` that puts an adapter on the base; None to train the weights themselves.
        lora_rank: Rank of the adapter.
        lora_targets: Parts of the model that get the adapter.
        card: The author's fields of the card, some of `AUTHOR_FIELDS`; None for no card.
        data: The data argument of the command line.
        command: Command that fits the model again, for the card.
        begun: Start of the command, in seconds of `time.perf_counter`; None for now.
        card_baselines: Id-based models to train and evaluate too, some of `card_baselines.IDS_ONLY`.
    """

    shop: ShopTables
    output: Path
    preparation: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    resume: bool = False
    base: str | None = None
    task: Task | str = NEXT_ITEM
    task_options: Mapping[str, Any] = field(default_factory=dict)
    peft: str | None = None
    lora_rank: int = 8
    lora_targets: tuple[str, ...] = DEFAULT_GROUPS
    card: Mapping[str, Any] | None = field(default_factory=dict)
    data: str | None = None
    command: str | None = None
    card_baselines: tuple[str, ...] = ()
    begun: float | None = None
