"""Explanation of one recommendation, as data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ...modeling_xcat.recommending_xcat import Basis, Reason

Language = Literal["en", "zh"]
"""Language of the sentences: English or Chinese."""


@dataclass(frozen=True)
class EventInfluence:
    """Influence of an item of the history on the explained item.

    Args:
        item_id: Its external id.
        title: Its title, or its id without one.
        category: Its category.
        influence: By how much its events raise the log odds of the explained item, by the chosen method; negative if
            they lower them. Attention has weights instead, which sum to at most 1.
        weight: Share of the odds that is lost without its events, from 0 to 1, as of a `Reason`.
    """

    item_id: str
    title: str
    category: str | None
    influence: float
    weight: float


@dataclass(frozen=True)
class Counterfactual:
    """The place of the explained item, or the probability of a click, without one item of the history.

    Args:
        item_id: The item that is left out, with all its events.
        title: Its title, or its id without one.
        rank: Place of the explained item without it, from 1: the same request is ranked again. None for a click.
        score: Score of the explained item without it; None for a list of popular items.
        basis: Basis of that list; "popular" if nothing is left of the history.
        probability: Probability of a click without it.
    """

    item_id: str
    title: str
    rank: int | None
    score: float | None
    basis: Basis
    probability: float | None = None


@dataclass(frozen=True)
class WordInfluence:
    """Influence of a word on the explained item.

    Args:
        word: The word as written.
        influence: By how much it raises the log odds of the explained item; negative if it lowers them.
    """

    word: str
    influence: float


@dataclass(frozen=True)
class NearestItem:
    """The item of the history that is most similar to the explained item.

    Args:
        item_id: Its external id.
        title: Its title, or its id without one.
        similarity: Cosine of the texts, or of the item embeddings of a model without texts.
    """

    item_id: str
    title: str
    similarity: float


@dataclass(frozen=True)
class Explanation:
    """Why an item is recommended.

    Args:
        item_id: Its external id.
        title: Its title, or its id without one.
        basis: Basis of the list; see `Basis`. A popular item has no reasons.
        method: Method of the influences; see `METHODS`.
        score: Its score, or the log odds of a click.
        rank: Its place in the list of all items, from 1; None for a click.
        probability: Probability of a click, for a model of clicks.
        category_path: Levels of its category, such as ("Beauty", "Hair Care").
        known_categories: Examined items of the history that share its category.
        because: Items of the history without which its score falls, as in `recommend`, the largest weight first.
        counterfactuals: For each reason, its place without that item.
        events: The examined items of the history, the latest first.
        nearest: The most similar item of the history.
        item_words: Words of its own texts, in their order.
        event_words: Words of the texts of the first reason, in their order.
        query_words: Words of the query, in their order.
        language: Language of the sentence.
        notes: Notes for a reader.
    """

    item_id: str
    title: str
    basis: Basis
    method: str
    score: float
    rank: int | None = None
    probability: float | None = None
    category_path: tuple[str, ...] = ()
    known_categories: int = 0
    because: tuple[Reason, ...] = ()
    counterfactuals: tuple[Counterfactual, ...] = ()
    events: tuple[EventInfluence, ...] = ()
    nearest: NearestItem | None = None
    item_words: tuple[WordInfluence, ...] = ()
    event_words: tuple[WordInfluence, ...] = ()
    query_words: tuple[WordInfluence, ...] = ()
    language: Language = "en"
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def sentence(self) -> str:
        """The explanation in a few sentences of its language."""
        from .sentences import sentence_of

        return sentence_of(self)

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON; `sentence` is among them."""
        return {**asdict(self), "notes": list(self.notes), "sentence": self.sentence}

    def heat_map(self, file: str | os.PathLike[str] | None = None, *, width: int | None = None) -> str:
        """The influences as a picture: events and words, blue for support and red for the opposite.

        Args:
            file: SVG file to write, too.
            width: Width in pixels, such as 340 for a telephone; None for 760.

        Returns:
            The SVG, which needs no other file and no network.

        Raises:
            ValueError: If the name of the file does not end in .svg, or the width is too small.
            OSError: If there is no such folder, or the file cannot be written.
        """
        from .heat_map import WIDTH, svg_of

        if file is not None and Path(file).suffix.lower() != ".svg":
            raise ValueError(f"file {os.fspath(file)!r}: a heat map is an SVG; give a name that ends in .svg")
        if file is not None and not Path(file).parent.is_dir():
            raise FileNotFoundError(f"file {os.fspath(file)!r}: there is no folder {Path(file).parent}; make it first")
        drawn = svg_of(self, WIDTH if width is None else width)
        if file is not None:
            Path(file).write_text(drawn, encoding="utf-8")
        return drawn


def signed(influence: float) -> str:
    """An influence with its sign and two decimals.

    Example:
        >>> signed(0.126), signed(-1.5), signed(-0.001)
        ('+0.13', '-1.50', '+0.00')
    """
    return f"{round(influence, 2) + 0.0:+.2f}"
