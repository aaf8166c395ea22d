"""Tables of separated fields in the dialects of spreadsheets, databases and Spark; no record is lost without a word.

Records are counted twice: by the places of quotes, separators and line ends, and by the parser. Where the two differ,
or quotes stand where RFC 4180 has none, the file is brought to RFC 4180 and counted again, or it is refused.
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
    """The separator of a table with a header: the usual one, or another that parts a header that it does not part.

    Of several that part every line as they part the header, the one with the most fields: decimals may have commas.
    """
    head = opened.head(_SAMPLE).decode(errors="replace")
    hint = re.match(r"sep=([,;\t|])\r?\n", head)
    if hint:  # for spreadsheets
        opened.contents = opened.content[hint.end() :]
        return hint[1]
    fields: dict[str, tuple[int, bool]] = {}
    for mark in (usual, *_SEPARATORS):
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(head, newline=""), delimiter=mark) if row]
        except csv.Error:  # which reading the table tells better
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
    """Read a table with a header; every column is text. Lines with too few fields are filled up and counted.

    Were types guessed, the id 007 would become 7 in one table and stay in the other.

    Args:
        opened: The file.
        separator: Character between fields.
        quote: Character around fields; None where quotes are letters.

    Returns:
        The table, and the names of its columns as the header has them, which may repeat.

    Raises:
        ValueError: If a line has too many fields, quotes do not close, or records would be lost; the line is named.
    """
    if not bytes(opened.head()).strip():
        return pl.DataFrame(), []
    found = find_dialect(opened, separator, quote)
    content, layout, names = found.content, found.layout, list(found.names)
    try:
        source = opened.contents if isinstance(content, memoryview) else content
        table = pl.read_csv(source, separator=separator, quote_char=quote, infer_schema=False, glob=False)
    except pl.exceptions.PolarsError as error:
        table, reason = None, str(error).splitlines()[0]
    if table is None or table.height != layout.records - 1 or table.width != len(names):
        fault = find_fault(bytes(content), separator, quote)
        if fault is not None or quote is None:
            raise unreadable(opened.path, fault or reason)
        table = _read_slowly(bytes(content), separator, names)
        if table.height != layout.records - 1:
            raise unreadable(opened.path, f"it holds {layout.records - 1} records, of which {table.height} were read")
    if not layout.is_table(len(names)):
        count, example = short_lines(bytes(content), separator, quote)
        if count:
            opened.note("short_line", count, example, "what is missing was left empty")
    return plain_fields(opened, table, content), names


def _read_slowly(content: bytes, separator: str, names: list[str]) -> pl.DataFrame:
    """Read by Python what polars does not read whole; no record has more fields than the header."""
    rows, _ = read_rows(content, separator, '"')
    next(rows)
    filled = [row + [""] * (len(names) - len(row)) for row in rows]
    schema = {f"column_{place}": pl.String for place in range(len(names))}
    table = pl.DataFrame(filled, schema=schema, orient="row")
    return table.with_columns(pl.when(pl.all() != "").then(pl.all()))
