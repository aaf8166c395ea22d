"""Columns of rows for click prediction: items that were shown to a user, with labels.

A row has the columns of next-item prediction and these lists:

* `shown_items`: item indices of the candidates;
* `shown_labels`: 1 or 0;
* `shown_after`: number of the row's events that precede the showing. A model may read only these;
* `shown_kinds`: "impression", "rating", or the kind of a sampled negative, and "" for its positive;
* `shown_timestamps`: seconds since 1970, -1 if unknown. Sampled negatives and their positives have no time;
* `shown_dense`, `shown_categorical`: inputs from columns of the events (`ClickContext`), if columns were chosen;
* `shown_counts`: in training rows with labels and times, the item's training events at earlier times, of all users.
  All training events would tell a model what happened to the item after the showing.
"""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import pyarrow as pa

SHOWN: dict[str, Any] = {
    "shown_items": datasets.List(datasets.Value("int32")),
    "shown_labels": datasets.List(datasets.Value("int8")),
    "shown_after": datasets.List(datasets.Value("int32")),
    "shown_kinds": datasets.List(datasets.Value("string")),
    "shown_timestamps": datasets.List(datasets.Value("int64")),
}
SHOWN_CONTEXT: dict[str, Any] = {
    "shown_dense": datasets.List(datasets.List(datasets.Value("float32"))),
    "shown_categorical": datasets.List(datasets.List(datasets.Value("int32"))),
}
SHOWN_IN_TRAINING: dict[str, Any] = {"shown_counts": datasets.List(datasets.Value("int32"))}
"""Features of the columns; every list of a row has one value per showing."""


def shown_columns(rows: datasets.Dataset) -> list[str]:
    """The columns of `SHOWN` and `SHOWN_CONTEXT` that rows have."""
    return [name for name in (*SHOWN, *SHOWN_CONTEXT) if name in rows.column_names]


def flat_lists(rows: datasets.Dataset, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Lengths of a column's lists, and their values in one array."""
    column = rows.with_format("arrow")[:][name].combine_chunks()
    lengths: np.ndarray = column.value_lengths().to_numpy()
    values: np.ndarray = column.flatten().to_numpy(zero_copy_only=False)
    return lengths, values


def add_shown(rows: datasets.Dataset, owners: np.ndarray, shown: dict[str, Any]) -> datasets.Dataset:
    """Rows with the columns of `SHOWN`.

    Args:
        rows: The rows.
        owners: (showings,) number of the row of each showing, ascending.
        shown: Column to its (showings,) values.
    """
    ends = np.cumsum(np.bincount(owners, minlength=len(rows)))
    offsets = pa.array(np.append(0, ends), pa.int32())
    features = datasets.Features({**rows.features, **{name: SHOWN[name] for name in shown}})
    table = rows.with_format("arrow")[:]
    for name, values in shown.items():
        table = table.append_column(name, pa.ListArray.from_arrays(offsets, pa.array(values)))
    return datasets.Dataset(table.cast(features.arrow_schema))
