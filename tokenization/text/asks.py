"""Asks: short texts as a customer would write them to find an item, made from the item's own texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from ..tables.values import read_texts
from .cleaning import clean_text
from .words import split_words

ASK_KINDS = ("category", "attributes", "review", "title", "paraphrase", "own-title")
"""Kinds of asks; see `AskWriter`."""
FITTED_KINDS = ASK_KINDS[:-1]
"""Kinds that models are fitted to."""

LONGEST = 8
"""Maximum words of an ask, except of a sentence."""
_LONGEST_SENTENCE = 24
_FREQUENT = 5
_SHARE = 0.01
"""Minimum number, and share, of items with a word that is an attribute; a rarer word names a few products."""
_LEVELS = re.compile(r"\s*(?:>|\||/|»|›)\s*")
_SENTENCES = re.compile(r"(?<=[.!?。！？;；])\s*")
_FILLERS = frozenset({
    "a", "an", "the", "and", "or", "of", "for", "with", "to", "in", "on", "by", "from", "is", "are", "be", "this",
    "that", "it", "its", "at", "as", "your", "you", "our", "all", "any",
})  # fmt: skip


def words_of(text: str) -> list[str]:
    """Words in lower case without "the" and the like; a run of Han characters becomes pairs of characters.

    Example:
        >>> words_of("The Tasco 望远镜, 100% waterproof")
        ['tasco', '望远', '镜', '100', 'waterproof']
    """
    return [word for word in split_words(text, _pairs) if word not in _FILLERS]


def _pairs(run: str) -> list[str]:
    return [run[start : start + 2] for start in range(0, len(run), 2)]


@dataclass(frozen=True)
class ItemWords:
    """Words of the items that asks are made from.

    Args:
        categories: Names of the category of each item, from the department to the category itself.
        titles: Title of each item; "" for none.
        brands: Its brand.
        descriptions: Its description.
        counts: Number of items with each word in these three.
    """

    categories: list[list[str]]
    titles: list[str]
    brands: list[str]
    descriptions: list[str]
    counts: Counter[str] = field(repr=False)

    @classmethod
    def of_table(cls, items: pl.DataFrame) -> ItemWords:
        """Read the columns `category`, `category_path`, `title`, `brand` and `description` of a table, if it has them.

        Args:
            items: One row per item.
        """
        leaves = _texts(items, "category")
        paths = [path or leaf for path, leaf in zip(_texts(items, "category_path"), leaves, strict=True)]
        titles, brands, descriptions = (_texts(items, name) for name in ("title", "brand", "description"))
        rows = zip(titles, brands, descriptions, strict=True)
        counts = Counter(word for row in rows for word in {*words_of(" ".join(row))})
        return cls(
            [[part for part in _LEVELS.split(path) if part] for path in paths], titles, brands, descriptions, counts
        )

    def __len__(self) -> int:
        return len(self.titles)


class AskWriter:
    """Makes asks for items, the same for the same seed.

    Kinds:
        category: Some words of the item's category and of the category above it, in any order.
        attributes: Up to three words of its title, brand and description that its category lacks and that at least 1 %
            of the items have.
        review: A sentence from a review of the item, or from its description.
        title: Its title without the rarest third of the words, which would name the product.
        paraphrase: Some words of its title and category, in any order.
        own-title: Its title; only to measure.

    An item without the texts of a kind has the ask "".

    Args:
        words: Words of the items.
        reviews: Texts that customers wrote about each item, or None.

    Example:
        >>> words = ItemWords.of_table(pl.DataFrame({"title": ["Dome tent for two"], "category": ["Camping > Tents"]}))
        >>> AskWriter(words).write([0, 0], ["category", "title"])
        ['tents', 'tent two']
    """

    def __init__(self, words: ItemWords, reviews: Sequence[Sequence[str]] | None = None) -> None:
        self.words, self.reviews = words, reviews
        self._makers: dict[str, Callable[[int, np.random.Generator], list[str]]] = {
            "category": self._category, "attributes": self._attributes, "review": self._review,
            "title": self._title, "paraphrase": self._paraphrase, "own-title": self._own_title,
        }  # fmt: skip

    def write(self, items: Sequence[int], kind: str | Sequence[str], seed: int = 0) -> list[str]:
        """Make an ask for each of some items.

        Args:
            items: Numbers of the items, from 0 in the order of the table.
            kind: A kind, or one for each item.
            seed: Seed; an ask depends on it and on its place in `items`.

        Returns:
            One ask per item.

        Raises:
            ValueError: If a kind is unknown.
        """
        kinds = [kind] * len(items) if isinstance(kind, str) else list(kind)
        unknown = sorted(set(kinds) - set(ASK_KINDS))
        if unknown:
            raise ValueError(f"asks has {unknown[0]!r}; give one of {', '.join(ASK_KINDS)}")
        asks = []
        for place, (item, own) in enumerate(zip(items, kinds, strict=True)):
            random = np.random.default_rng([seed, place, item])
            asks.append(" ".join(self._makers[own](item, random)))
        return asks

    def _category(self, item: int, random: np.random.Generator) -> list[str]:
        path = self.words.categories[item]
        if not path:
            return []
        words = words_of(path[-1])
        if len(path) > 2 and random.random() < 0.5:
            words += words_of(path[-2])
        return _some(words, random, 0.8, 4)

    def _attributes(self, item: int, random: np.random.Generator) -> list[str]:
        of_category = {word for part in self.words.categories[item] for word in words_of(part)}
        texts = (self.words.titles[item], self.words.brands[item], self.words.descriptions[item])
        words = dict.fromkeys(words_of(" ".join(texts)))
        own = [word for word in words if word not in of_category]
        least = max(_FREQUENT, _SHARE * len(self.words))
        shared = [word for word in own if self.words.counts[word] >= least]
        return [shared[i] for i in random.permutation(len(shared))[:3]]

    def _review(self, item: int, random: np.random.Generator) -> list[str]:
        texts = [] if self.reviews is None else [text for text in self.reviews[item] if text]
        text = texts[random.integers(len(texts))] if texts else self.words.descriptions[item]
        found = [words for part in _SENTENCES.split(clean_text(text)) if len(words := words_of(part)) > 1]
        return found[random.integers(len(found))][:_LONGEST_SENTENCE] if found else []

    def _title(self, item: int, random: np.random.Generator) -> list[str]:
        words = words_of(self.words.titles[item])
        rare = sorted(dict.fromkeys(words), key=lambda word: self.words.counts[word])[: len(set(words)) // 3]
        return [word for word in words if word not in rare][:LONGEST]

    def _own_title(self, item: int, random: np.random.Generator) -> list[str]:
        return self.words.titles[item].split()

    def _paraphrase(self, item: int, random: np.random.Generator) -> list[str]:
        words = words_of(self.words.titles[item])
        for part in self.words.categories[item][-1:]:
            words += words_of(part)
        return _some(words, random, 0.5, LONGEST)


def _some(words: Sequence[str], random: np.random.Generator, share: float, most: int) -> list[str]:
    """Some of the words in any order, at least one if there are any."""
    different = list(dict.fromkeys(words))
    kept = [word for word in different if random.random() < share] or different[:1]
    return [kept[i] for i in random.permutation(len(kept))[:most]]


def _texts(items: pl.DataFrame, name: str) -> list[str]:
    if name not in items.columns:
        return [""] * items.height
    return [clean_text(value) for value in read_texts(items[name])]
