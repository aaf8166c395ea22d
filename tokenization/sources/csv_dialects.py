"""CSV dialects: interpretations of quotes, backslashes and line ends, and the choice of the one that gives a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from .csv_layout import Layout, find_fault, measure, read_header
from .text_files import TextFile, unreadable

_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


@dataclass(frozen=True)
class Reading:
    """A file converted to RFC 4180.

    Args:
        content: The converted file; the original one if nothing changed.
        count: Fields or lines changed.
        kind: Kind of the issue about them.
        remedy: Description of the change.
        layout: Records and fields of the content.
        names: Its header.
        certain: Whether the interpretation can be right although rows are ragged.
    """

    content: bytes | memoryview
    count: int = 0
    kind: str = ""
    remedy: str = ""
    layout: Layout = field(default_factory=Layout)
    names: Sequence[str] = ()
    certain: bool = True

    @property
    def is_table(self) -> bool:
        """Whether every record has as many fields as the header."""
        # In a single column a carriage return ends a line; as a letter it would join two records.
        return self.layout.is_table(len(self.names)) and not (len(self.names) == 1 and self.layout.returns)


def find_dialect(opened: TextFile, separator: str, quote: str | None) -> Reading:
    """The first dialect in which the file is a table; otherwise the first one with closed quotes, with ragged rows."""
    view = opened.view
    blank = re.match(rb"[\r\n]+", view)
    view = view[blank.end() :] if blank else view
    if quote is None:
        names = read_header(view, separator, quoted=False)
        return Reading(view, layout=measure(view, separator, quoted=False), names=names)
    found = None
    for rewrite in (_undo_letters, _split_returns, *_quote_rewritings(view, separator)):
        reading = rewrite(view, separator)
        layout = measure(reading.content, separator) if reading.count or found is None else Layout(fault=True)
        if layout.fault:
            continue
        reading = replace(reading, layout=layout, names=read_header(reading.content, separator))
        if reading.is_table or (found is None and reading.certain):
            found = reading
        if reading.is_table:
            break
    if found is None:
        raise unreadable(opened.path, find_fault(bytes(view), separator, quote) or "its quotes do not close")
    opening = found.kind != "backslash_letters"  # in that dialect quotes are letters and join no lines
    if opening and len(found.names) > 1 and (found.layout.inner_lines or not found.is_table):
        _refuse_even_lines(opened, view, separator, len(found.names))
    if found.kind:
        opened.note(found.kind, found.count, "CR" if found.kind == "line_ends" else None, found.remedy)
    return found


def _quote_rewritings(view: memoryview, separator: str) -> Sequence[Callable[[memoryview, str], Reading]]:
    """Interpretations of quotes outside RFC 4180; escapes first if a backslash precedes all inner quotes."""
    mark = re.escape(separator.encode())
    inner = rb'[^\\%b\r\n"]"(?!["\r\n%b]|\Z)' % (mark, mark)
    escaped = re.search(rb'\\"', view) and not re.search(inner, view)
    return (_undo_escapes, _quote_letters) if escaped else (_quote_letters, _undo_escapes)


def _undo_letters(view: memoryview, separator: str) -> Reading:
    r"""Convert \t and \n to tabs and line ends, as in Postgres' COPY; other files stay unchanged.

    A path such as C:\new has a backslash too, so the file must have a field \N and only valid escapes.
    """
    if separator != "\t" or not re.search(rb"(?<![^\t\r\n])\\N(?=[\t\r\n]|\Z)", view):
        return Reading(view)
    if re.search(rb'(?<![^\t\r\n])"|(?<!\\)(?:\\\\)*\\(?:[^\\bfnrtvN]|\Z)', view):
        return Reading(view)
    count = 0

    def plain(found: re.Match[bytes]) -> bytes:
        nonlocal count
        if found[0] == rb"\N":
            return found[0]
        count += b"\\" in found[0]
        return _wrapped(re.sub(rb"\\(.)", lambda part: _LETTERS.get(part[1], part[1]), found[0]))

    content = re.sub(rb'(?<![^\t\r\n])[^\t\r\n\\"]*+[\\"][^\t\r\n]*+', plain, view)
    remedy = "they were read as these characters"
    return Reading(content, count, "backslash_letters", remedy) if count else Reading(view)


def _split_returns(view: memoryview, separator: str) -> Reading:
    """Convert carriage returns to line ends, in a file whose other lines end in line feeds."""
    if not re.search(rb"\r(?!\n)", view):
        return Reading(view)
    pattern = re.compile(rb'(?P<quoted>"[^"]*+")|\r(?!\n)')
    count = 0

    def feed(found: re.Match[bytes]) -> bytes:
        nonlocal count
        if found["quoted"] is not None:
            return found[0]
        count += 1
        return b"\n"

    return Reading(pattern.sub(feed, view), count, "line_ends", "they were read as line ends")


def _quote_letters(view: memoryview, separator: str) -> Reading:
    """Quote fields with inner quotes that no quote opens, such as inches."""
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
    return Reading(content, count, "letter_quotes", "they were read as letters")


def _undo_escapes(view: memoryview, separator: str) -> Reading:
    """Convert quotes, separators and line ends after a backslash, as written by MySQL, Spark and Python's csv."""
    mark = re.escape(separator.encode())
    if not re.search(rb'\\["\r\n%b]' % mark, view):
        return Reading(view)
    # Spark writes a backslash once if no quote follows; the others write it twice.
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
    # Outside quotes a backslash may be a letter: it is an escape only if this gives a table.
    return Reading(content, count, "backslash_quotes", "they were read without the backslash", certain=not loose)


def _character(part: re.Match[bytes], doubled: bool) -> bytes:
    if part[4] is not None:
        return b'"' if doubled else part[0]
    return b"\0" if part[3] is not None else part[1] or part[2]


def _wrapped(text: bytes) -> bytes:
    return b'"' + text.replace(b'"', b'""') + b'"'


def _refuse_even_lines(opened: TextFile, view: memoryview, separator: str, width: int) -> None:
    """Refuse a file whose quotes join lines or fields although every line has all fields without them.

    A quote meant as a letter, at the start of a field, would swallow records up to the next quote.
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
