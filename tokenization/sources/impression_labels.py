"""Labels of impressions in layouts of other libraries: every row is an impression, with 1 for a click or 0."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ..tables.problems import TableError, TableProblem
from ..tables.values import read_flags, read_texts


def read_impression_labels(table: pl.DataFrame, column: str, field: str, path: Path) -> pl.Series:
    """Labels of a file's rows as Booleans, null where missing or NaN.

    Args:
        table: The rows of the file.
        column: Column of the labels, texts or any other type.
        field: Its name in the file, for errors.
        path: The file, likewise.

    Raises:
        TableError: If a value is neither true nor false, as in a column `clicked` of any table.

    Example:
        >>> rows = pl.DataFrame({"label": ["1", "0.00", "True", None]})
        >>> read_impression_labels(rows, "label", "label", Path("shop.inter")).to_list()
        [True, False, True, None]
    """
    text = read_texts(table[column])
    whole = text.cast(pl.Float64, strict=False).replace_strict({0.0: "0", 1.0: "1"}, default=None)
    labels, bad = read_flags(whole.fill_null(text))
    if bad.any():
        row = int(bad.arg_max() or 0)
        remedy = f"{path} has such rows; write 1 for a click and 0 for none, or rename a field of another use"
        problem = TableProblem("events", field, "not_boolean", int(bad.sum()), text[row], remedy, True, row=row + 1)
        raise TableError([problem], path.name)
    return labels.rename(column)


def missing_labels(count: int, field: str) -> TableProblem:
    """The issue that impressions without a label were left out.

    Args:
        count: Their number.
        field: Name of the labels in the files.
    """
    remedy = "they were left out, also from histories; write 1 for a click and 0 for none"
    return TableProblem("events", field, "no_label", count, None, remedy, fatal=False)
