"""Brands, categories and attributes of the catalogue that a text names, found in one pass over it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from ..extras import MissingExtraError
from ..text.cleaning import clean_text

_PATH = re.compile(r"\s+>\s+")
_SPACELESS = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LEAST_LETTERS = 2


@dataclass(frozen=True)
class Entity:
    """Something that a text names.

    Args:
        kind: What it is, such as "brand".
        name: As the catalogue writes it.
        start: First character in the cleaned text.
        end: Character after the last.
    """

    kind: str
    name: str
    start: int
    end: int


class EntityMatcher:
    """Finds names in texts with an automaton (Aho and Corasick 1975), whatever their number.

    Letters match in either case, a name ends where a word ends (Han and kana are their own words), and of names that
    overlap the one that begins first counts, the longest of those.

    Args:
        names: Names of each kind; one that is of several kinds is of the first. Single letters and
            numbers are no names.

    Raises:
        ImportError: If the extra `text` is missing.

    Example:
        >>> matcher = EntityMatcher({"brand": ["Sony", "Sony Ericsson"], "category": ["耳机"]})
        >>> [(found.kind, found.name) for found in matcher.find("My SONY ericsson and sonya's 新耳机")]
        [('brand', 'Sony Ericsson'), ('category', '耳机')]
    """

    def __init__(self, names: Mapping[str, Iterable[str]]) -> None:
        try:
            from ahocorasick_rs import AhoCorasick
        except ImportError as error:
            raise MissingExtraError("entities need ahocorasick_rs", "text") from error
        known: dict[str, tuple[str, str]] = {}
        for kind, given in names.items():
            for name in given:
                plain = clean_text(name)
                if len(plain) >= _LEAST_LETTERS and any(letter.isalpha() for letter in plain):
                    known.setdefault(_folded(plain), (kind, plain))
        self.patterns = list(known)
        self.entities = list(known.values())
        self._automaton: Any = AhoCorasick(self.patterns) if known else None

    @classmethod
    def of_catalogue(
        cls, items: pl.DataFrame, columns: Sequence[str] = ("brand", "category", "attributes")
    ) -> EntityMatcher:
        """Names out of columns of the items table.

        A category path gives each of its parts, a struct each of its values; an underscore is read as a space.

        Args:
            items: The items table.
            columns: Columns; one that the table lacks gives nothing.
        """
        return cls({name: _values(items[name]) for name in columns if name in items.columns})

    def find(self, text: str) -> list[Entity]:
        """Entities of a text, in its order, none overlapping another."""
        if self._automaton is None:
            return []
        plain = clean_text(text)
        folded = _folded(plain)
        matches = self._automaton.find_matches_as_indexes(folded, overlapping=True)
        found, end = list[Entity](), 0
        for start, minus_end, number in sorted((start, -stop, number) for number, start, stop in matches):
            stop = -minus_end
            if start >= end and _stands_alone(folded, start, stop):
                kind, name = self.entities[number]
                found.append(Entity(kind, name, start, stop))
                end = stop
        return found


class ModelEntities:
    """Any `token-classification` model as a finder of entities; long texts are read in pieces that overlap.

    Args:
        model: Folder or hub id.

    Raises:
        ValueError: If its tokenizer does not say where in a text a token lies.
    """

    def __init__(self, model: str) -> None:
        from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

        tokenizer = AutoTokenizer.from_pretrained(model)
        if not tokenizer.is_fast:
            raise ValueError(f"{model} has a slow tokenizer, which does not say where a name lies; take another model")
        tagger = AutoModelForTokenClassification.from_pretrained(model)
        limit = getattr(tagger.config, "max_position_embeddings", None) or tokenizer.model_max_length
        tokenizer.model_max_length = min(tokenizer.model_max_length, limit)
        self.pipe: Any = pipeline(
            "token-classification", model=tagger, tokenizer=tokenizer, aggregation_strategy="simple",
            stride=tokenizer.model_max_length // 4,
        )  # fmt: skip

    def find(self, text: str) -> list[Entity]:
        """Entities of a text, in its order."""
        plain = clean_text(text)
        found = self.pipe(plain) if plain else []
        return [
            Entity(str(one["entity_group"]).lower(), plain[one["start"] : one["end"]], one["start"], one["end"])
            for one in found
        ]


def _folded(text: str) -> str:
    """Lower case, letter by letter, so that positions stay (a few letters become two in lower case)."""
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)


def _stands_alone(text: str, start: int, end: int) -> bool:
    before = start == 0 or not _joined(text[start - 1], text[start])
    return before and (end == len(text) or not _joined(text[end - 1], text[end]))


def _joined(left: str, right: str) -> bool:
    """Whether two neighbouring characters belong to one word."""
    return left.isalnum() and right.isalnum() and not (_SPACELESS.match(left) or _SPACELESS.match(right))


def _values(column: pl.Series) -> list[str]:
    if isinstance(column.dtype, pl.Struct):
        return [value for field in column.dtype.fields for value in _values(column.struct.field(field.name))]
    if isinstance(column.dtype, pl.List | pl.Array):
        return _values(column.explode())
    values = column.drop_nulls().cast(pl.String, strict=False).drop_nulls().unique(maintain_order=True)
    return [part for value in values for part in _PATH.split(value.replace("_", " "))]
