"""One row per showing, from rows per user."""

from __future__ import annotations

import datasets
import numpy as np
import pyarrow as pa

from ..tables.event_roles import ROLES
from .build import SEQUENCE
from .shown import SHOWN, shown_columns

_NAMES = {
    "shown_items": "candidate", "shown_labels": "label", "shown_kinds": "kind", "shown_timestamps": "timestamp",
    "shown_dense": "dense", "shown_categorical": "categorical",
}  # fmt: skip


def as_pairs(rows: datasets.Dataset, max_history: int | None = None) -> datasets.Dataset:
    """One row per showing, with the history that precedes it.

    Args:
        rows: Rows with the columns of `SHOWN`.
        max_history: Latest events to keep of a history; None for all.

    Returns:
        `user_id`, the columns of events with the history of the showing, `candidate`, `label`, `kind`, `timestamp`,
            and
        `dense` and `categorical` if the rows have them.

    Raises:
        ValueError: If rows have no showings.

    Example:
        >>> shown = {"shown_items": [[5, 6]], "shown_labels": [[1, 0]], "shown_after": [[1, 2]]}
        >>> rows = {"user_id": ["u"], "items": [[3, 4]], "shown_kinds": [["impression"] * 2], **shown}
        >>> as_pairs(datasets.Dataset.from_dict({**rows, "shown_timestamps": [[7, 8]]}))["items"][:]
        [[3], [3, 4]]
    """
    missing = [name for name in SHOWN if name not in rows.column_names]
    if missing:
        raise ValueError(
            f"the rows have no column {missing[0]}; give rows of split_clicks, and training rows with with_negatives"
        )
    table = rows.with_format("arrow")[:]
    shown = {name: table[name].combine_chunks() for name in shown_columns(rows)}
    counts = shown["shown_items"].value_lengths().to_numpy()
    owners = np.repeat(np.arange(len(rows)), counts)
    after = shown["shown_after"].flatten().to_numpy().astype(np.int64)
    kept = after if max_history is None else np.minimum(after, max_history)
    columns = {"user_id": table["user_id"].take(pa.array(owners))}
    ends = np.cumsum(kept)
    offsets, steps = (
        pa.array(np.append(0, ends), pa.int32()),
        np.arange(int(kept.sum())) - np.repeat(ends - kept, kept),
    )
    for name in (*SEQUENCE, ROLES):
        if name == "user_id" or name not in rows.column_names:
            continue
        lists = table[name].combine_chunks()
        lengths = lists.value_lengths().to_numpy()
        first = (np.cumsum(lengths) - lengths)[owners] + after - kept
        taken = lists.flatten().take(pa.array(np.repeat(first, kept) + steps))
        columns[name] = pa.ListArray.from_arrays(offsets, taken).cast(lists.type)
    for name, short in _NAMES.items():
        if name in shown:
            columns[short] = shown[name].flatten()
    return datasets.Dataset(pa.table(columns))
