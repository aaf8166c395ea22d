"""Text of an item: a template over columns of the items table, and a token budget by importance."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from ..tables.values import columns_with_values, read_texts
from .cleaning import clean_text

DEFAULT_TEXT_FIELDS = ("title", "brand", "category")


@dataclass(frozen=True)
class ItemTextTemplate:
    """A template that turns columns into one text.

    Args:
        template: Text with columns in braces. Text before a column is written if the column has a value and is not the
            first one with a value; text at the start and end is written if there is any value.
        importance: Columns by importance: tokens go to the first columns, and the last get the rest. Columns that are
            not listed follow in the order of the template.

    Raises:
        ValueError: If the template has no column or is malformed, or lacks a column in `importance`.

    Example:
        >>> items = pl.DataFrame({"title": ["Tent", "Mug"], "brand": ["Acme", None], "description": ["Warm", "Blue"]})
        >>> ItemTextTemplate("{title} by {brand}. {description}").texts(items)
        ['Tent by Acme. Warm', 'Mug. Blue']
    """

    template: str
    importance: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        fields = self.fields
        if not fields:
            raise ValueError(f"template {self.template!r} has no column; write one in braces, such as {{title}}")
        strange = [name for name in self.importance if name not in fields]
        if strange:
            raise ValueError(f"importance has {strange[0]!r}, which template {self.template!r} lacks")

    @classmethod
    def of_fields(cls, fields: Sequence[str]) -> ItemTextTemplate:
        """Columns in order of importance, with spaces between."""
        return cls(" ".join("{" + name + "}" for name in fields))

    @property
    def fields(self) -> list[str]:
        """Columns, in order, with repetitions."""
        return [name for _, name in self._parts() if name is not None]

    def texts(self, items: pl.DataFrame, tokenizer: Any = None, max_tokens: int | None = None) -> list[str]:
        """The text of each item.

        Args:
            items: The items table. Nulls are left out, lists are joined, structs become "name value" pairs.
            tokenizer: A fast tokenizer that counts `max_tokens`.
            max_tokens: Maximum tokens per item, including special tokens; None for no limit. Columns are cut between
                tokens, at the end of a word if possible.

        Raises:
            ValueError: If a field is not a column of the table, or there is a limit without a tokenizer.
        """
        fields = self.fields
        check_text_fields(items, fields)
        columns = {name: [clean_text(value) for value in _plain(items[name])] for name in dict.fromkeys(fields)}
        if max_tokens is not None:
            if tokenizer is None:
                raise ValueError("max_tokens needs a tokenizer; give tokenizer=")
            self._shorten(columns, tokenizer, max_tokens)
        return [self._render(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]

    def _parts(self) -> list[tuple[str, str | None]]:
        try:
            parts = list(string.Formatter().parse(self.template))
        except ValueError as error:
            raise ValueError(
                f"template {self.template!r} is malformed: {error}; double a brace to write it literally"
            ) from None
        if any(name == "" or form or conversion for _, name, form, conversion in parts):
            raise ValueError(f"template {self.template!r}: write plain columns in braces, such as {{title}}")
        return [(literal, name) for literal, name, _, _ in parts]

    def _render(self, values: dict[str, str]) -> str:
        parts = self._parts()
        text = ""
        for literal, name in parts:
            if name is None:
                text += literal if text else ""
            elif values[name]:
                text += (literal if text else parts[0][0]) + values[name]
        return text

    def _shorten(self, columns: dict[str, list[str]], tokenizer: Any, max_tokens: int) -> None:
        """Truncate columns in place, the least important first."""
        order = [*self.importance, *(name for name in columns if name not in self.importance)]
        count = len(columns[order[0]])
        left = [max_tokens - len(tokenizer("")["input_ids"])] * count
        glue = sum(_tokens(tokenizer, [literal])[0] for literal, _ in self._parts() if literal.strip())
        left = [max(0, room - glue) for room in left]
        for name in order:
            values = columns[name]
            distinct = list(dict.fromkeys(value for value in values if value))
            ends = dict(zip(distinct, _offsets(tokenizer, distinct), strict=True)) | {"": []}
            repeats = self.fields.count(name)
            for row, value in enumerate(values):
                offsets = ends[value]
                room = left[row] // repeats
                if len(offsets) > room:
                    values[row] = _cut(value, offsets, room)
                left[row] -= repeats * min(len(offsets), room)


def check_text_fields(items: pl.DataFrame, fields: Sequence[str]) -> None:
    """Refuse an items table that lacks a column of the items' texts.

    Raises:
        ValueError: If it does.
    """
    missing = [name for name in fields if name not in items.columns]
    if missing:
        known = ", ".join(columns_with_values(items))
        raise ValueError(f"items has no column {missing[0]!r} for its text; it has {known}")


def item_texts(items: pl.DataFrame, fields: Sequence[str] = DEFAULT_TEXT_FIELDS) -> list[str]:
    """Text of each item: the cleaned values of its fields, in order, joined by spaces.

    Args:
        items: The items table.
        fields: Columns; nulls are left out, lists are joined, structs become "name value" pairs.

    Raises:
        ValueError: If a field is not a column of the table.

    Example:
        >>> item_texts(pl.DataFrame({"title": ["Tent"], "brand": [None], "category": ["Camping"]}))
        ['Tent Camping']
    """
    if not fields:
        return [""] * items.height
    return ItemTextTemplate.of_fields(fields).texts(items)


def _plain(column: pl.Series) -> list[str | None]:
    """Values as texts; structs as "name value" pairs with commas between."""
    if not isinstance(column.dtype, pl.Struct):
        return read_texts(column).to_list()
    fields = {field.name: read_texts(column.struct.field(field.name)) for field in column.dtype.fields}
    rows = zip(*(values.to_list() for values in fields.values()), strict=True)
    return [", ".join(f"{name} {value}" for name, value in zip(fields, row, strict=True) if value) for row in rows]


def _offsets(tokenizer: Any, texts: list[str]) -> list[list[tuple[int, int]]]:
    """Start and end of every token of every text."""
    if not texts:
        return []
    found = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets: list[list[tuple[int, int]]] = found["offset_mapping"]
    return offsets


def _tokens(tokenizer: Any, texts: list[str]) -> list[int]:
    return [len(offsets) for offsets in _offsets(tokenizer, texts)]


def _cut(text: str, offsets: list[tuple[int, int]], room: int) -> str:
    """The first `room` tokens, back to the end of a word unless nothing would be left."""
    if not room:
        return ""
    end = offsets[room - 1][1]
    if text[end : end + 1] in ("", " "):
        return text[:end]
    space = text.rfind(" ", 0, end)
    return text[: space if space > 0 else end].rstrip()
