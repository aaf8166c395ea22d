"""Items of tables that a checkpoint lacks, and the other way round, counted for an evaluation."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

from ..counting import counted_of
from ..ranking.recommender import XCatRecommender
from ..tokenization.sequences.split_data import SplitData
from ..tokenization.vocabulary import UNKNOWN_ROW
from ..training.preparation.options import PreparationOptions


def count_unknown_items(
    data: SplitData, recommender: XCatRecommender, part: str, options: PreparationOptions, notes: list[str]
) -> dict[str, int]:
    """Count evaluated targets and history events whose item is not in the checkpoint's catalogue, and note it.

    Args:
        data: The sequences as item indices of its catalogue, without targets that the catalogue lacks.
        recommender: The checkpoint.
        part: Name of the evaluated part.
        options: Options of filters and split.
        notes: List to which a note is added.

    Raises:
        ValueError: If there are targets, and none is an item of the checkpoint.
    """
    catalogue, judged = recommender.processor.catalogue, data.splits[part]
    whole, known = judged, catalogue
    if (catalogue.encode(data.selected.items["item_id"].to_arrow()) == UNKNOWN_ROW).any():
        own = data.shop.split(options, text_fields=(), cache_dir=options.cache_dir)  # the split with every target
        whole, known = own.splits[part], own.vocabulary
    targets = known.decode(_flat(whole, "targets"))
    lost = [name for name, row in zip(targets, catalogue.encode(targets), strict=True) if row == UNKNOWN_ROW]
    if lost and not len(judged):
        raise ValueError(
            f"events, column item_id: none of the {len(lost):,} targets of {part} is an item of the checkpoint, "
            f"for example {lost[0]!r}; add the items with xcat catalogue, or give tables with its item ids"
        )
    history = _flat(judged, "items")
    counts = {
        "targets": len(lost),
        "all_targets": len(targets),
        "users": len(whole) - len(judged),
        "all_users": len(whole),
        "history_events": int((history == UNKNOWN_ROW).sum()),
        "all_history_events": len(history),
    }
    parts = []
    if lost:
        users = f", and with them {counted_of(counts['users'], len(whole), 'user')} without another target"
        parts.append(
            f"left out for every model: {counted_of(len(lost), len(targets), 'target')}, for example {lost[0]!r}"
            f"{users if counts['users'] else ''}, so the metrics are too high"
        )
    if counts["history_events"]:
        unknown = counted_of(counts["history_events"], len(history), "event")
        parts.append(f"read as unknown in the histories: {unknown}")
    if parts:
        notes.append(
            f"the tables have items that the checkpoint lacks: {'; '.join(parts)}; add them with xcat catalogue"
        )
    return counts


def other_items(data: SplitData, recommender: XCatRecommender) -> list[str]:
    """A note about items of the checkpoint that the tables lack; empty for none."""
    catalogue = recommender.processor.catalogue
    rows = catalogue.encode(data.shop.items["item_id"].to_arrow())
    other = catalogue.num_items - len(np.unique(rows[rows != UNKNOWN_ROW]))
    if not other:
        return []
    return [
        f"the checkpoint has {other:,} of its {catalogue.num_items:,} items that the tables lack, such as items added "
        "later; they are ranked, too, and no target is one of them, so metrics can be lower than without them"
    ]


def _flat(split: Dataset, column: str) -> np.ndarray:
    """The values of a column of lists, one after the other."""
    values: np.ndarray = split.with_format("arrow")[:][column].combine_chunks().flatten().to_numpy()
    return values
