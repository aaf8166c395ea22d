"""Fit heads of columns, such as the next category, on a checkpoint that is trained already."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalogue.interests import shop_interests
from ..checkpoints.review import copy_review
from ..counting import counted
from ..model_cards.heads_section import write_card_with_heads
from ..modeling_xcat.arguments_xcat import whole_number
from ..modeling_xcat.hub_xcat import locate_checkpoint
from ..modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from ..modeling_xcat.pushing_xcat import SHARED
from ..modeling_xcat.saving_xcat import CARD_FILE, written_whole
from ..ranking.recommender import XCatRecommender
from ..tokenization.progress import quiet_transformers
from ..tokenization.tables.schema import MissingUsers, UnknownItems
from ..training.argument_checks import target_columns
from ..training.tuning.target_heads import FittedHead, check_states, check_target_heads, fit_target_heads
from .checkpoint_evaluation import evaluation_data
from .output_folders import check_other_folder, check_output
from .read_shop import read_shop
from .whole_checkpoint import load_whole

if TYPE_CHECKING:
    from ..tokenization.sources.generic import TableSource
    from .read_shop import ColumnNames, ShopSource

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeadedCheckpoint:
    """A checkpoint with heads of columns.

    Args:
        output: Its folder.
        heads: The heads, in the order of the columns.
        dropped: Columns whose earlier heads it has no more.
        notes: Notes on the data.
    """

    output: Path
    heads: tuple[FittedHead, ...]
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line per head."""
        return "\n".join(map(_told, self.heads))

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON."""
        heads = [
            {"column": one.column, "values": len(one.names), "training_events": one.states,
             "weights": dict(zip(one.gains, one.weights, strict=True)),
             "ndcg@10": {purpose: None if gain is None else {"summed": gain.before, "with_head": gain.after}
                         for purpose, gain in one.gains.items()}}
            for one in self.heads
        ]  # fmt: skip
        return {"output": str(self.output), "heads": heads, "dropped": list(self.dropped), "notes": list(self.notes)}


def add_target_heads(
    checkpoint: str | os.PathLike[str],
    data: ShopSource | None,
    output: str | os.PathLike[str],
    *,
    target_heads: str | Sequence[str],
    items: TableSource | None = None,
    events: TableSource | None = None,
    columns: ColumnNames | None = None,
    time_format: str | None = None,
    encoding: str | None = None,
    unknown_items: UnknownItems = "drop",
    missing_users: MissingUsers = "drop",
    seed: int = 0,
    quick: bool = False,
    overwrite: bool = False,
    revision: str | None = None,
    tell: Callable[[str], None] = logger.info,
    **options: Any,
) -> HeadedCheckpoint:
    """Write a checkpoint with heads of columns, over its fixed states; the lists of items stay as they are.

    The events are filtered and split as in the training. The heads replace earlier ones; see `fit_target_heads`.

    Args:
        checkpoint: A folder, or NAMESPACE/NAME on the hub.
        data: Tables of the training, as in `evaluate_checkpoint`, and so are `items` to `missing_users`; None with
            `events`.
        output: Folder of the new checkpoint.
        target_heads: Columns of the items, as in `fit`: a list, or a text with commas between them.
        items: Items table, instead of `data`.
        events: Events table, instead of `data`.
        columns: Column names; None for the names in the checkpoint's training.
        time_format: Format of times.
        encoding: Encoding of text files.
        unknown_items: "drop" or "error".
        missing_users: "drop" or "error".
        seed: Seed of initial weights and batches.
        quick: Whether to use fewer training events per user.
        overwrite: Whether a checkpoint in `output` may be replaced.
        revision: Branch, tag or commit of a hub repository.
        tell: Called with notes.
        **options: Fields of `PreparationOptions` about events, such as `split`.

    Raises:
        OSError: If there is no such checkpoint.
        ValueError: If the checkpoint is an adapter or predicts clicks, or a column cannot have a head.

    Example (not run: it needs a checkpoint):
        print(add_target_heads("CKPT", "my-shop", "WITH-HEADS", target_heads=["category"]))
    """
    name, output, wanted = os.fspath(checkpoint), Path(output), target_columns(target_heads)
    check_other_folder(name, output)
    check_output(output, overwrite=overwrite)
    whole_number("seed", seed, 0)
    folder = locate_checkpoint(name, files=SHARED, revision=revision)
    model, processor = load_whole(folder, name)
    if isinstance(model, XCatForClickPrediction):
        raise ValueError(f"{name} predicts clicks, and a head is beside lists of items; give one of next items")
    check_states(model)
    check_target_heads(processor.catalogue, wanted)
    shop = read_shop(
        data, items=items, events=events, columns=columns, time_format=time_format, encoding=encoding,
        unknown_items=unknown_items, missing_users=missing_users, saved=processor.event_settings,
    )  # fmt: skip
    judged = evaluation_data(XCatRecommender(model, processor), shop, **options)
    interests = shop_interests(shop, model, processor)
    train, validation = (
        rows if interests is None else interests.added(rows) for rows in (judged.data.train, judged.data.validation)
    )
    earlier = set(model.config.target_head_groups or {}) - set(wanted)
    for note in judged.notes:
        tell(f"note: {note}")
    heads = fit_target_heads(model, processor, train, validation, wanted, seed=seed, quick=quick)
    found = HeadedCheckpoint(output, tuple(heads), tuple(sorted(earlier)), tuple(judged.notes))
    with written_whole(output, replaced=(CARD_FILE,)) as unfinished, quiet_transformers():
        model.save_pretrained(unfinished)
        processor.save_pretrained(unfinished)
        if (folder / CARD_FILE).is_file():
            write_card_with_heads(folder / CARD_FILE, unfinished / CARD_FILE, model.config)
    copy_review(folder, output)
    if found.dropped:
        tell(f"note: heads of {', '.join(found.dropped)} are dropped; name these columns, too, to keep heads of them")
    return found


def _told(head: FittedHead) -> str:
    """A line about a head: its size, its weights and their gains on validation."""
    parts = []
    for (purpose, gain), weight in zip(head.gains.items(), head.weights, strict=True):
        measured = "too few users" if gain is None else f"NDCG@10 {gain.before:.4f} -> {gain.after:.4f} on validation"
        parts.append(f"weight {weight:g} for {purpose} ({measured})")
    return f"head of {head.column}, {counted(len(head.names), 'value')}: {', '.join(parts)}"
