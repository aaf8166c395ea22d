"""CSV tables in the dialects of spreadsheets, databases and Spark; records are never lost silently.

Records are counted twice: from the positions of quotes, separators and line ends, and by the parser. If the counts
differ, or quotes are outside RFC 4180, the file is converted to RFC 4180 and counted again, or refused.
"""

from __future__ import annotations

import csv
import io
import re

import polars as pl

from .csv_dialects import find_dialect
from .csv_layout import find_fault, read_rows, short_lines
from .foreign_fields import plain_fields
from .text_files import TextFile, count_lines, unreadable

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SAMPLE = 1 << 16


def find_separator(opened: TextFile, usual: str) -> str:
    """The separator of a table with a header: the usual one, or another if the usual one does not split it.

    If several split all lines like the header, the one with most fields is used, because decimals may have commas.
    """
    head = opened.head(_SAMPLE).decode(errors="replace")
    hint = re.match(r"sep=([,;\t|])\r?\n", head)
    if hint:  # a line for spreadsheets, such as "sep=;"
        opened.contents = opened.content[hint.end() :]
        return hint[1]
    fields: dict[str, tuple[int, bool]] = {}
    for mark in (usual, *_SEPARATORS):
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(head, newline=""), delimiter=mark) if row]
        except csv.Error:  # reading the table gives a better message
            return usual
        rest = widths[1:-1] if len(head) >= _SAMPLE // 4 else widths[1:]
        fields[mark] = (widths[0] if widths else 0, all(width == widths[0] for width in rest))
    parting = [mark for mark, (count, _) in fields.items() if count > 1]
    even = [mark for mark in parting if fields[mark][1]]
    found = max(even, key=lambda mark: fields[mark][0]) if even else next(iter(parting), usual)
    if found != usual:
        opened.note("separator", count_lines(opened.view), _SEPARATORS[found], "they were read so")
    return found


def read_csv(opened: TextFile, separator: str = ",", quote: str | None = '"') -> tuple[pl.DataFrame, list[str]]:
    """Read a table with a header; all columns are texts. Lines with too few fields are filled up and counted.

    Guessed types would turn the id 007 into 7 in one table and keep it in the other.

    Args:
        opened: The file.
        separator: Character between fields.
        quote: Character around fields; None if quotes are letters.

    Returns:
        The table, and its column names as in the header (not necessarily unique).

    Raises:
        ValueError: If a line has too many fields, quotes are not closed, or records would be lost; the message has the
            line.
    """
    if not bytes(opened.head()).strip():
        return pl.DataFrame(), []
    found = find_dialect(opened, separator, quote)
    content, layout, names = found.content, found.layout, list(found.names)
    try:
        source = opened.contents if isinstance(content, memoryview) else content
        table = pl.read_csv(source, separator=separator, quote_char=quote, infer_schema=False, glob=False)
        found_size, read_size = (
            f"{layout.records - 1} records of {len(names)} fields",
            f"{table.height} of {table.width}",
        )
        reason = f"it has {found_size}, and {read_size} were read"
    except pl.exceptions.PolarsError as error:
        table, reason = None, str(error).splitlines()[0]
    if table is None or table.height != layout.records - 1 or table.width != len(names):
        fault = find_fault(bytes(content), separator, quote)
        if fault is not None or quote is None:
            raise unreadable(opened.path, fault or reason)
        table = _read_slowly(bytes(content), separator, names)
        if table.height != layout.records - 1:
            raise unreadable(opened.path, f"it has {layout.records - 1} records, and only {table.height} were read")
    if not layout.is_table(len(names)):
        count, example = short_lines(bytes(content), separator, quote)
        if count:
            opened.note("short_line", count, example, "missing fields were left empty")
    return plain_fields(opened, table, content), names


def _read_slowly(content: bytes, separator: str, names: list[str]) -> pl.DataFrame:
    """Read with Python if polars does not read everything; no record has more fields than the header."""
    rows, _ = read_rows(content, separator, '"')
    next(rows)
    filled = [row + [""] * (len(names) - len(row)) for row in rows]
    schema = {f"column_{place}": pl.String for place in range(len(names))}
    table = pl.DataFrame(filled, schema=schema, orient="row")
    return table.with_columns(pl.when(pl.all() != "").then(pl.all()))
