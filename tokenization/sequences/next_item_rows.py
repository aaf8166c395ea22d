"""Rows of next-item prediction from evaluation rows of labelled impressions."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from .row_asks import ASKS, REVIEWS
from .shown import SHOWN

_OF_TARGETS = ("targets", ASKS, REVIEWS)
"""Columns with a value per target."""


def next_item_rows(rows: Dataset) -> Dataset:
    """Histories with the items that were clicked next.

    Rows with sampled negatives have targets that follow their history, and are returned as they are. A row of
    impressions has its later clicks in its history, so here the history ends at the row's first click, whose items are
    the targets. Rows without a click after an event are left out.

    Args:
        rows: Validation or test rows of `split_clicks`.

    Returns:
        Rows with `targets`, without the columns of `SHOWN` where they were made of impressions.

    Example:
        >>> shown = {"shown_items": [[7, 8, 5]], "shown_labels": [[0, 1, 1]], "shown_after": [[1, 1, 2]]}
        >>> row = {"items": [[4, 8, 5]], "targets": [[8, 5]], "shown_kinds": [["impression"] * 3], **shown}
        >>> found = next_item_rows(Dataset.from_dict(row))
        >>> found["items"][:], found["targets"][:]
        ([[4]], [[8]])
    """
    kinds = {kind for kinds in rows.with_format(None)["shown_kinds"] for kind in kinds}
    if "" in kinds:  # the kind of a positive among sampled negatives
        return rows
    columns = [name for name in rows.column_names if name not in SHOWN and not name.startswith("shown_")]
    features = rows.select_columns(columns).features

    def cut(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        made: dict[str, list[Any]] = {name: [] for name in columns}
        for i, after in enumerate(batch["shown_after"]):
            clicked = list(zip(after, batch["shown_items"][i], batch["shown_labels"][i], strict=True))
            end = min((end for end, _, label in clicked if label), default=0)
            if not end:
                continue
            first = dict.fromkeys(item for place, item, label in clicked if label and place == end)
            chosen = [batch["targets"][i].index(item) for item in first]
            for name in columns:
                value = batch[name][i]
                if name in _OF_TARGETS:
                    value = [value[place] for place in chosen]
                made[name].append(value[:end] if isinstance(value, list) and name not in _OF_TARGETS else value)
        return made

    return rows.map(cut, batched=True, remove_columns=rows.column_names, features=features)
