"""Searches files for ids of users: their bytes, the bytes of packed files, and the cells of tables and databases."""

from __future__ import annotations

import html
import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

import polars as pl
import pyarrow as pa

from ...tokenization.sources.generic import read_table
from .forgotten_rows import table_kind

MAGIC = b"SQLite format 3\x00"
_BLOCK = 1 << 22
_BINARY = (".parquet", ".arrow", ".feather", ".xlsx", ".xls", ".ods")
"""Tables whose cells stand side by side or packed in the file, so that its bytes do not show their ends."""
_PACKINGS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
_COLUMN = 1 << 16
"""Cells of a column that are searched at once."""


class Mentions:
    """Finds ids of users as whole words, as they are and as JSON, CSV, HTML and addresses write them.

    Args:
        users: The ids.
    """

    def __init__(self, users: Sequence[str]) -> None:
        words = sorted({form for user in users for form in _forms(user.strip())}, key=len, reverse=True)
        narrow = "|".join(re.escape(word) for word in words).encode()
        wide = b"|".join(re.escape(user.strip().encode("utf-16-le")) for user in users)
        self._pattern = re.compile(
            rb"(?<![0-9A-Za-z])(?:" + narrow + rb")(?![0-9A-Za-z])"
            rb"|(?<![0-9A-Za-z]\x00)(?:" + wide + rb")(?![0-9A-Za-z]\x00)"
        )
        self._longest = 2 * max(map(len, words)) + 4

    def in_file(self, path: Path) -> bool:
        """Whether a file has one of the ids.

        Raises:
            OSError: If it cannot be read.
            ValueError: If its format cannot be read.
        """
        if any(self._pattern.search(block) for block in self._blocks(path)):
            return True
        return any(self._pattern.search(cells.encode("utf-8", "surrogatepass")) for cells in _cells(path))

    def _blocks(self, path: Path) -> Iterator[bytes]:
        """The content of a file in blocks that overlap, so that no id falls between two."""
        for packing in {None, _PACKINGS.get(path.suffix.lower())}:
            last = b""
            with pa.input_stream(str(path), compression=packing) as file:
                while block := file.read(_BLOCK):
                    yield last + block
                    last = block[-self._longest :]


def _forms(user: str) -> set[str]:
    """An id as it is, and as JSON, CSV, HTML and addresses write it."""
    in_json = {json.dumps(user, ensure_ascii=plain)[1:-1] for plain in (True, False)}
    return {user, *in_json, user.replace('"', '""'), html.escape(user), quote(user, safe=""), quote_plus(user)}


def _cells(path: Path) -> Iterator[str]:
    """Cells of a table or a database, one per line."""
    if table_kind(path) in _BINARY:
        table = read_table(path)
        for name in table.columns:
            for start in range(0, table.height, _COLUMN):
                part = table[name].slice(start, _COLUMN)
                plain = part.cast(pl.String) if not part.dtype.is_nested() else None
                yield "\n".join(str(cell) for cell in (part if plain is None else plain).to_list())
        return
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return
    with closing(sqlite3.connect(path)) as base:
        base.text_factory = lambda text: text.decode("utf-8", "replace")
        for (table,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            quoted = table.replace('"', '""')
            for row in base.execute(f'SELECT * FROM "{quoted}"'):
                yield "\n".join(str(cell) for cell in row)
