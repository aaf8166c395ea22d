"""Text files from other software: encodings, line ends, and irregular CSV and JSON."""

from __future__ import annotations

import codecs
import gzip
import json
import mmap
import os
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from ..tables.problems import TableProblem
from ..tables.table_columns import is_chosen
from .encodings import guess_encoding, mark_of, utf8_fault, wide_without_mark

_HEAD = 1 << 20
PACKED = (".gz", ".zst")
"""Suffixes of compressed files, after the suffix of their format."""


@dataclass
class TextFile:
    """A text file, converted to UTF-8 with line feeds, and the issues found.

    Args:
        path: The file.
        table: Name of the table, for issues.
        contents: The path if the file needs no change, else its bytes.
        problems: Issues: repairs of the file.
    """

    path: Path
    table: str
    contents: Path | bytes
    problems: list[TableProblem] = field(default_factory=list)

    @property
    def content(self) -> bytes:
        """All bytes of the file, after repair."""
        return self.contents if isinstance(self.contents, bytes) else self.contents.read_bytes()

    @property
    def view(self) -> memoryview:
        """All bytes of the file, memory-mapped."""
        if isinstance(self.contents, bytes):
            return memoryview(self.contents)
        with self.contents.open("rb") as file:
            empty = not os.fstat(file.fileno()).st_size
            return memoryview(b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def head(self, size: int = _HEAD) -> bytes:
        """The first bytes of the file."""
        if isinstance(self.contents, bytes):
            return self.contents[:size]
        with self.contents.open("rb") as file:
            return file.read(size)

    def note(self, kind: str, count: int, example: object, remedy: str) -> None:
        """Add an issue."""
        self.problems.append(TableProblem(self.table, "", kind, count, example, remedy, fatal=False))

    def notes_of(self, rows: int) -> list[TableProblem]:
        """Issues of a table with this many rows; decoding counts lines, and the header is not a row."""
        return [replace(problem, count=rows) if problem.kind == "encoding" else problem for problem in self.problems]


def unpack(path: Path) -> Path | bytes:
    """The path of a plain file; the uncompressed bytes of a .gz or .zst file.

    Raises:
        ValueError: If it is not such a file, or is truncated.
    """
    suffix = path.suffix.lower()
    if suffix not in PACKED:
        return path
    try:
        if suffix == ".gz":
            return gzip.decompress(path.read_bytes())
        with pa.input_stream(str(path), compression="zstd") as stream:
            content: bytes = stream.read()
            return content
    except (gzip.BadGzipFile, EOFError, zlib.error, pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise unreadable(path, f"{error}") from error


def open_text(path: Path, table: str, encoding: str | None = None) -> TextFile:
    """Open a text file: uncompressed, without byte order mark, in UTF-8 and with line feeds.

    Args:
        path: The file; plain, .gz or .zst.
        table: Name of the table, for issues.
        encoding: Its encoding, a Python codec name; None to detect it.

    Raises:
        ValueError: If it cannot be decompressed or decoded, or the encoding is unknown.
    """
    opened = TextFile(path, table, unpack(path))
    _decode(opened, encoding)
    head = opened.head()
    if b"\r" in head and b"\n" not in head:
        opened.contents = opened.content.replace(b"\r", b"\n")
        opened.note("line_ends", count_lines(opened.contents), "CR", "they were read as line ends")
    return opened


def _decode(opened: TextFile, encoding: str | None) -> None:
    """Convert a file to UTF-8 without a byte order mark."""
    head = opened.head()
    mark, name = mark_of(head) or (b"", wide_without_mark(head))
    if encoding is not None and is_chosen(encoding):
        name = known_encoding(encoding)
        mark = mark if name.startswith("utf") else b""
    if name in (None, "utf-8", "utf-8-sig"):
        if mark:
            opened.contents = opened.content[len(mark) :]
            opened.note("byte_order_mark", 1, None, "it was left out")
        fault = utf8_fault(opened.view)
        if fault is None:
            return
        if is_chosen(encoding) or mark:
            name = None
        else:
            name = guess_encoding(opened.content) if encoding is None else known_encoding(encoding)
        if name is None:
            raise unreadable(opened.path, _bad_byte(opened.content, fault, "UTF-8"))
    assert name is not None
    try:
        opened.contents = opened.content.decode(name).removeprefix("\ufeff").encode()
    except UnicodeDecodeError as error:
        raise unreadable(opened.path, _bad_byte(opened.content, error.start, name)) from error
    if not is_chosen(encoding):
        remedy = "they were read as such; if that is wrong, give encoding="
        opened.note("encoding", count_lines(opened.contents), name, remedy)


def known_encoding(encoding: str) -> str:
    """The name of a codec.

    Raises:
        ValueError: If there is no such codec.
    """
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise ValueError(f"encoding is {encoding!r}; give a Python codec name, such as 'cp1252'") from None


def _bad_byte(content: bytes, place: int, encoding: str) -> str:
    line = content.count(b"\n", 0, place) + 1
    return (
        f"line {line} has the byte 0x{content[place]:02x}, which is not {encoding}; give its encoding, such as "
        "encoding='cp1252', or convert the file"
    )


def read_json(opened: TextFile) -> pl.DataFrame:
    """Read JSON lines, or one list of objects. NaN, which Python writes although JSON lacks it, is read too.

    Raises:
        ValueError: If a line is not a JSON object; the message has the line.
    """
    listed = opened.content[:_HEAD].lstrip()[:1] == b"["
    if not opened.content.strip():
        return pl.DataFrame()
    try:
        if listed:
            return pl.read_json(opened.content, infer_schema_length=None)
        table = pl.read_ndjson(opened.contents, infer_schema_length=None)
        if table.height in (count_lines(opened.view), _filled_lines(opened)):
            return table
    except pl.exceptions.PolarsError:
        pass  # read line by line below, to find the line
    rows = _json_list(opened) if listed else list(json_lines(opened))
    names = dict.fromkeys(name for row in rows for name in row)
    try:
        return pl.DataFrame([_json_column(name, [row.get(name) for row in rows], opened) for name in names])
    except UnicodeEncodeError as error:
        raise unreadable(opened.path, f"a text has half of a character ({error.reason})") from error


def _json_column(name: str, values: list[Any], opened: TextFile) -> pl.Series:
    """A column of JSON values; mixed columns of lists, objects and plain values, or of several types, become texts."""
    there = [value for value in values if value is not None]
    kinds = Counter(map(_json_kind, there)).most_common()
    odd, kind = [value for value in there if _json_kind(value) is not kinds[0][0]], "mixed_types"
    if not odd:
        try:
            # A frame infers one type from all values, a series from the first.
            return pl.DataFrame([{name: value} for value in values], infer_schema_length=None, strict=False)[name]
        except (pl.exceptions.PolarsError, TypeError):
            odd, kind = there, "no_type"
    remedy = "all were read as texts"
    opened.problems.append(TableProblem(opened.table, name, kind, len(odd), odd[0], remedy, fatal=False))
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pl.Series(name, texts, pl.String)


def _json_kind(value: object) -> type:
    return type(value) if isinstance(value, list | dict) else object


def json_lines(opened: TextFile) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON lines file.

    Raises:
        ValueError: If a line is not a JSON object; the message has the line.
    """
    for number, line in enumerate(opened.content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise unreadable(opened.path, f"line {number} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise unreadable(opened.path, f"line {number} is a JSON {type(row).__name__}, not an object")
        yield row


def _json_list(opened: TextFile) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = json.loads(opened.content)
    except (ValueError, RecursionError) as error:
        raise unreadable(opened.path, str(error)) from error
    for row in rows:
        if not isinstance(row, dict):
            raise unreadable(opened.path, f"its list contains a JSON {type(row).__name__}, not an object")
    return rows


def _filled_lines(opened: TextFile) -> int:
    """Number of lines that are not blank: one object each, counted without a parser."""
    return sum(1 for line in opened.content.split(b"\n") if line.strip())


def count_lines(content: bytes | memoryview) -> int:
    """Number of lines in a text, with or without a line end after the last."""
    feeds = int(np.count_nonzero(np.frombuffer(content, np.uint8) == ord("\n")))
    return feeds + (bytes(content[-1:]) != b"\n")


def check_permission(path: Path) -> None:
    """Refuse an existing file without read permission, as for a file of a checkpoint.

    Raises:
        PermissionError: If it may not be read; the message has the mode and the owner.
    """
    if path.exists() and not os.access(path, os.R_OK):
        from ...modeling_xcat.saving_xcat import unreadable as forbidden

        raise forbidden(path)


def unreadable(path: Path, reason: str) -> ValueError:
    """The error for a file that does not match its suffix."""
    return ValueError(f"table {path} cannot be read by its suffix: {reason}; check that it is complete")
