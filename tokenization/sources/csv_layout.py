"""Records and fields of a CSV file from the positions of quotes, separators and line ends; and faults in them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

_BLOCK = 1 << 20
_QUOTE, _RETURN, _FEED = 34, 13, 10


@dataclass(frozen=True)
class Layout:
    """Counts from the positions of a file's quotes, separators and line ends.

    Args:
        records: Records, including the header; line ends within quotes do not count.
        separators: Separators outside quotes.
        inner_lines: Line feeds within quotes.
        returns: Carriage returns outside quotes without a following line feed.
        fault: Whether a quote opens within a field, closes before its end, or never closes.
    """

    records: int = 0
    separators: int = 0
    inner_lines: int = 0
    returns: int = 0
    fault: bool = False

    def is_table(self, width: int) -> bool:
        """Whether the total number of separators fits this many fields per record."""
        return not self.fault and self.separators == (width - 1) * self.records


def measure(content: bytes | memoryview, separator: str, *, quoted: bool = True) -> Layout:
    r"""Count records, separators and line ends from the positions of quotes.

    Args:
        content: The file, UTF-8.
        separator: Character between fields.
        quoted: Whether fields may be quoted.

    Example:
        >>> measure(b'a,b\n1,"x,\n""y"" z"\n', ",")
        Layout(records=2, separators=2, inner_lines=1, returns=0, fault=False)
        >>> measure(b'a,b\n1,"19\\" tv"\n', ",").fault
        True
    """
    data = np.frombuffer(content, np.uint8)
    mark = ord(separator)
    beside = np.zeros(256, bool)
    beside[[mark, _RETURN, _FEED, _QUOTE]] = True
    records = separators = inner = returns = inside = 0
    for begin in range(0, len(data), _BLOCK):
        block = data[begin : begin + _BLOCK]
        is_quote = block == _QUOTE if quoted else np.zeros(0, bool)
        places = np.flatnonzero(is_quote)
        if len(places):
            # The first of two quotes opens a field, the second closes it; a doubled quote within a field is a letter.
            opens = (np.arange(len(places)) + inside) % 2 == 0
            before = data[np.maximum(begin + places - 1, 0)]
            after = data[np.minimum(begin + places + 1, len(data) - 1)]
            first, last = begin + places == 0, begin + places == len(data) - 1
            good = np.where(opens, beside[before] | first, beside[after] | last)
            if not good.all():
                return Layout(fault=True)
            outside = ((np.cumsum(is_quote, dtype=np.uint8) + inside) & 1) == 0
            inside = (inside + len(places)) % 2
        else:
            outside = np.full(1, not inside)
        feeds = block == _FEED
        records += int(np.count_nonzero(feeds & outside))
        inner += int(np.count_nonzero(feeds & ~outside))
        separators += int(np.count_nonzero((block == mark) & outside))
        lone = np.flatnonzero((block == _RETURN) & outside) + begin
        returns += int(np.count_nonzero(data[np.minimum(lone + 1, len(data) - 1)] != _FEED))
    unfinished = len(data) > 0 and data[-1] != _FEED
    return Layout(records + bool(unfinished), separators, inner, returns, bool(inside))


def read_header(content: bytes | memoryview, separator: str, *, quoted: bool = True) -> list[str]:
    """Column names; doubled quotes in them, which polars keeps, become single."""
    end = 0
    text = b""
    while not end or (quoted and text.count(b'"') % 2):
        found = re.compile(rb"\n").search(content, end)
        end = found.end() if found else len(content)
        text = bytes(content[:end])
        if found is None:
            break
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    rows = csv.reader(
        io.StringIO(text.decode(), newline=""), delimiter=separator,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
    )  # fmt: skip
    return next(rows, [])


def read_rows(content: bytes, separator: str, quote: str | None) -> tuple[Iterator[list[str]], Callable[[], int]]:
    """Rows read strictly by Python's csv, and a function that returns the last line read."""
    csv.field_size_limit(max(csv.field_size_limit(), len(content)))
    lines = io.StringIO(content.decode(), newline="")
    reader = (
        csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE)
        if quote is None
        else csv.reader(lines, delimiter=separator, strict=True)
    )
    return reader, lambda: reader.line_num


def short_lines(content: bytes, separator: str, quote: str | None) -> tuple[int, str]:
    """Number of lines with fewer fields than the header (blank lines included), and the first of them."""
    rows, line = read_rows(content, separator, quote)
    width, count, begin, example = 0, 0, 1, ""
    for row in rows:
        if not width:
            width = len(row)
        elif len(row) < width:
            count += 1
            example = example or f"line {begin} with {len(row)} of {width} fields"
        begin = line() + 1
    return count, example


def find_fault(content: bytes, separator: str, quote: str | None) -> str | None:
    """The first invalid line and the reason; None if Python finds no fault."""
    rows, line = read_rows(content, separator, quote)
    width, begin = 0, 1
    try:
        for row in rows:
            if not width:
                width = len(row)
            elif len(row) > width:
                return f"line {begin} has {len(row)} fields and the header {width}"
            begin = line() + 1
    except csv.Error as error:
        return f"line {begin} has quotes that do not close or stand inside a field ({error})"
    return None
