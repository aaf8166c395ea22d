"""Prepared sequences as item indices of another catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from ..vocabulary import NUM_SPECIAL_ROWS

if TYPE_CHECKING:
    import datasets


def recoded(split: datasets.Dataset, rows: np.ndarray, codes: np.ndarray) -> datasets.Dataset:
    """Sequences with other item indices and codes of event types; targets outside the catalogue are left out.

    Args:
        split: The sequences.
        rows: (rows,) new item index of each item index.
        codes: (event types,) new code of each code.
    """
    import datasets

    table = split.with_format("arrow")[:]
    for name, values in (("items", rows), ("event_types", codes), ("targets", rows)):
        if name in table.column_names:
            lists = table[name].combine_chunks()
            new = pa.array(values[lists.flatten().to_numpy()], pa.int32())
            kept = pa.ListArray.from_arrays(lists.offsets, new)
            table = table.set_column(table.column_names.index(name), name, kept)
    table = table.cast(split.features.arrow_schema)
    if "targets" not in split.features:
        return datasets.Dataset(table)
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    known = pl.col("targets").list.eval(pl.element().filter(pl.element() >= NUM_SPECIAL_ROWS))
    frame = frame.with_columns(known).filter(pl.col("targets").list.len() > 0)
    return datasets.Dataset(pa.table(frame.to_arrow()).cast(split.features.arrow_schema))
