"""What some users ask for: queries that the model can read, their words, and notes about them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .ask_words_xcat import AskWords
from .asks_xcat import Asks
from .recommending_xcat import ItemRanker, Recommendation

UNREAD = "no item has a word of the query, so the list does not depend on it"
NO_WORD = "no listed item is explained by a word of the query"
BY_MEANING = f"{NO_WORD}, only by its meaning"
PRICE_REMEDY = "ChatSession reads price limits, and only_items= keeps the items within your own"
PRICE = f"the query names a price, which is no limit here: {PRICE_REMEDY}"
"""Notes about a query. They quote none of its words, because notes may be logged."""

_AMOUNT = r"\d[\d,]*(?:\.\d+)?"
_CODES = "usd|eur|gbp|cny|rmb|jpy|inr|cad|aud"
_CUES = (
    "under|below|less than|cheaper than|up to|at most|no more than|not more than|max(?:imum)?|budget(?: of)?"
    "|over|above|more than|at least"
)
_MONEY = re.compile(
    rf"[$€£¥₹￥]\s*{_AMOUNT}|{_AMOUNT}\s*(?:[$€£¥₹￥]|(?:{_CODES}|dollars?|bucks?|euros?|cents?|yuan|yen|rupees?)\b"
    rf"|元|块|欧|美金|人民币)|\b(?:{_CODES})\s*{_AMOUNT}|\b(?:{_CUES})\s*{_AMOUNT}\s*$"
    rf"|(?:不超过|低于|高于|最多|至少|预算)\s*{_AMOUNT}\s*$|{_AMOUNT}\s*(?:以下|以内|以上)\s*$",
    re.IGNORECASE,
)


def names_price(query: str) -> bool:
    """Whether a query names an amount of money.

    Example:
        >>> [names_price(text) for text in ("tents under 5 dollars", "tents under 5", "帐篷 50元以下", "$5 mug")]
        [True, True, True, True]
        >>> [names_price(text) for text in ("boots under 5 feet", "tent for 2", "size 42 boots")]
        [False, False, False]
    """
    return bool(_MONEY.search(query))


class Queries:
    """The queries of some users.

    Args:
        ranker: Ranks the items.
        processor: The `XCatProcessor` of its model.
        texts: One query per user, "" for none; None if nobody asks.
        explain: Whether recommendations are explained by words of the query.

    Attributes:
        read: The part that is read of the queries that can be compared with items, "" for none and for others; None
            if there are none.

    Raises:
        ValueError: If somebody asks and the model does not read queries.
    """

    def __init__(self, ranker: ItemRanker, processor: Any, texts: Sequence[str] | None, explain: bool) -> None:
        self._ranker, self._processor, self._texts, self._explain = ranker, processor, texts, explain
        self.read: list[str] | None = None
        if texts is None:
            return
        base = ranker.model.model
        base.check_reads_asks()
        inputs = processor.ask_inputs(texts)
        readable = base.asks.readable(*(inputs[name].to(base.device) for name in ("token_ids", "meant"))).tolist()
        self._given = processor.ask_texts(texts)
        read = [given.text if known else "" for given, known in zip(self._given, readable, strict=True)]
        self.read = read if any(read) else None

    def asks(self, users: Sequence[int]) -> tuple[Asks | None, AskWords | None]:
        """What some users ask for, and its words if recommendations are explained."""
        if self.read is None:
            return None, None
        own = [self.read[user] for user in users]
        asks = self._ranker.read_asks(self._processor.ask_inputs(own))
        return asks, self._ranker.ask_words(self._processor, own) if self._explain else None

    def notes(self, user: int, found: Sequence[Recommendation]) -> list[str]:
        """Notes about the query of a user and its list."""
        if self._texts is None or not self._texts[user]:
            return []
        given = self._given[user]
        notes = list(given.notes)
        if self.read is None or not self.read[user]:
            notes.append(UNREAD)
        elif self._explain and found and not any(item.words for item in found):
            note = BY_MEANING if any(item.by_meaning for item in found) else NO_WORD
            notes.append(note.replace("of the query", "of the part that was read") if given.is_cut else note)
        return [*notes, PRICE] if names_price(self._texts[user]) else notes
