"""Tables in spreadsheet workbooks: .xlsx, .xls and .ods."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl

from ..extras import MissingExtraError
from .text_files import unreadable

SHEETS = (".xlsx", ".xls", ".ods")
"""Suffixes of workbooks."""


def read_workbook(path: Path, contents: Path | bytes, label: str) -> pl.DataFrame:
    """Read one sheet of a workbook; dates and numbers keep their types.

    Args:
        path: The file, for errors.
        contents: The path, or the bytes of a decompressed file.
        label: Name of the table; among several sheets the one with this name is read.

    Raises:
        ImportError: If fastexcel is missing.
        ValueError: If it is not a workbook, or the sheet is ambiguous.
    """
    try:
        import fastexcel
    except ImportError as error:
        raise MissingExtraError(f"table {path} needs fastexcel", "excel") from error
    source = contents if isinstance(contents, bytes) else contents.read_bytes()
    try:
        sheet = _choose(path, fastexcel.read_excel(source).sheet_names, label)
        return pl.read_excel(io.BytesIO(source), sheet_name=sheet, engine="calamine", infer_schema_length=None)
    except pl.exceptions.NoDataError:
        return pl.DataFrame()
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError) as error:
        raise unreadable(path, str(error).splitlines()[0]) from error


def has_sheet(contents: Path | bytes, label: str) -> bool:
    """Whether a workbook has a sheet that is called as the table; False too where it cannot be read."""
    try:
        import fastexcel
    except ImportError:
        return False
    source = contents if isinstance(contents, bytes) else contents.read_bytes()
    try:
        return label in (name.strip().lower() for name in fastexcel.read_excel(source).sheet_names)
    except fastexcel.FastExcelError:
        return False


def _choose(path: Path, names: list[str], label: str) -> str:
    """The only sheet, or the sheet with the name of the table."""
    named = [name for name in names if name.strip().lower() == label]
    if len(names) == 1 or len(named) == 1:
        return (named or names)[0]
    raise ValueError(f"table {path} has the sheets {', '.join(names)}; name the sheet to read {label!r}")
