"""Tables of separated fields in the dialects of spreadsheets, databases and Spark; no record is lost without a word.

Records are counted twice: by the places of quotes, separators and line ends, and by the parser. Where the two differ,
or quotes stand where RFC 4180 has none, the file is brought to RFC 4180 and counted again, or it is refused.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from .foreign_fields import plain_fields
from .text_files import TextFile, count_lines, unreadable

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SAMPLE = 1 << 16
_BLOCK = 1 << 20
_QUOTE, _RETURN, _FEED = 34, 13, 10
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


@dataclass(frozen=True)
class Layout:
    """Records and fields of a file by the places of its quotes, separators and line ends.

    Args:
        records: Records with the header; lines within quotes end none.
        separators: Separators outside quotes.
        inner_lines: Line feeds within quotes.
        returns: Carriage returns outside quotes with no line feed behind them.
        fault: Whether a quote opens within a field, closes before its end, or never closes.
    """

    records: int = 0
    separators: int = 0
    inner_lines: int = 0
    returns: int = 0
    fault: bool = False

    def is_table(self, width: int) -> bool:
        """Whether all records have this many fields, as far as their sum shows."""
        return not self.fault and self.separators == (width - 1) * self.records


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
    found = _dialect(opened, separator, quote)
    content, layout, names = found.content, found.layout, list(found.names)
    try:
        source = opened.contents if isinstance(content, memoryview) else content
        table = pl.read_csv(source, separator=separator, quote_char=quote, infer_schema=False, glob=False)
    except pl.exceptions.PolarsError as error:
        table, reason = None, str(error).splitlines()[0]
    if table is None or table.height != layout.records - 1 or table.width != len(names):
        fault = _fault(bytes(content), separator, quote)
        if fault is not None or quote is None:
            raise unreadable(opened.path, fault or reason)
        table = _read_slowly(bytes(content), separator, names)
        if table.height != layout.records - 1:
            raise unreadable(opened.path, f"it holds {layout.records - 1} records, of which {table.height} were read")
    if not layout.is_table(len(names)):
        count, example = _short_lines(bytes(content), separator, quote)
        if count:
            opened.note("short_line", count, example, "what is missing was left empty")
    return plain_fields(opened, table, content), names


@dataclass(frozen=True)
class _Reading:
    """A file brought to RFC 4180.

    Args:
        content: The file; what was opened where nothing had to be changed.
        count: Fields or lines that were changed.
        kind: Kind of the note about them.
        remedy: What was done.
        layout: Records and fields of the content.
        names: Its header.
        certain: Whether it can be right although rows are ragged.
    """

    content: bytes | memoryview
    count: int = 0
    kind: str = ""
    remedy: str = ""
    layout: Layout = Layout()
    names: Sequence[str] = ()
    certain: bool = True

    @property
    def is_table(self) -> bool:
        """Whether every record has as many fields as the header."""
        # In a single column a carriage return ends a line: as a letter it would join two records.
        return self.layout.is_table(len(self.names)) and not (len(self.names) == 1 and self.layout.returns)


def _dialect(opened: TextFile, separator: str, quote: str | None) -> _Reading:
    """The first dialect in which the file is a table; else the first whose quotes close, with ragged rows."""
    view = opened.view
    blank = re.match(rb"[\r\n]+", view)
    view = view[blank.end() :] if blank else view
    if quote is None:
        names = _header(view, separator, quoted=False)
        return _Reading(view, layout=measure(view, separator, quoted=False), names=names)
    found = None
    for rewrite in (_undo_letters, _split_returns, *_quote_rewritings(view, separator)):
        reading = rewrite(view, separator)
        layout = measure(reading.content, separator) if reading.count or found is None else Layout(fault=True)
        if layout.fault:
            continue
        reading = replace(reading, layout=layout, names=_header(reading.content, separator))
        if reading.is_table or (found is None and reading.certain):
            found = reading
        if reading.is_table:
            break
    if found is None:
        raise unreadable(opened.path, _fault(bytes(view), separator, quote) or "its quotes do not close")
    opening = found.kind != "backslash_letters"  # where quotes are letters, and none joins lines
    if opening and len(found.names) > 1 and (found.layout.inner_lines or not found.is_table):
        _refuse_even_lines(opened, view, separator, len(found.names))
    if found.kind:
        opened.note(found.kind, found.count, "CR" if found.kind == "line_ends" else None, found.remedy)
    return found


def _quote_rewritings(view: memoryview, separator: str) -> Sequence[Callable[[memoryview, str], _Reading]]:
    """Readings of quotes that RFC 4180 does not have; escapes first if a backslash stands before all inner quotes."""
    mark = re.escape(separator.encode())
    inner = rb'[^\\%b\r\n"]"(?!["\r\n%b]|\Z)' % (mark, mark)
    escaped = re.search(rb'\\"', view) and not re.search(inner, view)
    return (_undo_escapes, _quote_letters) if escaped else (_quote_letters, _undo_escapes)


def _undo_letters(view: memoryview, separator: str) -> _Reading:
    r"""Tabs and line ends as \t and \n, as Postgres' COPY writes them; any other file as it is.

    A path such as C:\new has a backslash too: a field \N must be there, and no backslash that is no escape.
    """
    if separator != "\t" or not re.search(rb"(?<![^\t\r\n])\\N(?=[\t\r\n]|\Z)", view):
        return _Reading(view)
    if re.search(rb'(?<![^\t\r\n])"|(?<!\\)(?:\\\\)*\\(?:[^\\bfnrtvN]|\Z)', view):
        return _Reading(view)
    count = 0

    def plain(found: re.Match[bytes]) -> bytes:
        nonlocal count
        if found[0] == rb"\N":
            return found[0]
        count += b"\\" in found[0]
        return _wrapped(re.sub(rb"\\(.)", lambda part: _LETTERS.get(part[1], part[1]), found[0]))

    content = re.sub(rb'(?<![^\t\r\n])[^\t\r\n\\"]*+[\\"][^\t\r\n]*+', plain, view)
    remedy = "they were read as these characters"
    return _Reading(content, count, "backslash_letters", remedy) if count else _Reading(view)


def _split_returns(view: memoryview, separator: str) -> _Reading:
    """Carriage returns that end lines in a file whose other lines end in line feeds."""
    if not re.search(rb"\r(?!\n)", view):
        return _Reading(view)
    pattern = re.compile(rb'(?P<quoted>"[^"]*+")|\r(?!\n)')
    count = 0

    def feed(found: re.Match[bytes]) -> bytes:
        nonlocal count
        if found["quoted"] is not None:
            return found[0]
        count += 1
        return b"\n"

    return _Reading(pattern.sub(feed, view), count, "line_ends", "they were read as line ends")


def _quote_letters(view: memoryview, separator: str) -> _Reading:
    """Quotes within fields that no quote opens, such as inches: the field is put into quotes."""
    mark = re.escape(separator.encode())
    pattern = rb'(?<![^%b\r\n])(?:(?P<quoted>"[^"]*+(?:""[^"]*+)*+"(?=[%b\r\n]|\Z))|[^%b\r\n"]++"[^%b\r\n]*+)'
    count = 0

    def wrap(found: re.Match[bytes]) -> bytes:
        nonlocal count
        if found["quoted"] is not None:
            return found[0]
        count += 1
        return _wrapped(found[0])

    content = re.sub(pattern % ((mark,) * 4), wrap, view)
    return _Reading(content, count, "letter_quotes", "they were read as letters")


def _undo_escapes(view: memoryview, separator: str) -> _Reading:
    """Quotes, separators and line ends behind a backslash, as MySQL, Spark and Python's csv can write them."""
    mark = re.escape(separator.encode())
    if not re.search(rb'\\["\r\n%b]' % mark, view):
        return _Reading(view)
    # Spark leaves a backslash alone where no quote follows, the others write two for one.
    lone = re.search(rb'(?<!\\)(?:\\\\)*\\[^\\"\r\n%bN0]' % mark, view) is not None
    escape = re.compile(rb'\\(["\r\n%b])|\\(\\)%b|\\(0)|"(")' % (mark, rb'(?=\\*")' if lone else b""))
    pattern = (
        rb'(?s)(?<![^%b\r\n])(?:(?P<quoted>"(?:[^"\\]++|\\.|"")*+"(?=[%b\r\n]|\Z))'
        rb'|(?!")[^%b\r\n\\"]*+(?:"|\\.)(?:[^%b\r\n\\]++|\\.)*+)'
    )
    count = loose = 0

    def plain(found: re.Match[bytes]) -> bytes:
        nonlocal count, loose
        text = found[0]
        if b"\\" not in text and found["quoted"] is not None:
            return text
        if text == rb"\N":  # read_csv makes it missing
            return text
        count += 1
        loose += found["quoted"] is None
        inner = text if found["quoted"] is None else text[1:-1]
        doubled = found["quoted"] is not None
        return _wrapped(escape.sub(lambda part: _character(part, doubled), inner))

    content = re.sub(pattern % ((mark,) * 4), plain, view)
    # Outside quotes a backslash may be a letter: it is an escape only where that makes a table.
    return _Reading(content, count, "backslash_quotes", "they were read without the backslash", certain=not loose)


def _character(part: re.Match[bytes], doubled: bool) -> bytes:
    if part[4] is not None:
        return b'"' if doubled else part[0]
    return b"\0" if part[3] is not None else part[1] or part[2]


def _wrapped(text: bytes) -> bytes:
    return b'"' + text.replace(b'"', b'""') + b'"'


def measure(content: bytes | memoryview, separator: str, *, quoted: bool = True) -> Layout:
    r"""Count records, separators and line ends by the places of quotes.

    Args:
        content: The file, UTF-8.
        separator: Character between fields.
        quoted: Whether quotes can stand around fields.

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
            # The first of two quotes opens a field, the second closes it; two in a row within a field are a letter.
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


def _header(content: bytes | memoryview, separator: str, *, quoted: bool = True) -> list[str]:
    """Names of the columns; quotes in them are undoubled, which polars leaves."""
    end = 0
    text = b""
    while not end or (quoted and text.count(b'"') % 2):
        found = re.compile(rb"\n").search(content, end)
        end = found.end() if found else len(content)
        text = bytes(content[:end])
        if found is None:
            break
    rows = csv.reader(
        io.StringIO(text.decode(), newline=""), delimiter=separator,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
    )  # fmt: skip
    return next(rows, [])


def _refuse_even_lines(opened: TextFile, view: memoryview, separator: str, width: int) -> None:
    """Refuse a file whose quotes join lines or fields, where every line has all fields without them.

    A quote that is a letter, at the start of a field, would swallow the records up to the next one.
    """
    mark = separator.encode()
    first = 0
    for number, line in enumerate(_lines_of(view), start=1):
        if line.count(mark) != width - 1:
            return
        first = first or (number if b'"' in line and number > 1 else 0)
    raise unreadable(
        opened.path,
        f"the quotes from line {first} on join lines or fields, but every line has {width} fields without them; it is "
        "not clear which are letters; write those twice",
    )


def _lines_of(view: memoryview) -> Iterator[bytes]:
    begin = 0
    for found in re.finditer(rb"\n", view):
        yield bytes(view[begin : found.start()])
        begin = found.end()
    if begin < len(view):
        yield bytes(view[begin:])


def _rows(content: bytes, separator: str, quote: str | None) -> tuple[Iterator[list[str]], Callable[[], int]]:
    csv.field_size_limit(max(csv.field_size_limit(), len(content)))
    lines = io.StringIO(content.decode(), newline="")
    reader = (
        csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE)
        if quote is None
        else csv.reader(lines, delimiter=separator, strict=True)
    )
    return reader, lambda: reader.line_num


def _read_slowly(content: bytes, separator: str, names: list[str]) -> pl.DataFrame:
    """Read by Python what polars does not read whole; no record has more fields than the header."""
    rows, _ = _rows(content, separator, '"')
    next(rows)
    filled = [row + [""] * (len(names) - len(row)) for row in rows]
    schema = {f"column_{place}": pl.String for place in range(len(names))}
    table = pl.DataFrame(filled, schema=schema, orient="row")
    return table.with_columns(pl.when(pl.all() != "").then(pl.all()))


def _short_lines(content: bytes, separator: str, quote: str | None) -> tuple[int, str]:
    """Lines with fewer fields than the header, and the first of them; blank ones are among them."""
    rows, line = _rows(content, separator, quote)
    width, count, begin, example = 0, 0, 1, ""
    for row in rows:
        if not width:
            width = len(row)
        elif len(row) < width:
            count += 1
            example = example or f"line {begin} with {len(row)} of {width} fields"
        begin = line() + 1
    return count, example


def _fault(content: bytes, separator: str, quote: str | None) -> str | None:
    """The first line that is no csv, and why; None if Python finds nothing wrong either."""
    rows, line = _rows(content, separator, quote)
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
