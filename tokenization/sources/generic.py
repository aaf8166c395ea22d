"""Read tables from files, from data frames of other libraries, and from the hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl
import pyarrow as pa
import pyarrow.compute  # makes it an attribute of pa
import pyarrow.ipc  # likewise
import pyarrow.parquet  # likewise

from ..masking import mask
from ..tables.problems import TableError, TableProblem
from .csv_files import find_separator, read_csv
from .foreign_fields import name_all
from .hub import HUB_ID
from .text_files import PACKED, check_permission, open_text, read_json, unpack, unreadable
from .workbooks import SHEETS, read_workbook

if TYPE_CHECKING:
    import datasets
    import pandas as pd  # type: ignore[import-untyped]

    TableSource: TypeAlias = (
        str
        | Path
        | pl.DataFrame
        | pl.LazyFrame
        | pa.Table
        | pd.DataFrame
        | datasets.Dataset
        | datasets.DatasetDict
        | Mapping[str, Iterable[Any]]
    )

Contents: TypeAlias = Path | bytes


def _read_arrow(contents: Contents) -> pl.DataFrame:
    source = pa.memory_map(str(contents)) if isinstance(contents, Path) else pa.BufferReader(contents)
    with source:
        try:
            table = pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            table = pa.ipc.open_stream(source).read_all()
        table.validate(full=True)  # Arrow would follow offsets of a damaged file outside of it
        return from_arrow(table)


def _read_parquet(contents: Contents) -> pl.DataFrame:
    try:
        return pl.read_parquet(contents)
    except pl.exceptions.InvalidOperationError:  # an Arrow type that polars lacks, such as long decimals
        source = str(contents) if isinstance(contents, Path) else pa.BufferReader(contents)
        return from_arrow(pa.parquet.read_table(source))


_BINARY: dict[str, Callable[[Contents], pl.DataFrame]] = {
    ".parquet": _read_parquet,
    ".arrow": _read_arrow,
    ".feather": _read_arrow,
}
_BINARY_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException, OSError, UnicodeError)
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_JSON = (".jsonl", ".ndjson", ".json")
SUFFIXES = (".parquet", *_SEPARATORS, *_JSON, ".arrow", ".feather", *SHEETS)
"""Suffixes of readable files; each may be followed by `.gz` or `.zst`."""


def read_table(source: TableSource, *, encoding: str | None = None) -> pl.DataFrame:
    """Read a table in any format.

    Args:
        source: A file (parquet, csv, tsv, json lines, json, arrow, feather, xlsx, xls or ods, also with
            .gz or .zst), a pandas or polars data frame, an Arrow table, a `datasets.Dataset`, a dictionary of columns,
            or the id of a dataset on the hub ("namespace/name").
        encoding: Encoding of a text file, such as "cp1252"; None to detect it.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a file does not match its suffix, a dataset has several splits, or the columns of a dictionary
            differ in length.
        TypeError: If the source has another type.
    """
    table, problems = load_table(source, "table", encoding=encoding)
    if any(problem.fatal for problem in problems):
        raise TableError(problems, str(source) if isinstance(source, str | Path) else "")
    return table


def load_table(
    source: TableSource, label: str, *, encoding: str | None = None
) -> tuple[pl.DataFrame, list[TableProblem]]:
    """Read a table, and report its issues.

    Args:
        source: As in `read_table`.
        label: Name of the table: "items", "events", "users" or "promotions".
        encoding: As in `read_table`.

    Raises:
        As `read_table`.
    """
    if isinstance(source, pl.DataFrame):
        return tidy_header(source, [], label)
    if isinstance(source, pl.LazyFrame):
        return tidy_header(source.collect(), [], label)
    if isinstance(source, str | Path):
        return tidy_header(*_read_path(source, label, encoding), label)
    try:
        return tidy_header(*_read_object(source, label), label)
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{label}: the value {mask(str(error.object))!r} (masked) has half a character (a lone surrogate) at "
            f"place {error.start}; give whole texts, such as text.encode('utf-8', 'replace').decode()"
        ) from None
    except (pl.exceptions.PolarsError, pa.ArrowException) as error:
        raise ValueError(
            f"{label}: its values are no table: {error}; give only texts, numbers, or lists of them"
        ) from error


def _read_object(source: Any, label: str) -> tuple[pl.DataFrame, list[TableProblem]]:
    if isinstance(source, pa.Table):
        return from_arrow(source), []
    # Looked up by name, so that only users of a library import it.
    library, kind = type(source).__module__.split(".")[0], type(source).__name__
    if library == "pandas" and kind == "DataFrame":
        return _from_pandas(source, label)
    if library == "datasets" and hasattr(source, "keys"):
        return _read_object(_only_split(source, "the dataset"), label)
    if library == "datasets" and hasattr(source, "with_format") and hasattr(source, "__len__"):
        return from_arrow(source.with_format("arrow")[:]), []
    if isinstance(source, Mapping):
        return _from_columns(source, label)
    raise TypeError(
        f"a {type(source).__module__}.{kind} is not a table; give a file, a pandas or polars data frame, an Arrow "
        "table, a datasets.Dataset, a dictionary of columns, or the id of a dataset on the hub"
    )


def find_table(folder: Path, name: str) -> Path:
    """The file with a table in a folder.

    Args:
        folder: The folder.
        name: The table's name, such as "items".

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If there are several.
    """
    found = find_optional_table(folder, name)
    if found is None:
        others = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
        raise FileNotFoundError(
            f"folder {folder} has no {name} table; it holds {others}. "
            f"Name the file {name} and one of {', '.join(SUFFIXES)} (or that and .gz or .zst)"
        )
    return found


def find_optional_table(folder: Path, name: str) -> Path | None:
    """Like `find_table`; None if there is none.

    Raises:
        ValueError: If there are several.
    """
    found = sorted(
        path for path in folder.iterdir() if path.is_file() and path.name.split(".")[0] == name and table_suffix(path)
    )
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ValueError(f"folder {folder} has {len(found)} {name} tables: {names}; keep one")
    return found[0] if found else None


def table_suffix(path: Path) -> str | None:
    """The suffix that determines how a table is read; None if it is unknown."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in SUFFIXES else None


def _read_path(source: str | Path, label: str, encoding: str | None) -> tuple[pl.DataFrame, list[TableProblem]]:
    path = Path(source).expanduser()
    suffix = table_suffix(path)
    if not path.exists():
        if suffix is None and isinstance(source, str) and HUB_ID.fullmatch(source):
            return _from_hub(source), []
        raise FileNotFoundError(f"table {source} does not exist")
    if path.is_dir():
        raise ValueError(f"table {path} is a folder; give a file, or the folder as `data`")
    if suffix is None:
        raise ValueError(
            f"table {path} has no known suffix; name it one of {', '.join(SUFFIXES)} (or that and .gz or .zst)"
        )
    check_permission(path)
    if suffix in _BINARY:
        try:
            return _BINARY[suffix](unpack(path)), []
        except _BINARY_ERRORS as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise unreadable(path, reason) from error
    if suffix in SHEETS:
        return read_workbook(path, unpack(path), label), []
    opened = open_text(path, label, encoding)
    if suffix in _JSON:
        table = read_json(opened)
    else:
        table, names = read_csv(opened, find_separator(opened, _SEPARATORS[suffix]))
        table, names = name_all(table, names, label, opened.problems)
        table = _once(table, names, label, opened.problems)
    return table, opened.notes_of(table.height)


def _once(table: pl.DataFrame, names: list[str], label: str, problems: list[TableProblem]) -> pl.DataFrame:
    """Remove repeated columns of a CSV table if they are equal; refuse them otherwise."""
    columns: dict[str, pl.Series] = {}
    for name, column in zip(names, table, strict=True):
        if name in columns:
            problems.append(_repeated(label, name, columns[name].equals(column, check_names=False)))
        else:
            columns[name] = column.alias(name)
    return pl.DataFrame(columns)


def _repeated(label: str, name: str, same: bool) -> TableProblem:
    remedy = "the first was kept, they are equal" if same else "they differ; keep one of them"
    return TableProblem(label, name, "repeated_header", 2, None, remedy, fatal=not same)


def tidy_header(
    table: pl.DataFrame, problems: list[TableProblem], label: str
) -> tuple[pl.DataFrame, list[TableProblem]]:
    """Strip column names, and report issues of names.

    Args:
        table: The table.
        problems: Issues found so far.
        label: Name of the table.

    Raises:
        ValueError: If a name has a NUL character.
    """
    for name in table.columns:
        if "\0" in name:  # polars panics at it
            raise ValueError(f"{label}: the column name {name!r:.100} has a NUL character; rename the column")
    stripped = {name: name.strip() for name in table.columns if name != name.strip()}
    clash = [name for name in stripped.values() if name in table.columns]
    if clash or len(set(stripped.values())) < len(stripped):
        name = clash[0] if clash else next(iter(stripped.values()))
        remedy = "they differ by spaces only; rename one of them"
        return table, [*problems, TableProblem(label, name, "repeated_header", 2, None, remedy, fatal=True)]
    if stripped:
        example = next(iter(stripped))
        remedy = "they were cut off"
        problems.append(TableProblem(label, "", "padded_header", len(stripped), example, remedy, fatal=False))
    return table.rename(stripped), problems


def _from_hub(name: str) -> pl.DataFrame:
    from datasets import load_dataset

    try:
        loaded = load_dataset(name)
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"table {name} is not a file here, and no dataset with this name could be loaded from the hub: {error}"
        ) from error
    return read_table(_only_split(loaded, f"dataset {name}"))


def _only_split(splits: Any, what: str) -> Any:
    names = list(splits.keys())
    if len(names) != 1:
        raise ValueError(f"{what} has the splits {', '.join(map(str, names))}; give one of them as a datasets.Dataset")
    return splits[names[0]]


def _from_pandas(frame: Any, label: str) -> tuple[pl.DataFrame, list[TableProblem]]:
    """A pandas data frame; object columns of mixed types become texts."""
    columns: dict[str, pa.Array] = {}
    problems = []
    for place, name in enumerate(map(str, frame.columns)):
        # By position, because names may be repeated.
        column, problem = _pandas_column(frame.iloc[:, place], label, name)
        if name in columns:
            same = from_arrow(pa.table({name: column})).equals(from_arrow(pa.table({name: columns[name]})))
            problems.append(_repeated(label, name, same))
            continue
        columns[name] = column
        if problem is not None:
            problems.append(problem)
    return from_arrow(pa.table(columns)), problems


def is_column(values: Any) -> bool:
    """Whether an object has one value per row: a list, an array or a series, but neither a text nor a table."""
    table = isinstance(values, str | bytes | Mapping | pl.LazyFrame) or hasattr(values, "columns")
    return hasattr(values, "__len__") and not table and not hasattr(values, "column_names")


def _from_columns(columns: Mapping[Any, Any], label: str) -> tuple[pl.DataFrame, list[TableProblem]]:
    """A dictionary of columns; columns of mixed types become texts."""
    read, problems = {}, []
    for name, values in columns.items():
        if not is_column(values):
            kind = type(values).__name__
            raise ValueError(f"{label}, column {name} is a {kind}; give a list, an array or a series of its values")
        if len(values) != len(first := next(iter(columns.values()))):
            raise ValueError(
                f"{label}: column {name} has {len(values):,} values, and {next(iter(columns))} has {len(first):,}; "
                "give one value per row in each column"
            )
        read[str(name)], problem = _plain_column(values, label, str(name))
        problems += [] if problem is None else [problem]
    return from_arrow(pa.table(read)), problems


def _plain_column(values: Any, label: str, name: str) -> tuple[pa.Array, TableProblem | None]:
    if isinstance(values, pl.Series):
        return values.to_arrow(), None
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values, None
    if hasattr(values, "isna"):
        return _pandas_column(values, label, name)
    try:
        return pa.array(values if hasattr(values, "dtype") else list(values), from_pandas=True), None
    except (pa.ArrowException, OverflowError):
        return _as_texts([None if value != value else value for value in values], label, name)  # NaN is not itself


def _pandas_column(column: Any, label: str, name: str) -> tuple[pa.Array, TableProblem | None]:
    dense = column.sparse.to_dense() if hasattr(column, "sparse") else column
    try:
        return pa.Array.from_pandas(dense), None
    except (pa.ArrowException, OverflowError):
        values = [None if gap else value for value, gap in zip(dense.tolist(), dense.isna(), strict=True)]
        return _as_texts(values, label, name)


def _as_texts(values: list[Any], label: str, name: str) -> tuple[pa.Array, TableProblem]:
    there = [value for value in values if value is not None]
    kinds = Counter(map(type, there)).most_common()
    # Values of one type may be lists of several, or integers beyond 64 bits.
    odd = [value for value in there if len(kinds) == 1 or type(value) is not kinds[0][0]]
    kind = "mixed_types" if len(kinds) > 1 else "no_type"
    problem = TableProblem(label, name, kind, len(odd), odd[0], "all were read as texts", fatal=False)
    return pa.array([None if value is None else str(value) for value in values], pa.string()), problem


def from_arrow(table: pa.Table) -> pl.DataFrame:
    """An Arrow table as a polars data frame; types that polars lacks are converted."""
    for place, column in enumerate(table.columns):
        kind = column.type
        if pa.types.is_run_end_encoded(kind):
            chunks = [pa.compute.run_end_decode(chunk) for chunk in column.chunks]
            table = table.set_column(place, table.field(place).name, pa.chunked_array(chunks, kind.value_type))
        elif pa.types.is_decimal256(kind):
            table = table.set_column(place, table.field(place).name, column.cast(pa.string()))
    frame = pl.from_arrow(table)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError(f"an Arrow table became a {type(frame).__name__}")
    return frame
