"""The words of a catalogue: its categories, brands and the words of its texts, with the items that have them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...tokenization.text_language import HAN
from ...tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from ..space_catalogue import folded
from .chinese import CHINESE, LONGER_NAMES
from .english import ENGLISH
from .families import INGREDIENTS, excluded_words
from .text_tokens import folded_text, singular, tokens_of

Tokens = tuple[str, ...]

_NAME_SHARE = 0.5
"""Share of the items with a word in their title that have to be of the brand or category with that name. Below it the
word is an ordinary one, as "simple" is in a catalogue with a brand Simple."""
_THING_SHARE = 0.4
"""Share of the uses of a word in titles that have to name the item. Below it the word is a property, as "camping"."""
_SOME_SHARE = 0.1
"""The same share for a word that stands where a noun would: then it may also name the item less often."""
_TITLES = 2_000
"""Titles of a word that are read for that share."""
_NOT_TEXT = re.compile(r"(.*_)?(id|sku|asin|upc|ean|url|link|image|picture|img)s?(_.*)?", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_LETTERS = re.compile(r"[^\W\d_]{3,}")
_PART = re.compile(r"\s*(?:[&/,;|>+、，·]|\band\b|和|及|与)\s*")


class CatalogueWords:
    """Finds the items of words, and the categories and brands of phrases.

    Args:
        vocabulary: The catalogue.

    Attributes:
        texts: (items,) all texts of every item, folded.
        categories: Tokens of a name or of an unambiguous part of a name, to the category.
        category_parts: The tokens among them that are a part of a name.
        brands: Tokens of a name to the brand.
        ordinary_brands: The same for names that are also ordinary words.
    """

    def __init__(self, vocabulary: ItemVocabulary) -> None:
        self.num_items = vocabulary.num_items
        self.texts = _texts(vocabulary.table)
        spaced = pc.replace_substring_regex(self.texts, pattern=f"([{HAN}]+)", replacement=r" \1 ")
        split = pc.split_pattern_regex(spaced, pattern=r"[^\pL\pN]+")
        encoded = pc.dictionary_encode(pc.list_flatten(split))
        codes = np.asarray(encoded.indices)
        owners = np.asarray(pc.list_parent_indices(split))
        order = np.argsort(codes, kind="stable")
        words: list[str] = encoded.dictionary.to_pylist()
        self._owners = owners[order]
        self._starts = np.searchsorted(codes[order], np.arange(len(words) + 1))
        self._han = [code for code, word in enumerate(words) if re.search(f"[{HAN}]", word)]
        self._han_text = "\n".join(words[code] for code in self._han)
        self._han_ends = np.cumsum([len(words[code]) + 1 for code in self._han])
        self._codes: dict[str, list[int]] = {}
        for code, word in enumerate(words):
            # "12color" also is "color"
            letters = _LETTERS.findall(word) if _DIGIT.search(word) else []
            for form in dict.fromkeys((word, *letters)) if word else ():
                self._codes.setdefault(singular(form), []).append(code)
        self.codes = {name: vocabulary.codes(name) for name in ("category", "brand")}
        whole, parts = _category_names(self.codes["category"][1])
        self.categories = {**parts, **whole}
        self.category_parts = frozenset(parts)
        self.brands = {tokens: name for name in self.codes["brand"][1] if (tokens := tokens_of(folded_text(name)))}
        self.ordinary_brands: dict[Tokens, str] = {}
        self._set_ordinary_names_apart(vocabulary, parts)
        titles = vocabulary.table["title"] if "title" in vocabulary.table.column_names else None
        none = pa.array([""] * self.num_items, pa.large_string())
        self._titles = none if titles is None else folded(pc.fill_null(titles, ""))
        self._naming_share = lru_cache(maxsize=1024)(self._share_of_naming_uses)
        self.is_compound = lru_cache(maxsize=1024)(self._is_compound)
        self.named_rows = lru_cache(maxsize=1024)(self._named_rows)
        self.rows = lru_cache(maxsize=1024)(self._rows)
        self.excluded_rows = lru_cache(maxsize=1024)(self._excluded_rows)

    def of(self, column: str, *names: str) -> np.ndarray:
        """(items,) True for the items of some categories or brands."""
        codes, known = self.codes[column]
        flags: np.ndarray = np.isin(codes[NUM_SPECIAL_ROWS:], [known.index(name) for name in names])
        return flags

    def having(self, wants: Sequence[Sequence[str]]) -> np.ndarray:
        """(items,) True for the items that have one phrase of each of some groups."""
        found = np.ones(self.num_items, dtype=bool)
        for group in wants:
            found &= np.logical_or.reduce([self.rows(phrase) for phrase in group])
        return found

    def frequent_categories(self, count: int) -> list[str]:
        """The categories with most items."""
        codes, names = self.codes["category"]
        sizes = np.bincount(codes[codes >= 0], minlength=len(names))
        return [names[code] for code in np.argsort(-sizes, kind="stable")[:count]]

    def has(self, word: str) -> bool:
        """Whether an item has a word in its texts: a Latin word in the singular, or Han characters inside a text."""
        return word in self._codes or (bool(re.match(f"[{HAN}]", word)) and word in self._han_text)

    def is_han_word(self, text: str) -> bool:
        """Whether the first two of some Han characters are a word, such as 有机, and not 有 with a word behind it.

        They are no word if the characters behind the first one, such as 坚果, are mostly used without it.
        """
        word, rest = text[:2], text[1:3]
        if not self.has(word) or any(text[1:].startswith(ingredient) for ingredient in INGREDIENTS["zh"]):
            return False
        if rest[0] in CHINESE.short or rest[0] in CHINESE.stop:
            return False
        together, alone = self._han_text.count(f"{text[0]}{rest}"), self._han_text.count(rest)
        return alone == 0 or 2 * together > alone or len(rest) == 1

    def is_thing(self, word: str) -> bool:
        """Whether titles use a word mostly as a noun that names the item: "Hiking tent for two", 蓝色帐篷."""
        return self._naming_share(word) >= _THING_SHARE

    def can_be_thing(self, word: str) -> bool:
        """Whether titles use a word at least sometimes as a noun that names the item: 速溶咖啡, beside 咖啡豆."""
        return self._naming_share(word) >= _SOME_SHARE

    def _share_of_naming_uses(self, word: str) -> float:
        """Share of the uses of a word in titles that name the item; 0 without uses."""
        form, names = _name_patterns(singular(word))
        titles = self._titles_of(word).to_pylist()[:_TITLES]
        uses = sum(len(form.findall(title)) for title in titles)
        return sum(len(names.findall(title)) for title in titles) / uses if uses else 0.0

    def _is_compound(self, first: str, second: str) -> bool:
        """Whether titles use a word mostly in front of another one, so that both name a thing: "sleeping bag"."""
        titles = self._titles_of(first).to_pylist()[:_TITLES]
        form, end = (_name_patterns(singular(word))[0].pattern for word in (first, second))
        uses = sum(len(re.findall(form, title)) for title in titles)
        return uses > 0 and sum(len(re.findall(rf"{form}\s+{end}", title)) for title in titles) >= _NAME_SHARE * uses

    def _named_rows(self, word: str) -> np.ndarray:
        """(items,) True for the items whose title names them by a word: not a "tent peg" for "tent"."""
        found = self._rows_of_word(singular(word))
        names = _name_patterns(singular(word))[1]
        found[found] = [names.search(title) is not None for title in self._titles_of(word).to_pylist()]
        return found

    def titled_rows(self, phrase: str) -> np.ndarray:
        """(items,) True for the items that have every word of a phrase in their title."""
        found = self.rows(phrase).copy()
        for word in _words(phrase):
            form = _name_patterns(word)[0]
            titles = self._titles.filter(pa.array(found)).to_pylist()
            found[found] = [form.search(title) is not None for title in titles]
        return found

    def _titles_of(self, word: str) -> pa.Array:
        return self._titles.filter(pa.array(self._rows_of_word(singular(word))))

    def belong_together(self, first: np.ndarray, second: np.ndarray, share: float) -> bool:
        """Whether two wishes can be for one item: more than a share of the items of the rarer one have both."""
        least = min(int(first.sum()), int(second.sum()))
        return int((first & second).sum()) > share * least

    def _rows(self, phrase: str) -> np.ndarray:
        """(items,) True for the items that have every word of a phrase in their texts.

        An ingredient does not count where the text denies it: 不含酒精 is not 酒精.
        """
        found = np.ones(self.num_items, dtype=bool)
        for word in _words(phrase):
            rows = self._rows_of_word(word)
            if word in INGREDIENTS["zh"]:
                rows[rows.nonzero()[0][~self._stated(word, rows)]] = False
            found &= rows
        return found

    def _excluded_rows(self, phrase: str) -> np.ndarray:
        """(items,) True for the items that a phrase excludes.

        An item is excluded if it has every word of the phrase, or a word of the same concept. A word does not count
        where the text denies it, as in "sugar free".
        """
        found = np.ones(self.num_items, dtype=bool)
        for word in _words(phrase):
            of_word = np.zeros(self.num_items, dtype=bool)
            for one in excluded_words(word):
                rows = self._rows_of_word(one)
                of_word[rows.nonzero()[0][self._stated(one, rows)]] = True
            found &= of_word
        return found

    def _rows_of_word(self, word: str) -> np.ndarray:
        codes = self._codes.get(word, [])
        if re.match(f"[{HAN}]", word):
            places = [match.start() for match in re.finditer(re.escape(word), self._han_text)]
            codes = [self._han[i] for i in set(np.searchsorted(self._han_ends, places, side="right").tolist())]
        found = np.zeros(self.num_items, dtype=bool)
        for code in codes:
            found[self._owners[self._starts[code] : self._starts[code + 1]]] = True
        return found

    def _stated(self, word: str, rows: np.ndarray) -> np.ndarray:
        """Whether the texts of some items have a word outside of its denials."""
        texts = self.texts.filter(pa.array(rows)).to_pylist()
        if re.match(f"[{HAN}]", word):
            form, denials, whole = re.escape(word), CHINESE.denials, re.escape(word)
        else:
            form, denials = rf"(?:{'|'.join(re.escape(one) for one in _forms(word))})", ENGLISH.denials
            whole = rf"(?<![^\W_]){form}(?![^\W_])"
        denied = re.compile("|".join(denial.replace("{word}", form) for denial in denials))
        said = re.compile(whole)
        # A word that is found in another form than its plural, such as an irregular one, is not searched for denials.
        return np.array(
            [not said.search(text) or bool(said.search(denied.sub(" ", text))) for text in texts], dtype=bool
        )

    def _set_ordinary_names_apart(self, vocabulary: ItemVocabulary, parts: Mapping[Tokens, str]) -> None:
        """Remove the one-word names that most items use as an ordinary word.

        Args:
            vocabulary: The catalogue.
            parts: The parts of category names among `categories`.
        """
        if "title" not in vocabulary.table.column_names:
            return
        titles = folded(vocabulary.table["title"])
        for tokens, name in parts.items():
            if self.categories.get(tokens) == name and self._is_ordinary(titles, tokens, "category", name):
                del self.categories[tokens]
        for tokens, name in list(self.brands.items()):
            if tokens in self.categories or self._is_ordinary(titles, tokens, "brand", name):
                self.ordinary_brands[tokens] = self.brands.pop(tokens)

    def _is_ordinary(self, titles: Any, tokens: Tokens, column: str, name: str) -> bool:
        if len(tokens) != 1:
            return False
        if tokens[0] in ENGLISH.stop or tokens[0] in CHINESE.stop or tokens[0].isdigit():
            return True
        rows = self._rows(tokens[0])
        form = rf"(^|[^\pL\pN])({'|'.join(_forms(tokens[0]))})([^\pL\pN]|$)"
        in_title = np.asarray(pc.fill_null(pc.match_substring_regex(titles.filter(pa.array(rows)), form), False))
        own = self.of(column, name)[rows][in_title]
        return bool(len(own)) and float(own.mean()) < _NAME_SHARE


def longest(names: Mapping[Tokens, str], tokens: Sequence[str], start: int) -> int:
    """Length of the longest name that begins at a place of some tokens; 0 for none."""
    longest_name = max((len(name) for name in names), default=0)
    for length in range(min(longest_name, len(tokens) - start), 0, -1):
        if tuple(tokens[start : start + length]) in names:
            return length
    return 0


def _words(phrase: str) -> list[str]:
    """Words of a phrase: Latin words in the singular, and runs of Han characters."""
    return [singular(word) for word in re.findall(f"[{HAN}]+|[^\\W_{HAN}]+", phrase)]


@lru_cache(maxsize=1024)
def _name_patterns(word: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Patterns of the uses of a word in titles, and of those that name the item."""
    if re.match(f"[{HAN}]", word):
        form = re.escape(word)
        return re.compile(form), re.compile(f"{form}(?![{HAN}])")
    form = rf"(?<![^\W_])(?:{'|'.join(_forms(word))})(?![^\W_])"
    end = r"\s*(?:$|[^\w\s'-]|[-–—]\s|\d|(?:for|with|by|in|of|and|or|from|to|that|without|on|at|set|kit|pack)\b)"
    return re.compile(form), re.compile(rf"(?:^|(?<!\bwith )(?<!\bfor )(?<!\bof )(?<!\bin )(?<=\w )){form}{end}")


def _forms(word: str) -> list[str]:
    """A word in the singular with its regular plurals."""
    forms = [word, f"{word}s", f"{word}es"]
    if word.endswith("y"):
        forms += [f"{word[:-1]}ies", f"{word[:-1]}ie"]
    return [re.escape(form) for form in forms]


def _texts(table: pa.Table) -> pa.Array:
    """(items,) the texts of all text columns, folded."""
    columns = []
    for name in table.column_names:
        column: Any = table[name]
        if pa.types.is_dictionary(column.type):
            column = pc.cast(column, column.type.value_type)
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            if not (pa.types.is_string(column.type.value_type) or pa.types.is_large_string(column.type.value_type)):
                continue
            column = pc.binary_join(pc.fill_null(column, []), pa.scalar(" ", column.type.value_type))
        is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        if is_text and not _NOT_TEXT.fullmatch(name) and name != "currency":
            columns.append(folded(pc.fill_null(column, "")))
    if not columns:
        return pa.array([""] * table.num_rows, pa.large_string())
    return pc.binary_join_element_wise(*columns, pa.scalar(" | ", pa.large_string()))


def _category_names(names: Sequence[str]) -> tuple[dict[Tokens, str], dict[Tokens, str]]:
    """Whole names, and the parts of names ("toys" of "Toys and Games", 茶 of 茶叶) that only one category has."""
    whole: dict[Tokens, str] = {}
    parts: dict[Tokens, set[str]] = {}
    for name in names:
        text = folded_text(name).replace("_", " ")
        found = [part for part in _PART.split(text) if part]
        plain = tokens_of(" ".join(found))
        for tokens in (
            tokens_of(text),
            plain,
            tokens_of(" and ".join(found)),
            plain[1:] if plain[:1] == ("all",) else (),
        ):
            if tokens:
                whole.setdefault(tokens, name)
        for part in found:
            tokens = tokens_of(part)
            if tokens and tokens[0] not in ENGLISH.stop and not tokens[0].isdigit():
                parts.setdefault(tokens, set()).add(name)
            if LONGER_NAMES.fullmatch(part):
                parts.setdefault(tokens[:1], set()).add(name)  # 茶 for 茶叶
    single = {tokens: owners.pop() for tokens, owners in parts.items() if len(owners) == 1}
    return whole, {tokens: name for tokens, name in single.items() if tokens not in whole}
