"""Ids of users, items, baskets and so on as texts, by one rule for all columns, tables and formats."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

_UNSEEN = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F\x{200B}\x{FEFF}]"
_WHOLE = r"^-?\d+(?:\.0+)?$"
_DECIMALS = r"\.0+$"
_NUMBER = r"^-?\d+(?:\.\d+)?(?:[eE]\+\d+)?$"
_EXPONENT = r"[eE]\+\d+$"
_SAFE: dict[type[pl.DataType], int] = {pl.Float16: 2**11, pl.Float32: 2**24, pl.Float64: 2**53}
"""Smallest integers that a floating-point type cannot represent uniquely."""
_UUID_BYTES = 16


@dataclass(frozen=True)
class CleanedColumn:
    """A column as read, and its repairs.

    Args:
        values: The values, null for missing ones.
        repairs: For each kind of issue (rows,), True for repaired rows; only kinds with a repaired row.
    """

    values: pl.Series
    repairs: dict[str, pl.Series]


@dataclass(frozen=True)
class KeyStyle:
    """Format of the ids in a whole column; a part of the column may show less.

    Args:
        numbers: Whether all are numbers.
        whole: Whether all are integers, with or without decimals.
        decimals: Whether some have decimals, such as 7.0.
        texts: Whether all bytes are UTF-8 texts, without control characters.
        uuids: Whether all have the 16 bytes of a UUID.
    """

    numbers: bool = True
    whole: bool = True
    decimals: bool = False
    texts: bool = True
    uuids: bool = True

    def joined(self, other: KeyStyle) -> KeyStyle:
        """The style of two parts of a column."""
        return KeyStyle(
            self.numbers and other.numbers, self.whole and other.whole, self.decimals or other.decimals,
            self.texts and other.texts, self.uuids and other.uuids,
        )  # fmt: skip


def text_of(name: str) -> pl.Expr:
    """Texts of a column without surrounding spaces, null if nothing is left."""
    text = pl.col(name).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text).alias(name)


def key_style(frame: pl.DataFrame | pl.LazyFrame, name: str) -> KeyStyle:
    """Find the format of a column's ids.

    Args:
        frame: The table; a lazy table is streamed.
        name: Name of the column.
    """
    frame = frame.lazy()
    dtype = frame.collect_schema()[name]
    if isinstance(dtype, pl.Binary):
        uuids = frame.select((pl.col(name).bin.size() == _UUID_BYTES).all()).collect(engine="streaming").item()
        return KeyStyle(texts=_are_texts(frame, name), uuids=uuids)
    if dtype.is_float():
        values = pl.col(name).fill_nan(None)
        whole = frame.select((values == values.floor()).fill_null(True).all()).collect(engine="streaming").item()
        return KeyStyle(whole=whole, decimals=True)
    if not (dtype.is_decimal() or isinstance(dtype, pl.String | pl.Categorical | pl.Enum)):
        return KeyStyle()
    text = text_of(name)
    found = frame.select(
        numbers=text.str.contains(_NUMBER).fill_null(True).all(),
        whole=text.str.contains(_WHOLE).fill_null(True).all(),
        decimals=text.str.contains(_DECIMALS).fill_null(False).any(),
    )
    return KeyStyle(**found.collect(engine="streaming").row(0, named=True))


def _are_texts(frame: pl.LazyFrame, name: str) -> bool:
    text = pl.col(name).cast(pl.String)
    try:
        seen = frame.select(~text.str.contains(_UNSEEN).fill_null(False).any()).collect(engine="streaming").item()
    except pl.exceptions.ComputeError:  # not UTF-8
        return False
    return bool(seen)


def read_keys(column: pl.Series) -> pl.Series | None:
    """Ids as texts, null if missing or empty; None for a type that cannot be an id."""
    cleaned = clean_keys(column)
    return None if cleaned is None else cleaned.values


def clean_keys(column: pl.Series, style: KeyStyle | None = None) -> CleanedColumn | None:
    """Read ids, and report their repairs.

    Surrounding spaces and invisible characters are not part of an id. If all ids are integers, their decimals are
    removed: pandas turns a column of integers with a gap into floats. Bytes are read as texts, else UUIDs, else
    hexadecimal numbers.

    Args:
        column: The ids.
        style: Format of the whole column, if these ids are a part; None to find it.

    Returns:
        The ids, and the repaired rows: `padded_key`, `control_characters`, `float_key`. `separator_key` is only
        reported. `unsafe_key` is not repaired: these floats are so large that several integers became one.

    Example:
        >>> cleaned = clean_keys(pl.Series("item_id", [" A1", "A2", ""]))
        >>> cleaned.values.to_list(), cleaned.repairs["padded_key"].to_list()
        (['A1', 'A2', None], [True, False, False])
        >>> clean_keys(pl.Series("item_id", ["7.0", "8"])).values.to_list()
        ['7', '8']
    """
    dtype = column.dtype
    if dtype.is_integer() or isinstance(dtype, pl.Null):
        return CleanedColumn(column.cast(pl.String), {})
    if not (dtype.is_numeric() or isinstance(dtype, pl.String | pl.Categorical | pl.Enum | pl.Binary)):
        return None
    style = style or key_style(column.to_frame("key"), "key")
    if isinstance(dtype, pl.Binary):
        return _clean_texts(_binary_texts(column, style), style)
    if not dtype.is_float():
        return _clean_texts(column.cast(pl.String), style)
    values = column.fill_nan(None)
    large = (values.abs() >= _SAFE[type(dtype)]).fill_null(False)
    text = (values.cast(pl.Int128, strict=False) if style.whole else values).cast(pl.String)
    given = values.is_not_null() if style.whole else large & False
    return CleanedColumn(text, found_repairs({"float_key": given & ~large, "unsafe_key": large}))


def meet_keys(known: pl.Series, keys: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Match ids to known ids: add or remove decimals as in the known ids.

    Args:
        known: Ids that stay unchanged.
        keys: Ids to match to them.

    Returns:
        The ids, and the changed rows.

    Example:
        >>> met, changed = meet_keys(pl.Series(["1", "2.0", "A"]), pl.Series(["1.0", "2", "3.0"]))
        >>> met.to_list(), changed.to_list()
        (['1', '2.0', '3.0'], [True, True, False])
    """
    plain = known.drop_nulls().str.replace(_DECIMALS, "")
    table = pl.DataFrame({"plain": plain, "known": known.drop_nulls()}).unique("plain", keep="none")
    strange = keys.is_not_null() & ~keys.is_in(known.drop_nulls().implode()) & keys.str.contains(_WHOLE)
    asked = pl.DataFrame({"plain": keys.str.replace(_DECIMALS, ""), "key": keys})
    found = asked.join(table, on="plain", how="left", maintain_order="left")["known"]
    changed = strange.fill_null(False) & found.is_not_null()
    return pl.select(pl.when(changed).then(found).otherwise(keys)).to_series().rename(keys.name), changed


def _clean_texts(text: pl.Series, style: KeyStyle) -> CleanedColumn:
    odd = text.str.contains(_UNSEEN)
    seen = text.str.replace_all(_UNSEEN, "") if odd.any() else text
    keys = seen.str.strip_chars()
    repairs = {
        "control_characters": odd,
        "padded_key": (keys != seen) & (keys != ""),
        "separator_key": keys.str.contains(r"[,\t\r\n]"),
    }
    if style.whole and style.decimals:
        repairs["float_key"] = keys.str.contains(_DECIMALS)
        large = keys.cast(pl.Float64, strict=False).abs() >= _SAFE[pl.Float64]
        repairs["unsafe_key"] = repairs["float_key"] & large
        keys = keys.str.replace(_DECIMALS, "")
    elif style.numbers and not style.whole:
        repairs["unsafe_key"] = keys.str.contains(_EXPONENT)
    keys = pl.select(pl.when(keys != "").then(keys)).to_series().rename(text.name)
    return CleanedColumn(keys, found_repairs(repairs))


def _binary_texts(column: pl.Series, style: KeyStyle) -> pl.Series:
    if style.texts:
        return column.cast(pl.String, strict=False)
    write: Callable[[bytes], str] = (lambda value: str(uuid.UUID(bytes=value))) if style.uuids else bytes.hex
    return pl.Series(column.name, [None if value is None else write(value) for value in column], pl.String)


def found_repairs(repairs: dict[str, pl.Series]) -> dict[str, pl.Series]:
    """The kinds of repairs that some row needed."""
    filled = {kind: rows.fill_null(False) for kind, rows in repairs.items()}
    return {kind: rows for kind, rows in filled.items() if rows.any()}
