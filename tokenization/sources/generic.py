"""Tables from files, from data frames of other libraries, and from the hub."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl
import pyarrow as pa

if TYPE_CHECKING:
    import datasets
    import pandas as pd  # type: ignore[import-untyped]

    TableSource: TypeAlias = (
        str | Path | pl.DataFrame | pl.LazyFrame | pa.Table | pd.DataFrame | datasets.Dataset | datasets.DatasetDict
    )

Contents: TypeAlias = Path | bytes


def _read_delimited(separator: str) -> Callable[[Contents], pl.DataFrame]:
    # Every cell is read as text: were types guessed, the id 007 would become 7 in one table and stay in the other.
    return lambda contents: pl.read_csv(contents, separator=separator, infer_schema=False)


def _read_json(contents: Contents) -> pl.DataFrame:
    content = contents if isinstance(contents, bytes) else contents.read_bytes()
    if content.lstrip()[:1] == b"[":
        return pl.read_json(content, infer_schema_length=None)
    return pl.read_ndjson(content, infer_schema_length=None)


def _read_arrow(contents: Contents) -> pl.DataFrame:
    try:
        return pl.read_ipc(contents)
    except pl.exceptions.ComputeError:
        return pl.read_ipc_stream(contents)


READERS: dict[str, Callable[[Contents], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    ".csv": _read_delimited(","),
    ".tsv": _read_delimited("\t"),
    ".jsonl": _read_json,
    ".ndjson": _read_json,
    ".json": _read_json,
    ".arrow": _read_arrow,
    ".feather": _read_arrow,
}
"""Suffixes of files that can be read; each may be followed by `.gz`."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def read_table(source: TableSource) -> pl.DataFrame:
    """Read a table, whatever it is in.

    Args:
        source: A file (parquet, csv, tsv, json lines, arrow or feather, also with .gz), a pandas or polars data frame,
            an Arrow table, a `datasets.Dataset`, or the id of a dataset on the hub ("namespace/name").

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a file cannot be read as what its suffix says, or a dataset has several splits.
        TypeError: If the source is none of these.
    """
    if isinstance(source, pl.DataFrame):
        return source
    if isinstance(source, pl.LazyFrame):
        return source.collect()
    if isinstance(source, str | Path):
        return _read_path(source)
    if isinstance(source, pa.Table):
        return _from_arrow(source)
    # Looked up by name, so that nobody pays for importing a library that their table is not from.
    library, kind = type(source).__module__.split(".")[0], type(source).__name__
    if library == "pandas" and kind == "DataFrame":
        return _from_arrow(pa.Table.from_pandas(source, preserve_index=False))
    if library == "datasets" and hasattr(source, "keys"):
        return read_table(_only_split(source, "the dataset"))
    if library == "datasets" and hasattr(source, "with_format"):
        return _from_arrow(source.with_format("arrow")[:])
    raise TypeError(
        f"a {type(source).__module__}.{kind} is no table; give a file, a pandas or polars data frame, an Arrow table, "
        "a datasets.Dataset, or the id of a dataset on the hub"
    )


def find_table(folder: Path, name: str) -> Path:
    """The file of a folder that holds a table.

    Args:
        folder: The folder.
        name: The table's name, "items" or "events".

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If there are several.
    """
    found = sorted(
        path for path in folder.iterdir() if path.is_file() and path.name.split(".")[0] == name and _reader(path)
    )
    if not found:
        others = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
        raise FileNotFoundError(
            f"folder {folder} has no {name} table; it holds {others}. "
            f"Name the file {name} and one of {', '.join(READERS)} (or that and .gz)"
        )
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ValueError(f"folder {folder} has {len(found)} {name} tables: {names}; keep one")
    return found[0]


def _reader(path: Path) -> Callable[[Contents], pl.DataFrame] | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return READERS.get(suffixes[-1]) if suffixes else None


def _read_path(source: str | Path) -> pl.DataFrame:
    path = Path(source).expanduser()
    reader = _reader(path)
    if not path.exists():
        if reader is None and isinstance(source, str) and _HUB_ID.fullmatch(source):
            return _from_hub(source)
        raise FileNotFoundError(f"table {source} does not exist")
    if path.is_dir():
        raise ValueError(f"table {path} is a folder; give a file, or the folder as `data`")
    if reader is None:
        raise ValueError(f"table {path} has no known suffix; name it one of {', '.join(READERS)} (or that and .gz)")
    try:
        return reader(gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path)
    except pl.exceptions.NoDataError:
        return pl.DataFrame()
    except (pl.exceptions.PolarsError, gzip.BadGzipFile, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"table {path} cannot be read by its suffix: {reason}; check that it is whole") from error


def _from_hub(name: str) -> pl.DataFrame:
    from datasets import load_dataset

    try:
        loaded = load_dataset(name)
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"table {name} is no file here, and no dataset of that name could be loaded from the hub: {error}"
        ) from error
    return read_table(_only_split(loaded, f"dataset {name}"))


def _only_split(splits: Any, what: str) -> Any:
    names = list(splits.keys())
    if len(names) != 1:
        raise ValueError(f"{what} has the splits {', '.join(map(str, names))}; give one of them as a datasets.Dataset")
    return splits[names[0]]


def _from_arrow(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError(f"an Arrow table became a {type(frame).__name__}")
    return frame
