"""Answers made of templates, in the customer's language; the only names in them are those of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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
        """The list of items, with the wanted words that all, some and none of them have.

        Args:
            items: The items, best first.
            by_meaning: Whether the model compares the meaning of the words.
        """
        words, wanted = self.phrases, self.state.attributes
        full = [item for item in items if set(wanted) <= set(item.words)]
        if full:
            some = self._titles([item for item in items if item.words and item not in full])
            none = self._titles([item for item in items if not item.words and item not in full])
            these = words.this_word if len(wanted) == 1 else words.these_words
            meaning = words.by_meaning if by_meaning else ""
            return self.sentences(
                self._list(full, wanted),
                words.rest_some.format(items=some) if some else "",
                words.rest_none.format(items=none, these=these, by_meaning=meaning) if none else "",
            )
        counts = {word: sum(word in item.words for item in items) for word in wanted}
        some_have = [word for word in wanted if 0 < counts[word] < len(items)]
        none_has = [word for word in wanted if not counts[word]]
        template, meaning = words.none, words.are_by_meaning
        if len(items) == 1:
            template, meaning = words.none_one, words.is_by_meaning
        meaning = meaning if by_meaning and none_has == list(wanted) else ""
        return self.sentences(
            self._list(items, [word for word in wanted if counts[word] == len(items)]),
            words.some.format(words=self.quoted(some_have)) if some_have else "",
            template.format(words=self.quoted(none_has), by_meaning=meaning) if none_has else "",
        )

    def _list(self, items: Sequence[Shown], having: Sequence[str]) -> str:
        wishes, titles = self.wishes(self.having(having)), self._titles(items)
        return self.phrases.found.format(count=self.count(len(items)), wishes=wishes, items=titles)

    def having(self, words: Sequence[str]) -> str:
        """Words that items have: with the words "blue" and "warm"; empty for none."""
        return self.phrases.having.format(words=self.quoted(words)) if words else ""

    def _titles(self, items: Sequence[Shown]) -> str:
        named = [
            self.phrases.priced.format(title=item.title, price=item.price) if item.price else item.title
            for item in items
        ]
        return self.phrases.semicolon.join(named)

    def unknown(self, things: Sequence[str]) -> str:
        """The note about things that no item has; empty for none."""
        return self.phrases.unknown.format(words=self.quoted(things)) if things else ""

    def quoted(self, words: Sequence[str]) -> str:
        """Words as they were written: the word "blue", the words "blue" and "warm"."""
        quoted = [self.phrases.quoted.format(value=word) for word in words]
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
            parts.append(words.not_wanted.format(value=self._joined(excluded, words.last_not)))
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
        if low is not None and high is not None and (limits.above_minimum or limits.below_maximum):
            sides = (replace(limits, maximum=None), replace(limits, minimum=None))
            return words.comma.join(map(self.price, sides))
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

    def nothing(self, loosen: tuple[Limit, int] | None, prices: Sequence[float] = ()) -> str:
        """No item is left; names the limit to loosen, and the price of the nearest item for a price limit.

        Args:
            loosen: The limit, with the number of items that it leaves out; None for none.
            prices: The prices of these items, NaN if unknown, for a price limit.
        """
        template = self.phrases.nothing_else if self.state.not_items else self.phrases.nothing
        first = template.format(wishes=self.wishes(self.having(self._missing())))
        if loosen is None:
            return self.sentences(first, self.phrases.loosen_all)
        limit, count = loosen
        if limit.kind == "not_items":
            return self.sentences(first, self.phrases.show_again.format(items=self.count(count)))
        return self.sentences(
            first,
            self._nearest(prices),
            self.phrases.loosen.format(limit=self.limit(limit), items=self.count(count)),
        )

    def _missing(self) -> tuple[str, ...]:
        """The wanted words that no allowed item has, if nothing is left: without a category, all of them."""
        return self.state.things if self.state.category is not None else self.state.attributes

    def _nearest(self, prices: Sequence[float]) -> str:
        """The price beyond a limit that is nearest to it; empty if the limit has two sides, or no price is known."""
        limits, known = self.state.price, [price for price in prices if price == price]
        if not known or (limits.minimum is not None and limits.maximum is not None):
            return ""
        if limits.maximum is not None:
            return self.phrases.nearest_cheapest.format(price=f"{min(known):,.2f}")
        return self.phrases.nearest_dearest.format(price=f"{max(known):,.2f}")

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
