"""Answers made of templates, in the customer's language; the only names in them are those of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from .allowed_items import Limit
from .dialogue import Understood
from .phrases import PHRASES, Phrases
from .prices import PriceLimits

_LONG_TITLE = 30
"""Characters of a title that is read at a glance."""
Want = tuple[str, ...]
"""Phrases of which one is enough; see `Understood.wants`."""


class Shown(NamedTuple):
    """A listed item.

    Args:
        title: Its title.
        price: Its price in words; empty if unknown.
        words: The wanted words that it has.
        is_close: Whether it has none of them and is close to their meaning.
    """

    title: str
    price: str
    words: tuple[str, ...]
    is_close: bool = False

    def has(self, want: Want) -> bool:
        """Whether the item has one of the phrases of a group."""
        return any(set(phrase.split()) <= {*self.words} for phrase in want)


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

    def found(self, items: Sequence[Shown], across: bool = False) -> str:
        """The list of items, with the wanted words that all, some and none of them have.

        Items without the main noun (`Understood.things`) are listed apart, and so are items without the wanted words
        if others have them all.

        Args:
            items: The items, best first.
            across: Whether the wanted words are in another language than the texts of the items.
        """
        wants = self.state.wants
        if across and items and all(item.is_close for item in items):
            named = {"count": self.count(len(items)), "wishes": self.wishes(), "items": self._titles(items)}
            return self.phrases.across.format(words=self.quoted(wants), **named)
        full = [item for item in items if all(item.has(want) for want in wants)]
        main = [want for want in wants if any(word in self.state.things for one in want for word in one.split())]
        fitting = [item for item in items if all(item.has(want) for want in main)]
        if full:
            some = [item for item in fitting if item not in full and (main or item.words)]
            some_of = self.phrases.rest_some.format(items=self._titles(some)) if some else ""
            return self.sentences(self._list(full, wants), some_of, self._rest(items, [*full, *some], main))
        if not fitting or (wants and not self.state.categories and not any(item.words for item in items)):
            template = self.phrases.nothing_else if self.state.not_items else self.phrases.nothing_fits
            first = template.format(wishes=self.wishes(self.having(main or wants)))
            return self.sentences(first, self._rest(items, [], main))
        counts = {want: sum(item.has(want) for item in fitting) for want in wants}
        some_have = [want for want in wants if 0 < counts[want] < len(fitting)]
        none_has = [want for want in wants if not counts[want]]
        words = self.phrases
        template, meaning = words.none, words.are_by_meaning
        if len(fitting) == 1:
            template, meaning = words.none_one, words.is_by_meaning
        meaning = meaning if all(item.is_close for item in fitting) and none_has == list(wants) else ""
        return self.sentences(
            self._list(fitting, [want for want in wants if counts[want] == len(fitting)]),
            words.some.format(words=self.quoted(some_have)) if some_have else "",
            template.format(words=self.quoted(none_has), by_meaning=meaning) if none_has else "",
            self._rest(items, fitting, main),
        )

    def _rest(self, items: Sequence[Shown], listed: Sequence[Shown], main: Sequence[Want]) -> str:
        """The items that were not listed yet: without the main noun, or without the wanted words."""
        rest = [item for item in items if item not in listed]
        these = self.phrases.this_word if len(self.state.wants) == 1 else self.phrases.these_words
        if main and any(item.words for item in rest):
            these = self.quoted(main)
        parts = (([item for item in rest if item.is_close], self.phrases.by_meaning),
                 ([item for item in rest if not item.is_close], ""))  # fmt: skip
        return self.sentences(*(
            self.phrases.rest_none.format(items=self._titles(some), these=these, by_meaning=meaning)
            for some, meaning in parts if some
        ))  # fmt: skip

    def _list(self, items: Sequence[Shown], having: Sequence[Want]) -> str:
        wishes, titles = self.wishes(self.having(having)), self._titles(items)
        return self.phrases.found.format(count=self.count(len(items)), wishes=wishes, items=titles)

    def having(self, words: Sequence[Want]) -> str:
        """Words that items have: with the words "blue" and "warm"; empty for none."""
        return self.phrases.having.format(words=self.quoted(words)) if words else ""

    def _titles(self, items: Sequence[Shown]) -> str:
        """The titles with their prices, in quotes if one is long, so that they do not run together."""
        is_long = any(len(item.title) > _LONG_TITLE or self.phrases.semicolon in item.title for item in items)
        titles = [self.phrases.quoted.format(value=item.title) if is_long else item.title for item in items]
        named = [
            self.phrases.priced.format(title=title, price=item.price) if item.price else title
            for title, item in zip(titles, items, strict=True)
        ]
        return self.phrases.semicolon.join(named)

    def unknown(self, things: Sequence[str]) -> str:
        """The note about things that no item has; empty for none."""
        return self.phrases.unknown.format(words=self.quoted([tuple(things)])) if things else ""

    def quoted(self, words: Sequence[Want]) -> str:
        """Words as they were written: the word "blue", the words "warm" and "red" or "blue"."""
        quoted = [
            self._joined([self.phrases.quoted.format(value=phrase) for phrase in want], self.phrases.last_or)
            for want in words
        ]
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
        if state.categories:
            parts.append(self.wanted_categories())
        if state.brands:
            parts.append(words.brand.format(value=self._joined(state.brands, words.last_or)))
        if state.price:
            parts.append(self.price(state.price))
        if excluded := (*map(shown_name, state.not_categories), *state.not_brands, *state.not_words):
            parts.append(words.not_wanted.format(value=self._joined(excluded, words.last_not)))
        if having:
            parts.append(having)
        if not parts:
            return ""
        return f" {words.comma.join(parts)}" if state.language == "en" else f"（{'，'.join(parts)}）"

    def wanted_categories(self) -> str:
        """The wanted categories in words."""
        names = self._joined([*map(shown_name, self.state.categories)], self.phrases.last_or)
        found = self.phrases.category.format(value=names)
        if not self.state.or_words:
            return found
        return f"{found}{self.phrases.last_or}{self.having([self.state.or_words])}"

    def negative(self, prices: Sequence[str]) -> str:
        """The note about prices below zero."""
        quoted = [self.phrases.quoted.format(value=price) for price in prices]
        return self.phrases.negative.format(prices=self._joined(quoted, self.phrases.last_word))

    def limit(self, limit: Limit) -> str:
        """One limit in words."""
        if limit.kind == "price":
            return self.price(self.state.price)
        if limit.kind == "category":
            return self.wanted_categories()
        if limit.kind == "brand":
            return self.phrases.brand.format(value=self._joined(self.state.brands, self.phrases.last_or))
        return self.phrases.not_wanted.format(value=shown_name(limit.value))

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

    def nothing(self, loosen: tuple[Limit, int] | None, prices: Sequence[float] = (), *, has_all: bool = False) -> str:
        """No item is left; names the limit to loosen, and the price of the nearest item for a price limit.

        Args:
            loosen: The limit, with the number of items that it leaves out; None for none.
            prices: The prices of these items, NaN if unknown, for a price limit.
            has_all: Whether the history has the items that would fit.
        """
        template = (
            self.phrases.nothing_new
            if has_all
            else self.phrases.nothing_else
            if self.state.not_items
            else self.phrases.nothing
        )
        first = template.format(wishes=self.wishes(self.having(self._missing())))
        if loosen is None:
            return self.sentences(first, self.advice() if has_all else self.phrases.loosen_all)
        return self.sentences(
            first, "" if loosen[0].kind == "not_items" else self._nearest(prices), self.offer(*loosen)
        )

    def offer(self, limit: Limit, count: int) -> str:
        """The offer to drop a limit.

        Args:
            limit: The limit.
            count: The number of items without it.
        """
        if limit.kind == "not_items":
            return self.phrases.show_again.format(items=self.count(count))
        return self.phrases.loosen.format(limit=self.limit(limit), items=self.count(count))

    def _missing(self) -> list[Want]:
        """The wanted words that no allowed item has, if nothing is left: without a category, all of them."""
        things = self.state.things
        return [
            want for want in self.state.wants
            if not self.state.categories or any(word in things for phrase in want for word in phrase.split())
        ]  # fmt: skip

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
    joined = (answers.phrases.last_or.join(want) for want in state.wants)
    words = answers.phrases.comma.join(joined)
    shown = answers.wishes(answers.phrases.attributes.format(value=words) if words else "").strip()
    shown = shown.removeprefix("（").removesuffix("）")
    if not state.names:
        return shown
    category, names = answers.wanted_categories(), answers.phrases.last_or.join(state.names)
    return shown.replace(category, category + answers.phrases.part.format(names=names), 1)
