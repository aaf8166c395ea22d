"""Brands, categories and attributes of the catalogue that occur in a text, found in one pass."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from ..extras import MissingExtraError
from ..progress import quiet_transformers
from ..text.cleaning import clean_text

_PATH = re.compile(r"\s+>\s+")
_SPACELESS = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LEAST_LETTERS = 2


@dataclass(frozen=True)
class Entity:
    """A name that occurs in a text.

    Args:
        kind: Kind of name, such as "brand".
        name: Spelling in the catalogue.
        start: First character in the cleaned text.
        end: Position after the last character.
    """

    kind: str
    name: str
    start: int
    end: int


class EntityMatcher:
    """Finds names in texts with an automaton (Aho and Corasick 1975), for any number of names.

    Case is ignored. A name ends at the end of a word; each Han or kana character is a word. Of overlapping names the
    leftmost one is used, and the longest at this position.

    Args:
        names: Names by kind. A name of several kinds has the first kind. Single letters and numbers are ignored.

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
        """Collect names from columns of the items table.

        Each part of a category path and each value of a struct is a name; underscores become spaces.

        Args:
            items: The items table.
            columns: Columns; missing columns are ignored.
        """
        return cls({name: _values(items[name]) for name in columns if name in items.columns})

    def find(self, text: str) -> list[Entity]:
        """Entities of a text, in order, without overlaps."""
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
    """Finds entities with a `token-classification` model; long texts are read in overlapping pieces.

    Args:
        model: Folder or hub id.

    Raises:
        ValueError: If its tokenizer has no character offsets.
    """

    def __init__(self, model: str) -> None:
        from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

        tokenizer = AutoTokenizer.from_pretrained(model)
        if not tokenizer.is_fast:
            raise ValueError(f"{model} has a slow tokenizer, without character offsets; use a model with a fast one")
        with quiet_transformers():
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
    """Lower-case each letter separately, so that positions stay (a few letters have two lower-case characters)."""
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)


def _stands_alone(text: str, start: int, end: int) -> bool:
    before = start == 0 or not _joined(text[start - 1], text[start])
    return before and (end == len(text) or not _joined(text[end - 1], text[end]))


def _joined(left: str, right: str) -> bool:
    """Whether two adjacent characters are in the same word."""
    return left.isalnum() and right.isalnum() and not (_SPACELESS.match(left) or _SPACELESS.match(right))


def _values(column: pl.Series) -> list[str]:
    if isinstance(column.dtype, pl.Struct):
        return [value for field in column.dtype.fields for value in _values(column.struct.field(field.name))]
    if isinstance(column.dtype, pl.List | pl.Array):
        return _values(column.explode())
    values = column.drop_nulls().cast(pl.String, strict=False).drop_nulls().unique(maintain_order=True)
    return [part for value in values for part in _PATH.split(value.replace("_", " "))]
