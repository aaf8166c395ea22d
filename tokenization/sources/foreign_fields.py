"""Artefacts of databases, spreadsheets and pandas in the fields and the header of a CSV file."""

from __future__ import annotations

import re

import polars as pl

from ..tables.problems import TableProblem
from .text_files import TextFile

_NULL = r"\N"
_FORMULA = r'^="([^"]*)"$'


def plain_fields(opened: TextFile, table: pl.DataFrame, content: bytes | memoryview) -> pl.DataFrame:
    r"""Replace the database mark \N by a missing value, and Excel's formula texts, ="007", by their text."""
    if re.search(rb"\\N", content):
        count = _count(table, pl.all() == _NULL)
        if count:
            table = table.with_columns(pl.when(pl.all() != _NULL).then(pl.all()))
            opened.note("null_marks", count, _NULL, "they were left empty")
    if re.search(rb'="', content):
        count = _count(table, pl.all().str.contains(_FORMULA))
        if count:
            table = table.with_columns(pl.all().str.replace(_FORMULA, "$1"))
            opened.note("formula_texts", count, None, "the texts were read")
    return table


def _count(table: pl.DataFrame, condition: pl.Expr) -> int:
    return int(table.select(condition.sum()).sum_horizontal().sum())


def name_all(
    table: pl.DataFrame, names: list[str], label: str, problems: list[TableProblem]
) -> tuple[pl.DataFrame, list[str]]:
    """Remove the index column of pandas, and name other columns without a name."""
    if len(names) > 1 and not names[0].strip() and table.height:
        rows = pl.Series(range(table.height), dtype=pl.Int64).cast(pl.String)
        if table.to_series(0).equals(rows, check_names=False):
            remedy = "it was left out"
            problems.append(TableProblem(label, "", "index_column", table.height, None, remedy, fatal=False))
            table, names = table[:, 1:], names[1:]
    named: list[str] = []
    for place, name in enumerate(names, start=1):
        given = name if name.strip() else f"column_{place}"
        while not name.strip() and given in names:
            given += "_"
        named.append(given)
    count = sum(not name.strip() for name in names)
    if count:
        remedy = "each was named by its place, such as column_1"
        problems.append(TableProblem(label, "", "nameless_column", count, None, remedy, fatal=False))
    return table, named
