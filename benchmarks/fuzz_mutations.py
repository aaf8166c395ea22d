"""Changed inputs for fuzzing: bytes, values of JSON, columns of tables, and cells of SQLite files."""

from __future__ import annotations

import copy
import json
import random
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

TOKENS: tuple[bytes, ...] = (
    b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\r", b"\r\n", b"\n\n", b"\t", b",", b";", b'"', b"'", b"\\",
    b'""', b"\\N", b"NULL", b"None", b"nan", b"NaN", b"-Infinity", b"1e999", b"-1", b"0", b"-0.0", b"9" * 400,
    b"9223372036854775808", b"18446744073709551616", b"1.5", b"1,5", b"1_000", b"true", b"[]", b"{}", b"[" * 60_000,
    b'{"a":' * 30_000, b'"\\ud800"', b"\\u0000", b"\xed\xa0\x80", b"a" * 70_000, b"=", b"!=", b"<", b">=", b" in ",
    b" not in ", b":", b"..", b"|", b"(", b")", b"$", b"%s", b"{0}", b"../../x", b"/dev/zero", b"1970-01-01",
    b"2024-02-30", b"31/12/2024", b"12/31/99", b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:60+99:99",
    b"2024-01-31T12:00:00.123456789Z", b"no ", b"under ", b"between ", b"without ", b"or ", b" and ", b"cheaper",
    b"!!python/object/apply:os.system", b"&a [*a,*a]", b"<<: *a", b"- ", b"? ", b"# ", b"[alcohol]", b"*", b"--",
    b"--x=", b"-k", b"user_id", b"item_id",
    *(text.encode() for text in ("\u200b", "帐篷", "不要", "以下", "三百五十", "万亿", "２０", "½", "٣", "İ", "😀")),
)  # fmt: skip
"""Bytes that parsers often read in a special way."""
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", " ",
    "x", "\0", "a,b", "../x", "\ud800", "帐篷", "x" * 5_000, [], [None], [1, "a"], [[]], {}, {"": None},
    {"a": {"b": 1}},
)  # fmt: skip
"""Values in place of one in JSON."""


def changed_bytes(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """A copy with one to four changes."""
    found = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 4))):
        start = draw.randrange(len(found) + 1)
        stop = min(len(found), start + int(draw.expovariate(1 / 8)))
        kind = draw.randrange(9)
        if kind == 0 and start < len(found):
            found[start] ^= 1 << draw.randrange(8)
        elif kind == 1:
            found[start:start] = draw.randbytes(draw.randrange(1, 9))
        elif kind == 2:
            del found[start:stop]
        elif kind == 3:
            found[start:start] = bytes(found[start:stop]) * draw.randrange(1, 4)
        elif kind == 4 and draw.random() < 0.3:
            del found[start:]
        elif kind == 5:
            other = draw.choice(others)
            found[start:stop] = other[draw.randrange(len(other) + 1) :][: draw.randrange(1, 200)]
        elif kind == 6:
            lines = bytes(found).split(b"\n")
            draw.shuffle(lines)
            found = bytearray(b"\n".join(lines))
        else:
            found[start:stop] = draw.choice(TOKENS)
    return bytes(found)


def changed_json(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """A copy of a JSON document with one or two other values; at times with other bytes."""
    if draw.random() < 0.3:
        return changed_bytes(content, others, draw)
    plain = json.loads(content)
    for _ in range(draw.choice((1, 1, 2))):
        plain = _with_other_value(plain, draw)
    return json.dumps(plain).encode()


def _with_other_value(plain: Any, draw: random.Random) -> Any:
    places: list[tuple[Any, Any]] = []

    def visit(value: Any) -> None:
        for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
            places.append((value, key))
            visit(value[key])

    visit(plain)
    if not places or draw.random() < 0.02:
        return copy.deepcopy(draw.choice(VALUES))  # a later change may change it
    holder, key = draw.choice(places)
    if draw.random() < 0.15:
        del holder[key]
    elif draw.random() < 0.1 and isinstance(holder, dict):
        holder[draw.choice(("", "x", "\0", "format", "name"))] = holder.pop(key)
    else:
        holder[key] = copy.deepcopy(draw.choice(VALUES))
    return plain


def changed_lines(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """A copy of JSON lines with a changed line."""
    lines = content.split(b"\n")
    place = draw.randrange(len(lines))
    if draw.random() < 0.4 or not lines[place].strip():
        return changed_bytes(content, others, draw)
    lines[place] = changed_json(lines[place], others, draw)
    return b"\n".join(lines)


def changed_tensors(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """A copy of a safetensors file with another header, whose length is right, or with other bytes."""
    if draw.random() < 0.5:
        return changed_bytes(content, others, draw)
    (size,) = struct.unpack("<Q", content[:8])
    header = changed_json(content[8 : 8 + size], others, draw)
    return struct.pack("<Q", len(header)) + header + content[8 + size :]


COLUMNS: tuple[Callable[[int, random.Random], list[Any]], ...] = (
    lambda n, draw: [None] * n,
    lambda n, draw: [draw.choice((True, False, None)) for _ in range(n)],
    lambda n, draw: [draw.choice((0, -1, 2**62, None)) for _ in range(n)],
    lambda n, draw: [draw.choice((0.5, float("nan"), float("inf"), 1e300, None)) for _ in range(n)],
    lambda n, draw: [draw.choice(TOKENS).decode("utf-8", "replace")[:500] for _ in range(n)],
    lambda n, draw: [draw.choice(TOKENS)[:500] for _ in range(n)],
    lambda n, draw: [draw.choice(([], ["a"], ["a", None], None)) for _ in range(n)],
    lambda n, draw: [draw.choice(([[]], [["a"], []], None)) for _ in range(n)],
    lambda n, draw: [draw.choice(([1.0, 2.0], [float("nan")], [])) for _ in range(n)],
    lambda n, draw: [draw.choice(({"a": 1, "b": ["x"]}, {"a": None, "b": None})) for _ in range(n)],
    lambda n, draw: [draw.choice((date(1, 1, 1), date(2024, 2, 29), None)) for _ in range(n)],
    lambda n, draw: [draw.choice((datetime(1960, 1, 1), datetime(9999, 12, 31), None)) for _ in range(n)],
    lambda n, draw: [draw.choice((timedelta(1), timedelta(-9_999), None)) for _ in range(n)],
    lambda n, draw: [draw.choice((Decimal("1.50"), Decimal("-9e20"), None)) for _ in range(n)],
)
"""Values of columns of many types."""


def changed_frame(table: pl.DataFrame, draw: random.Random) -> pl.DataFrame:
    """A copy of a table with other columns, names or rows."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        name, kind = draw.choice(table.columns or ["x"]), draw.randrange(8)
        if kind == 0:
            table = table.drop(name, strict=False)
        elif kind == 1 and name in table.columns:
            other = draw.choice(("", " ", "item_id ", "价格", "x\ty", "timestamp", "a" * 300, "\0"))
            with suppress(pl.exceptions.PolarsError):
                table = table.rename({name: other})
        elif kind == 2:
            table = table.head(draw.randrange(3))
        elif kind == 3:
            table = pl.concat([table, table.head(draw.randrange(4))])
        else:
            with suppress(pl.exceptions.PolarsError):
                values = draw.choice(COLUMNS)(table.height, draw)
                table = table.with_columns(pl.Series(name, values, strict=False))
    return table


def changed_database(content: bytes, place: Path, draw: random.Random) -> bytes:
    """A copy of a SQLite file with other cells, without a table or a column, or with other bytes."""
    if draw.random() < 0.4:
        return changed_bytes(content, [content], draw)
    place.write_bytes(content)
    with closing(sqlite3.connect(place)) as base:
        names = [name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        table = draw.choice(names)
        columns = [row[1] for row in base.execute(f'PRAGMA table_info("{table}")')]
        with suppress(sqlite3.Error, OverflowError, UnicodeError):
            if draw.random() < 0.1:
                base.execute(draw.choice((f'DROP TABLE "{table}"', f'DELETE FROM "{table}"')))
            else:
                value = draw.choice((*VALUES, *TOKENS))
                value = value if isinstance(value, str | bytes | int | float | None) else json.dumps(value)
                if isinstance(value, bytes) and draw.random() < 0.7:
                    value = value.decode("utf-8", "replace")
                limit = f'WHERE rowid IN (SELECT rowid FROM "{table}" LIMIT 1 OFFSET {draw.randrange(3)})'
                base.execute(f'UPDATE OR REPLACE "{table}" SET "{draw.choice(columns)}" = ? {limit}', (value,))
        base.commit()
    return place.read_bytes()
