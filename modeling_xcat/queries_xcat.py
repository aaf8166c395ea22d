"""What some users ask for: queries that the model can read, their words, and notes about them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch

from .ask_words_xcat import AskWords
from .asks_xcat import Asks
from .recommending_xcat import ItemRanker, Recommendation

UNREAD = "nothing in the catalogue is close to the query, so the list is as without it"
NO_WORD = "no listed item is explained by a word of the query"
BY_MEANING = f"{NO_WORD}, only by its meaning"
PRICE_REMEDY = "ChatSession reads price limits, and recommend(filters=['price<20']) keeps them"
PRICE = f"the query names a price, which is no limit here: {PRICE_REMEDY}"
EXCLUSION_REMEDY = "ChatSession reads exclusions, and exclude_categories= leaves out categories"
EXCLUSION = f"the query excludes something, which leaves nothing out here: {EXCLUSION_REMEDY}"
"""Notes about a query. They quote none of its words, because notes may be logged."""

_ASKS_AT_ONCE = 256
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


_NOTHING_BUT = r"(?!\s+(?:only|just|too|very|more|less|sure|matter|problem|longer|later|worry)\b)"
_WITHOUT = re.compile(
    rf"\b(?:not|no|without|except|excluding|exclude|don'?t\s+want|do\s+not\s+want|nothing\s+with|other\s+than"
    rf"|anything\s+but){_NOTHING_BUT}\s+\w|不要|不想要|不含|不带|没有|除了|(?<!差)别要",
    re.IGNORECASE,
)


def excludes(query: str) -> bool:
    """Whether a query says what is not wanted.

    Example:
        >>> [excludes(text) for text in ("not tea, something with coffee", "soap without perfume", "不含糖的茶")]
        [True, True, True]
        >>> [excludes(text) for text in ("not only tea", "knots and notes", "green tea", "绿茶")]
        [False, False, False, False]
    """
    return bool(_WITHOUT.search(query.replace("\u2019", "'")))


def names_price(query: str) -> bool:
    """Whether a query names an amount of money.

    Example:
        >>> [names_price(text) for text in ("tents under 5 dollars", "tents under 5", "帐篷 50元以下", "$5 mug")]
        [True, True, True, True]
        >>> [names_price(text) for text in ("boots under 5 feet", "tent for 2", "size 42 boots")]
        [False, False, False]
    """
    return bool(_MONEY.search(query))


@torch.no_grad()
def readable(ranker: ItemRanker, processor: Any, asks: Sequence[str]) -> list[bool]:
    """Whether each ask says something about an item of the catalogue; see `XCatAskReader.comparable`.

    Args:
        ranker: Ranks the items.
        processor: The `XCatProcessor` of its model.
        asks: One text per user, "" for none.
    """
    different, found = list(dict.fromkeys(asks)), dict[str, bool]()
    for start in range(0, len(different), _ASKS_AT_ONCE):
        part = different[start : start + _ASKS_AT_ONCE]
        token_ids = processor.ask_inputs(part)["token_ids"].to(ranker.model.device)
        found.update(zip(part, ranker.model.model.asks.has_words(token_ids).tolist(), strict=True))
        if others := [ask for ask in part if ask and not found[ask]]:
            found.update(zip(others, ranker.read_asks(processor.ask_inputs(others)).present.tolist(), strict=True))
    return [found[ask] for ask in asks]


class Queries:
    """The queries of some users.

    Args:
        ranker: Ranks the items.
        processor: The `XCatProcessor` of its model.
        texts: One query per user, "" for none; None if nobody asks.
        explain: Whether recommendations are explained by words of the query.

    Attributes:
        read: Per user, the part of the query that the model reads; "" for no query and for one that it cannot compare
            with items. None if no query can be compared.

    Raises:
        ValueError: If somebody asks and the model does not read queries.
    """

    def __init__(self, ranker: ItemRanker, processor: Any, texts: Sequence[str] | None, explain: bool) -> None:
        self._ranker, self._processor, self._texts, self._explain = ranker, processor, texts, explain
        self.read: list[str] | None = None
        if texts is None:
            return
        ranker.model.model.check_reads_asks()
        known = readable(ranker, processor, texts)
        self._given = processor.ask_texts(texts)
        read = [given.text if one else "" for given, one in zip(self._given, known, strict=True)]
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
            notes += [UNREAD] if given.text else []
        elif self._explain and found and not any(item.words for item in found):
            note = BY_MEANING if any(item.by_meaning for item in found) else NO_WORD
            notes.append(note.replace("of the query", "of the part that was read") if given.is_cut else note)
        text = self._texts[user]
        return [*notes, *[PRICE] * names_price(text), *[EXCLUSION] * excludes(text)]
