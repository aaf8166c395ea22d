"""Explanation of recommendations by a query: the words that raise each item's score."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from .asks_xcat import Asks, XCatAskReader
from .items_xcat import XCatItemEncoder

Rescore = Callable[[torch.Tensor, Asks], torch.Tensor]
"""Scores (n, candidates) of the candidates of (n,) query numbers for n other asks, everything else unchanged."""
_AT_ONCE = 32
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


@dataclass(frozen=True)
class AskWords:
    """Words of some asks.

    Args:
        of_tokens: The word of each token of each ask, as written; "" for a word that explains nothing.
        without: Reads asks without a word, given pairs of query number and word.
        asks: The asks as written.
    """

    of_tokens: Sequence[Sequence[str]]
    without: Callable[[Sequence[tuple[int, str]]], Asks]
    asks: Sequence[str] = ()


def carrying_words(
    reader: XCatAskReader,
    items: XCatItemEncoder,
    asks: Asks,
    words: AskWords,
    rows: torch.Tensor,
    candidates: torch.Tensor,
    rescore: Rescore,
) -> list[list[tuple[tuple[str, ...], bool]]]:
    """The words of each ask that raise the score of each listed item, the first by most.

    A word raises a score if the item's text has the whole word, and if the score is lower for the ask without it.

    Args:
        reader: The reader of the asks.
        items: The item table.
        asks: The asks.
        words: Their words.
        rows: (queries, n) item indices of the lists.
        candidates: (queries, candidates) item indices that have the listed ones among them.
        rescore: See `Rescore`.

    Returns:
        Per query and listed item: its words, and whether it has none and is close to the meaning of the ask.
    """
    matched = reader.matches(asks, rows, items)
    pairs: list[tuple[int, str]] = []
    having = []
    for query, own in enumerate(words.of_tokens):
        for word in filter(None, dict.fromkeys(own)):
            there = matched[query][:, [place for place, other in enumerate(own) if other == word]].all(1)
            if there.any():
                pairs.append((query, word))
                having.append(there)
    by_meaning = reader.is_close(asks, rows, items).tolist()
    raised: list[list[list[tuple[float, str]]]] = [[[] for _ in of_query] for of_query in by_meaning]
    if pairs:
        owners = torch.tensor([query for query, _ in pairs], device=rows.device)
        places = (candidates[:, None, :] == rows[:, :, None]).int().argmax(2)
        whole, shortened = rescore(torch.arange(len(rows), device=rows.device), asks), words.without(pairs)
        for part in torch.arange(len(pairs), device=rows.device).split(_AT_ONCE):
            falls = (whole[owners[part]] - rescore(owners[part], shortened[part])).gather(1, places[owners[part]])
            for number, of_items in zip(part.tolist(), falls.tolist(), strict=True):
                query, word = pairs[number]
                for item, fall in enumerate(of_items):
                    if having[number][item] and fall > 0:
                        raised[query][item].append((fall, word))
    return [
        [
            (tuple(word for _, word in sorted(found, key=lambda one: -one[0])), near and not found)
            for found, near in zip(of_items, nearby, strict=True)
        ]
        for of_items, nearby in zip(raised, by_meaning, strict=True)
    ]


def joined_words(words: tuple[str, ...], ask: str, text: str) -> tuple[str, ...]:
    """Words with Han characters joined as far as both ask and item have them side by side.

    A text encoder reads each Han character by itself, which is no word to a reader. Characters that the item's texts
    do not have are left out: a tokenizer may read another character as the same token.

    Args:
        words: Words of the ask, the most important first.
        ask: The ask.
        text: Texts of the item.

    Example:
        >>> joined_words(("篷", "帐", "轻", "双"), "轻的双人帐篷", "双色帐篷，轻")
        ('帐篷', '轻', '双')
    """
    rank: dict[str, int] = {}
    for place, word in enumerate(words):
        for character in word if _HAN.search(word) else ():
            if character in text:
                rank.setdefault(character, place)
    if not any(map(_HAN.search, words)):
        return words
    ranked = [(place, word) for place, word in enumerate(words) if not _HAN.search(word)]
    start = 0
    while start < len(ask):
        end = start + (ask[start] in rank)
        while end > start and end < len(ask) and ask[end] in rank and ask[start : end + 1] in text:
            end += 1
        if end > start:
            ranked.append((min(rank[character] for character in ask[start:end]), ask[start:end]))
        start = max(end, start + 1)
    return tuple(dict.fromkeys(word for _, word in sorted(ranked)))
