"""Update: fine-tune a checkpoint from the log of the service, unless that makes it worse."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from datasets import Dataset

from ..catalogue.added_counts import add_counts
from ..checkpoints.load import note_catalogue
from ..checkpoints.review import copy_review
from ..counting import counted
from ..model_cards.update_section import write_updated_card
from ..modeling_xcat.arguments_xcat import finite_number, whole_number
from ..modeling_xcat.hub_xcat import locate_checkpoint
from ..modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.pushing_xcat import SHARED
from ..modeling_xcat.saving_xcat import CARD_FILE, written_whole
from ..ranking.recommender import XCatRecommender
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.progress import quiet_transformers
from ..tokenization.sequences.split_data import SplitData
from ..training.arguments import XCatTrainingArguments
from ..training.pull import PullToStart
from ..training.trainer import XCatTrainer
from .checkpoint_evaluation import evaluation_data
from .output_folders import check_other_folder, check_output
from .read_shop import read_shop
from .update_data import UpdateLog, read_log, with_index_items, with_replay
from .update_guards import GROWTH, Guard, Guards, check_growth
from .whole_checkpoint import load_whole
from .working_folders import working_folder

if TYPE_CHECKING:
    from .read_shop import ShopSource

logger = logging.getLogger(__name__)

LEARNING_RATE, EPOCHS, PULL = 5e-4, 3.0, 20.0
COMPARED = 5_000
"""Maximum test users of the earlier tables that are compared on."""
WARMUP = 0.1
"""Share of the steps in which the learning rate rises."""


@dataclass(frozen=True)
class UpdateResult:
    """A checkpoint that was updated from a log.

    Args:
        output: Its folder.
        log: The log.
        guards: The guards, all of which it passed.
        epochs: Epochs until the best one.
        replayed: Users of the earlier tables whose sequences were trained on again.
        new_items: Items that were added to the index of the service.
    """

    output: Path
    log: UpdateLog
    guards: list[Guard]
    epochs: float
    replayed: int = 0
    new_items: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON."""
        return {
            "output": str(self.output), "accepted": True, **log_facts(self.log), "epochs": self.epochs,
            "replayed_users": self.replayed, "new_items": self.new_items,
            "guards": [guard.to_dict() for guard in self.guards],
        }  # fmt: skip


def log_facts(log: UpdateLog) -> dict[str, Any]:
    """Period and counts of a log, without anything about a user."""
    return {
        "first_day": log.days[0], "last_day": log.days[1], "users": log.users, "events": log.events,
        "unknown_items": log.unknown, "ignored_types": log.ignored, "over_the_limit": log.capped,
        "held_out_users": len(log.data.test),
    }  # fmt: skip


@quiet_transformers()
def update(
    checkpoint: str | os.PathLike[str],
    log: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    data: ShopSource | None = None,
    index: str | os.PathLike[str] | None = None,
    ignore_types: Collection[str] = (),
    growth: float = GROWTH,
    learning_rate: float = LEARNING_RATE,
    num_train_epochs: float = EPOCHS,
    pull: float = PULL,
    seed: int = 0,
    overwrite: bool = False,
    revision: str | None = None,
    tell: Callable[[str], None] = logger.info,
) -> UpdateResult:
    """Fine-tune a checkpoint from the log of `xcat serve`, and write a new one unless it is worse.

    The last 10 % of the log's time are held out. Counts of items and item-to-item weights take in the rest, and the
    weights are trained on it for a few epochs, with a pull towards the old ones against forgetting. The checkpoint
    itself is not changed. The log and the new model have to pass guards (`update_guards`).

    Args:
        checkpoint: A folder, or NAMESPACE/NAME on the hub.
        log: SQLite file of the service's store, or its URL, "sqlite:///state.db".
        output: Folder of the new checkpoint.
        data: Tables of the earlier training, as in `fit`: sequences of them are trained on again, and their test users
            are what the log cannot change. None to draw histories from the old model in their place.
        index: Folder of the index of the service, whose added items are kept; None for none.
        ignore_types: Event types of the log that are left out, besides those that the checkpoint was not trained on.
        growth: Largest growth of an item's share of the log's users, and of lists, that passes; 1 for any.
        learning_rate: Peak learning rate.
        num_train_epochs: Maximum number of epochs; the best one on the validation part of the log is kept.
        pull: Strength of the pull towards the old weights; see `PullToStart`.
        seed: Seed of training and of draws.
        overwrite: Whether a checkpoint in `output` may be replaced.
        revision: Branch, tag or commit of a hub repository.
        tell: Called with a line per guard.

    Returns:
        The new checkpoint, and what the guards measured.

    Raises:
        UpdateRefusedError: If a guard was not passed; then nothing is written.
        OSError: If the checkpoint, the log or the index cannot be read.
        ValueError: If the checkpoint is an adapter or predicts clicks, or the log is empty, too small, of another
            catalogue or of other event types.

    Example (not run: it trains for minutes):
        update("CKPT", "state.db", "NEW").guards
    """
    name, output = os.fspath(checkpoint), Path(output)
    check_other_folder(name, output)
    check_output(output, overwrite=overwrite)
    check_growth(growth)
    _check_training(learning_rate, num_train_epochs, seed)
    callback = PullToStart(pull)
    folder = locate_checkpoint(name, files=SHARED, revision=revision)
    model, processor = _load(folder, name)
    size = processor.catalogue.num_items
    processor = with_index_items(model, processor, index)
    found = read_log(log, model, processor, ignore_types)
    old = XCatRecommender(model, processor)
    earlier = _earlier(old, data, found)
    guards = Guards(old, found, None if earlier is None else _some(earlier.test, seed), growth, tell)
    guards.check_log()
    train = found.data.train if earlier is None else with_replay(found.data.train, earlier.train, seed)
    new = deepcopy(model)
    add_counts(new, found.data.train)
    with working_folder(_parent(output), ".xcat-update-") as place:
        arguments = XCatTrainingArguments(
            output_dir=str(place), learning_rate=learning_rate, num_train_epochs=num_train_epochs,
            warmup_steps=WARMUP, weight_decay=0.0, tune_second_stage=False, tune_neighbor_weight=False, seed=seed,
        )  # fmt: skip
        trainer = XCatTrainer(
            new, arguments, train, found.data.validation, processor, interests=found.interests, callbacks=[callback]
        )
        state = trainer.train()
    guards.check_model(XCatRecommender(new, processor), seed)
    result = UpdateResult(
        output, found, guards.passed, round(float(state.metrics.get("epoch", 0)), 2),
        len(train) - len(found.data.train), processor.catalogue.num_items - size,
    )  # fmt: skip
    _save(result, new, processor, folder)
    return result


def _check_training(learning_rate: float, num_train_epochs: float, seed: int) -> None:
    """Refuse numbers that cannot be trained with.

    Raises:
        ValueError: If one is not a finite number above 0, or the seed is negative.
    """
    for name, value in (("learning_rate", learning_rate), ("num_train_epochs", num_train_epochs)):
        if finite_number(name, value) <= 0:
            raise ValueError(f"{name} is {value}; give a number above 0")
    whole_number("seed", seed, 0)


def _load(folder: Path, name: str) -> tuple[XCatForNextItem, XCatProcessor]:
    """Model and processor of a whole checkpoint that ranks items."""
    model, processor = load_whole(folder, name)
    if isinstance(model, XCatForClickPrediction):
        raise ValueError(
            f"{name} predicts clicks, and an update trains next items; train it again with task='click' and base="
        )
    return model, processor


def _earlier(old: XCatRecommender, data: ShopSource | None, log: UpdateLog) -> SplitData | None:
    """The sequences of the earlier training, split as in it; None without tables."""
    if data is None:
        return None
    if log.interests is not None:
        raise ValueError(
            "data: the checkpoint reads interests of users, whose earlier texts are not read; leave it out"
        )
    return evaluation_data(old, read_shop(data, saved=old.processor.event_settings)).data


def _some(rows: Dataset, seed: int) -> Dataset:
    """Rows drawn at random, if there are too many."""
    drawn = np.random.default_rng(seed).permutation(len(rows))[:COMPARED]
    return rows.select(np.sort(drawn))


def _parent(output: Path) -> Path:
    """The folder of the output, which is made if it is missing."""
    output.absolute().parent.mkdir(parents=True, exist_ok=True)
    return output.absolute().parent


def _save(result: UpdateResult, model: XCatForNextItem, processor: XCatProcessor, folder: Path) -> None:
    """Write the checkpoint with its card, whole or not at all."""
    note_catalogue(model, processor)
    with written_whole(result.output, replaced=(CARD_FILE,)) as unfinished, quiet_transformers():
        model.save_pretrained(unfinished)
        processor.save_pretrained(unfinished)
        if (folder / CARD_FILE).is_file():
            write_updated_card(folder / CARD_FILE, unfinished / CARD_FILE, _card_rows(result))
    copy_review(folder, result.output)


def _card_rows(result: UpdateResult) -> list[tuple[str, str]]:
    """Names and values of the card's section: what the checkpoint was updated from, without anything of a user."""
    log = result.log
    left_out = {
        "items not in the catalogue": log.unknown, "ignored types": log.ignored,
        "more than the model reads of one user": log.capped,
    }  # fmt: skip
    counts = ", ".join(f"{count:,} ({name})" for name, count in left_out.items() if count)
    return [
        ("Log", str(log)),
        ("Left out", counts or "none"),
        ("Replayed", f"{counted(result.replayed, 'user')} of the earlier tables"),
        ("New items", f"{result.new_items:,}"),
        *((f"Guard `{guard.name}`", guard.about) for guard in result.guards),
    ]
