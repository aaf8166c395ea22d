"""The item vocabulary: external item ids to item indices and back, with the catalogue's columns, in Arrow.

Self-contained, because it travels with a checkpoint.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NUM_SPECIAL_ROWS = 2
"""Rows before the first item: 0 is padding, 1 is an unknown item."""

PAD_ROW, UNKNOWN_ROW = 0, 1
VOCABULARY_FILE = "items.arrow"
_SPECIAL_IDS = ("[PAD]", "[UNK]")
_LOOKUP_SHARE = 8  # from one id per 8 catalogue items on, Arrow is faster than a dictionary


class ItemVocabulary:
    """Maps external item ids to item indices, which follow the order of the table, after the special rows.

    Args:
        table: One row per item, with a unique string column `item_id`; `title`, `category`, `brand`, `price` and
            other columns are kept.

    Raises:
        ValueError: If `item_id` is missing, null or repeated.

    Example:
        >>> vocabulary = ItemVocabulary(pa.table({"item_id": ["tent", "boots"], "title": ["A tent", "Boots"]}))
        >>> vocabulary.encode(["boots", "kite"]).tolist(), vocabulary.decode([2, 1])
        ([3, 1], ['tent', '[UNK]'])
    """

    def __init__(self, table: pa.Table) -> None:
        if "item_id" not in table.column_names:
            raise ValueError(f"the item table has no column item_id; it has {', '.join(table.column_names)}")
        column = pc.cast(table["item_id"], pa.string())
        ids = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()  # the latter copies
        if ids.null_count:
            raise ValueError(f"items: column item_id has {ids.null_count} nulls in {len(ids)} rows")
        distinct = len(ids.unique())
        if distinct < len(ids):
            counts = ids.value_counts()
            twice = counts.filter(pc.greater(counts.field("counts"), 1))[0]["values"].as_py()
            raise ValueError(f"items: column item_id repeats {len(ids) - distinct} ids, for example {twice!r}")
        self.table = table.set_column(table.column_names.index("item_id"), "item_id", ids)
        self._ids = ids
        self._columns: dict[str, pa.Array] = {}
        self._names = frozenset(self.table.column_names)  # the table makes a list of them each time

    def __len__(self) -> int:
        return self.num_items + NUM_SPECIAL_ROWS

    def __repr__(self) -> str:
        return f"ItemVocabulary({self.num_items} items, columns {', '.join(self.table.column_names)})"

    @property
    def num_items(self) -> int:
        """Items, without the special rows."""
        return int(self.table.num_rows)

    def encode(self, ids: Sequence[str] | pa.Array | pa.ChunkedArray) -> np.ndarray:
        """Item indices of external ids, as int64; an id outside the catalogue becomes `UNKNOWN_ROW`."""
        if not isinstance(ids, pa.Array | pa.ChunkedArray):
            names = [str(i) for i in ids]
            if len(names) * _LOOKUP_SHARE < self.num_items:
                return self._looked_up(names)
            try:
                ids = pa.array(names, pa.string())
            except UnicodeEncodeError:  # half a character, which no id of the catalogue has
                return self._looked_up(names)
        index = pc.index_in(pc.cast(ids, pa.string()), value_set=self._ids)
        rows = pc.fill_null(pc.add(pc.cast(index, pa.int64()), NUM_SPECIAL_ROWS), UNKNOWN_ROW)
        return np.array(rows.to_numpy(zero_copy_only=False) if isinstance(rows, pa.Array) else rows.to_numpy())

    def _looked_up(self, names: Sequence[str]) -> np.ndarray:
        return np.array([self._row_of.get(name, UNKNOWN_ROW) for name in names], dtype=np.int64)

    @cached_property
    def _row_of(self) -> dict[str, int]:
        """Encode the few ids of a request; Arrow would hash the whole catalogue for each request."""
        return {name: row for row, name in enumerate(self._ids.to_pylist(), start=NUM_SPECIAL_ROWS)}

    def decode(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """External ids of item indices; special rows become `[PAD]` and `[UNK]`."""
        values = np.asarray(rows, dtype=np.int64)
        special = values < NUM_SPECIAL_ROWS
        taken = self._ids.take(pa.array(values - NUM_SPECIAL_ROWS, mask=special))
        return [
            _SPECIAL_IDS[row] if row < NUM_SPECIAL_ROWS else i.as_py() for row, i in zip(values, taken, strict=True)
        ]

    def item(self, row: int) -> dict[str, Any]:
        """All columns of one item, by item index."""
        return self.values(row, self.table.column_names)

    def values(self, row: int, names: Sequence[str]) -> dict[str, Any]:
        """Some columns of one item, by item index; columns that the catalogue lacks are left out."""
        if not NUM_SPECIAL_ROWS <= row < len(self):
            raise IndexError(f"row {row} is not an item; items have rows {NUM_SPECIAL_ROWS} to {len(self) - 1}")
        place = row - NUM_SPECIAL_ROWS
        return {name: self._whole(name)[place].as_py() for name in names if name in self._names}

    def _whole(self, name: str) -> pa.Array:
        """A column in one piece, in which a value is found at once."""
        if name not in self._columns:
            column = self.table[name]
            self._columns[name] = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        return self._columns[name]

    def column(self, name: str) -> pa.ChunkedArray:
        """A column of the catalogue, one value per item (the first is for row `NUM_SPECIAL_ROWS`)."""
        if name not in self.table.column_names:
            raise KeyError(f"the catalogue has no column {name!r}; it has {', '.join(self.table.column_names)}")
        return self.table[name]

    def codes(self, name: str) -> tuple[np.ndarray, list[str]]:
        """Dense codes of a categorical column by row, -1 if missing, and the values in order of their codes."""
        codes = np.full(len(self), -1, dtype=np.int32)
        if name not in self.table.column_names:
            return codes, []
        try:
            column = pc.cast(self.table[name], pa.large_string()).combine_chunks()
        except pa.ArrowNotImplementedError:
            kind = self.table[name].type
            raise ValueError(f"items: column {name} has type {kind}; a feature has one value per item") from None
        encoded = pc.dictionary_encode(column, null_encoding="encode")
        found = np.from_dlpack(encoded.indices)  # Arrow's to_numpy and fill_null would import pandas
        values: list[Any] = encoded.dictionary.to_pylist()
        if None in values:
            missing = values.index(None)
            found = np.where(found == missing, -1, found - (found > missing))
            del values[missing]
        codes[NUM_SPECIAL_ROWS:] = found
        return codes, values

    @cached_property
    def category_codes(self) -> np.ndarray:
        """(rows,) int32 dense code of the category, -1 if missing."""
        return self.codes("category")[0]

    @property
    def categories(self) -> list[str]:
        """Names of the categories, in order of code."""
        return self.codes("category")[1]

    def extended(self, table: pa.Table) -> ItemVocabulary:
        """A vocabulary with more items at its end; columns missing in one of the tables are null there."""
        return ItemVocabulary(pa.concat_tables([self.table, table], promote_options="permissive"))

    def save(self, directory: str | os.PathLike[str]) -> Path:
        """Write `items.arrow` into a directory, atomically."""
        path = Path(directory) / VOCABULARY_FILE
        unfinished = path.with_suffix(".unfinished")
        with pa.OSFile(str(unfinished), "wb") as sink, pa.ipc.new_file(sink, self.table.schema) as writer:
            writer.write_table(self.table)
        os.replace(unfinished, path)
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ItemVocabulary:
        """Read `items.arrow` from a directory, or the file itself; it is memory-mapped.

        Raises:
            ValueError: If the file is damaged.
        """
        file = Path(path) / VOCABULARY_FILE if Path(path).is_dir() else Path(path)
        with pa.memory_map(str(file), "rb") as source:
            try:
                return cls(pa.ipc.open_file(source).read_all())
            except pa.ArrowInvalid as error:
                raise ValueError(f"{file} is damaged ({error}); copy the checkpoint again") from error
