"""Answers made of templates, in the customer's language; the only names in them are those of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence

from .allowed_items import Limit
from .dialogue import Understood
from .phrases import PHRASES, Phrases
from .prices import PriceLimits


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

    def found(self, items: Sequence[tuple[str, str]]) -> str:
        """The list of items, each with title and price (empty if unknown)."""
        named = [self.phrases.priced.format(title=t, price=p) if p else t for t, p in items]
        return self.phrases.found.format(wishes=self.wishes(), items=self.phrases.semicolon.join(named))

    def wishes(self) -> str:
        """All wishes and limits in words, with the mark before them; empty if there are none."""
        state, words = self.state, self.phrases
        parts = []
        if state.category is not None:
            parts.append(words.category.format(value=shown_name(state.category)))
        if state.brand is not None:
            parts.append(words.brand.format(value=state.brand))
        if state.attributes:
            parts.append(words.attributes.format(value=words.comma.join(state.attributes)))
        if state.price:
            parts.append(self.price(state.price))
        if excluded := (*map(shown_name, state.not_categories), *state.not_brands, *state.not_words):
            parts.append(words.not_wanted.format(value=words.comma.join(excluded)))
        if not parts:
            return ""
        return f" {words.comma.join(parts)}" if state.language == "en" else f"（{'，'.join(parts)}）"

    def limit(self, limit: Limit) -> str:
        """One limit in words."""
        if limit.kind == "price":
            return self.price(self.state.price)
        if limit.kind == "not_items":
            return self.phrases.turned_down
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
        first = self.phrases.nothing.format(wishes=self.wishes())
        if loosen is None:
            return self.sentences(first, self.phrases.loosen_all)
        limit, count = loosen
        items = self.phrases.one_item if count == 1 else self.phrases.items.format(count=f"{count:,}")
        return self.sentences(first, self.phrases.loosen.format(limit=self.limit(limit), items=items))

    def advice(self) -> str:
        """What a customer can say."""
        names = [shown_name(name) for name in self._categories]
        if not names:
            return self.phrases.no_categories
        listed = self.phrases.comma.join(names[:-1])
        text = f"{listed}{self.phrases.last}{names[-1]}" if listed else names[-1]
        return self.phrases.categories.format(names=text)


def shown_name(name: str) -> str:
    """The name of a category for a reader: "Toys_and_Games" has blanks instead of underscores."""
    return name if " " in name else name.replace("_", " ")


def shown_state(state: Understood) -> str:
    """The wishes and limits in force, in the customer's language; empty if there are none."""
    return Answers(state, ()).wishes().strip(" （）")
