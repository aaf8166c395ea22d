"""Helpers for all Amazon reviews releases: JSON lines per department, and odd prices, titles and categories."""

from __future__ import annotations

import ast
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from ..tables.data_card import DataCard
from ..tables.problems import TableProblem
from ..tables.schema import CATEGORY_SEPARATOR, ShopTables
from ..tables.values import clean_texts
from .source import build_shop
from .text_files import json_lines, open_text

_PRICE = r"^\s*(?:from\s+)?\$?\s*(\d[\d,]*(?:\.\d+)?)"
"""12.99, $1,299.00, "from 9.99" and "$1.00 - $3.00" (the lower price); other texts are not prices."""
_SCRIPT = r"(?i)getTime\(|<script|a-box-inner"
"""Marks of incomplete pages, taken down later."""


def read_lines(paths: Sequence[tuple[Path, str]], fields: Sequence[str]) -> pl.DataFrame:
    """Read some fields from the files of several departments, as texts; lists and objects are JSON.

    Args:
        paths: (file, department) pairs; JSON lines, plain or .gz.
        fields: Names of the fields; missing fields are null.

    Returns:
        One column per field, and `domain`, the department.

    Raises:
        ValueError: If a file is not JSON lines, or is truncated; the message has the line.
    """
    read = [_read_fields(path, fields).with_columns(domain=pl.lit(domain)) for path, domain in paths]
    empty = pl.DataFrame(schema=dict.fromkeys([*fields, "domain"], pl.String))
    return pl.concat(read) if read else empty


def _read_fields(path: Path, fields: Sequence[str]) -> pl.DataFrame:
    schema = dict.fromkeys(fields, pl.String())
    if not path.stat().st_size:
        return pl.DataFrame(schema=schema)
    try:
        # Streamed from disk with only these fields: a department has up to 30 GB.
        return pl.scan_ndjson(path, schema=schema).collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError):
        rows = [_texts(row, fields) for row in json_lines(open_text(path, "events"))]
    return pl.DataFrame(rows, schema=schema)


def _texts(row: dict[str, object], fields: Sequence[str]) -> dict[str, str | None]:
    """Fields of an object as polars returns them when it reads texts."""
    return {
        name: value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in ((name, row.get(name)) for name in fields)
    }


def literal_lines(path: Path, fields: Sequence[str], key: str, wanted: set[str]) -> pl.DataFrame:
    """Read some fields of a file whose lines are Python dictionaries, as in the release of 2014.

    `ast.literal_eval` parses the lines; it reads only literals and runs no code. Lines with other keys are skipped.

    Args:
        path: The file; plain or .gz.
        fields: Names of the fields.
        key: Field that identifies the row of a line.
        wanted: Values of the key to read.

    Raises:
        ValueError: If a line is not a dictionary of literals, or the file is truncated; the message has the line.
    """
    rows = []
    for number, line in _numbered(path):
        start = line.find(f"'{key}': '")
        begin = start + len(key) + 5
        if start >= 0 and line[begin : line.find("'", begin)] not in wanted:
            continue
        try:
            row = ast.literal_eval(line)
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            raise ValueError(f"table {path}: line {number} is not a Python dictionary: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"table {path}: line {number} is a {type(row).__name__}, not a dictionary")
        rows.append(_texts(row, fields))
    return pl.DataFrame(rows, schema=dict.fromkeys(fields, pl.String()))


def _numbered(path: Path) -> Iterator[tuple[int, str]]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.strip()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"table {path} cannot be read: {error}; check that it is complete") from error


def is_literal(path: Path) -> bool:
    """Whether a metadata file has Python lines instead of JSON."""
    first = next((line for _, line in _numbered(path)), "")
    try:
        json.loads(first or "{}")
    except (ValueError, RecursionError):
        return first.startswith("{'")
    return False


def tidy_items(
    meta: pl.DataFrame, reviewed: pl.Series, category: Sequence[str]
) -> tuple[pl.DataFrame, list[TableProblem]]:
    """Items with reviews, with texts in place of lists, a number for the price, and a category.

    Args:
        meta: `item_id`, `title`, `description`, `brand`, `price`, `domain` and the columns in `category`, as texts.
        reviewed: Ids of items with a review.
        category: Columns with the category; the first non-empty one is used. A list is a path.

    Returns:
        The items table, and its issues.
    """
    kept = meta.filter(pl.col("item_id").is_in(reviewed.implode()))
    found = []
    script = kept["title"].str.contains(_SCRIPT).fill_null(False)
    if script.any():
        example = kept["title"].filter(script)[0]
        remedy = "they were left empty"
        found.append(TableProblem("items", "title", "script_title", int(script.sum()), example, remedy, fatal=False))
        kept = kept.with_columns(title=pl.when(~script).then(pl.col("title")))
    paths = [clean_texts(kept[name], CATEGORY_SEPARATOR).values.alias(f"_{name}") for name in category]
    texts = [clean_texts(kept[name], " ").values for name in ("description", "brand") if name in kept.columns]
    items = kept.with_columns(*paths, *texts).with_columns(
        category=pl.coalesce(f"_{name}" for name in category),
        price=pl.col("price").str.extract(_PRICE).str.replace_all(",", "").cast(pl.Float64),
    )
    ours = ["item_id", "title", "description", "category", "brand", "price", "domain"]
    return items.select(ours), found


def amazon_shop(meta: pl.DataFrame, events: pl.DataFrame, category: Sequence[str], card: DataCard) -> ShopTables:
    """Tables from reviews and the metadata of the reviewed items.

    Args:
        meta: As in `tidy_items`.
        events: `user_id`, `item_id`, `timestamp`, `rating`, then any other columns.
        category: As in `tidy_items`.
        card: Description of the dataset.
    """
    items, found = tidy_items(meta, events["item_id"].drop_nulls().unique(), category)
    return build_shop(items, events.with_columns(event_type=pl.lit("rating")), card, found=found)
