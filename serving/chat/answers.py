"""Answers made of templates, in the customer's language; the only names in them are those of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .allowed_items import Limit
from .dialogue import Understood
from .phrases import PHRASES, Phrases
from .prices import PriceLimits


class Shown(NamedTuple):
    """A listed item.

    Args:
        title: Its title.
        price: Its price in words; empty if unknown.
        words: The wanted words that it has.
    """

    title: str
    price: str
    words: tuple[str, ...]


class Answers:
    """Sentences for one state of a dialogue.

    Args:
        state: The state.
        categories: The most frequent categories, for advice.
    """

    def __init__(self, state: Understood, categories: Sequence[str]) -> None:
        self.state, self._categories = state, categories
        self.phrases: Phrases = PHRASES[state.language]

    def sentences(self, *sentences: str) -> str:
        """Sentences as one text."""
        return self.phrases.space.join(sentence for sentence in sentences if sentence)

    def found(self, items: Sequence[Shown], by_meaning: bool) -> str:
        """The list of items, in groups by the wanted words that they have.

        Args:
            items: The items, best first.
            by_meaning: Whether the model compares the meaning of the words.
        """
        words, wanted = self.phrases, set(self.state.attributes)
        full = [item for item in items if wanted <= set(item.words)]
        some = [item for item in items if item.words and not wanted <= set(item.words)]
        none = [item for item in items if wanted and not item.words]
        meaning = words.by_meaning if by_meaning else ""
        if full or some:
            template = words.all_words if full else words.some_words
            first = self._list(full or some, template.format(words=self._quoted()) if wanted else "")
        else:
            note = words.none.format(words=self._quoted(), by_meaning=meaning)
            return self.sentences(self._list(none), note)
        more = words.rest_some.format(items=self._titles(some)) if full and some else ""
        rest = words.rest_none.format(items=self._titles(none), by_meaning=meaning) if none else ""
        return self.sentences(first, more, rest)

    def _list(self, items: Sequence[Shown], having: str = "") -> str:
        wishes, titles = self.wishes(having), self._titles(items)
        return self.phrases.found.format(count=self.count(len(items)), wishes=wishes, items=titles)

    def _titles(self, items: Sequence[Shown]) -> str:
        named = [
            self.phrases.priced.format(title=item.title, price=item.price) if item.price else item.title
            for item in items
        ]
        return self.phrases.semicolon.join(named)

    def _quoted(self) -> str:
        """The wanted words: the word "blue", the words "blue" and "warm"."""
        quoted = [self.phrases.quoted.format(value=word) for word in self.state.attributes]
        template = self.phrases.word if len(quoted) == 1 else self.phrases.words
        return template.format(words=self._joined(quoted, self.phrases.last_word))

    def _joined(self, names: Sequence[str], last: str) -> str:
        listed = self.phrases.comma.join(names[:-1])
        return f"{listed}{last}{names[-1]}" if listed else names[-1]

    def count(self, number: int) -> str:
        """A number of items."""
        return self.phrases.one_item if number == 1 else self.phrases.items.format(count=f"{number:,}")

    def wishes(self, having: str = "") -> str:
        """The wishes and limits that are filters, in words, with the mark before them; empty if there are none.

        Args:
            having: More that is true of every item.
        """
        state, words = self.state, self.phrases
        parts = []
        if state.category is not None:
            parts.append(words.category.format(value=shown_name(state.category)))
        if state.brand is not None:
            parts.append(words.brand.format(value=state.brand))
        if state.price:
            parts.append(self.price(state.price))
        if excluded := (*map(shown_name, state.not_categories), *state.not_brands, *state.not_words):
            parts.append(words.not_wanted.format(value=words.comma.join(excluded)))
        if having:
            parts.append(having)
        if not parts:
            return ""
        return f" {words.comma.join(parts)}" if state.language == "en" else f"（{'，'.join(parts)}）"

    def negative(self, prices: Sequence[str]) -> str:
        """The note about prices below zero."""
        quoted = [self.phrases.quoted.format(value=price) for price in prices]
        return self.phrases.negative.format(prices=self._joined(quoted, self.phrases.last_word))

    def limit(self, limit: Limit) -> str:
        """One limit in words."""
        if limit.kind == "price":
            return self.price(self.state.price)
        named = {"category": self.phrases.category, "brand": self.phrases.brand}
        return named.get(limit.kind, self.phrases.not_wanted).format(value=shown_name(limit.value))

    def price(self, limits: PriceLimits) -> str:
        """Price limits in words."""
        unit = f" {limits.currency}" if limits.currency else ""
        low = None if limits.minimum is None else f"{limits.minimum:,.2f}"
        high = None if limits.maximum is None else f"{limits.maximum:,.2f}{unit}"
        words = self.phrases
        if low is not None and high is not None:
            return words.between.format(low=low, high=high)
        if high is not None:
            return (words.below if limits.below_maximum else words.at_most).format(value=high)
        return (words.above if limits.above_minimum else words.at_least).format(value=f"{low}{unit}")

    def unpriced(self, count: int) -> str:
        """The note about items without a known price; empty for none."""
        if not count:
            return ""
        return self.phrases.unpriced_one if count == 1 else self.phrases.unpriced.format(count=f"{count:,}")

    def nothing(self, loosen: tuple[Limit, int] | None) -> str:
        """No item is left; names the limit to loosen."""
        template = self.phrases.nothing_else if self.state.not_items else self.phrases.nothing
        first = template.format(wishes=self.wishes())
        if loosen is None:
            return self.sentences(first, self.phrases.loosen_all)
        limit, count = loosen
        if limit.kind == "not_items":
            return self.sentences(first, self.phrases.show_again.format(items=self.count(count)))
        return self.sentences(first, self.phrases.loosen.format(limit=self.limit(limit), items=self.count(count)))

    def advice(self) -> str:
        """What a customer can say."""
        names = [shown_name(name) for name in self._categories]
        if not names:
            return self.phrases.no_categories
        return self.phrases.categories.format(names=self._joined(names, self.phrases.last))


def shown_name(name: str) -> str:
    """The name of a category for a reader: "Toys_and_Games" has blanks instead of underscores."""
    return name if " " in name else name.replace("_", " ")


def shown_state(state: Understood) -> str:
    """The wishes and limits in force, in the customer's language; empty if there are none."""
    answers = Answers(state, ())
    words = answers.phrases.comma.join(state.attributes)
    return answers.wishes(answers.phrases.attributes.format(value=words) if words else "").strip(" （）")
