"""Asks of customers as inputs of a model: the part that is read, and notes about the rest.

Self-contained, because it travels with a checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from .text_language import FUNCTION_WORDS, HAN
from .unknown_tokens import UNKNOWN_SHARE, share_unknown_to, unknown_note
from .user_texts import plain_tokens, singular_tokens, texts_without, valid_text, words_of_tokens

_EAST = f"{HAN}\u3040-\u30ff\uac00-\ud7af"
"""Letters of East Asian scripts; words of Han and Kana have no spaces between."""
_EASTERN, _WORD = re.compile(f"[{_EAST}]"), re.compile(f"[^\\W{_EAST}]+")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_KNOWN_PART = "only the words of the query that the text encoder knows were compared"
WORDLESS = "the query has no word, so the list is as without it; describe in words what is wanted"


@dataclass(frozen=True)
class AskText:
    """The part of an ask that is read.

    Args:
        text: Its beginning, as long as the text encoder reads; items are compared with its words. "" without a word.
        meant: `text` without the words that the text encoder does not know, whose meaning is compared; "" for none.
        length: Number of characters of the ask.
        unknown: Share of the tokens of `text` that the text encoder does not know.
    """

    text: str
    meant: str
    length: int
    unknown: float = 0.0

    @property
    def is_cut(self) -> bool:
        """Whether only the beginning of the ask is read."""
        return 0 < len(self.text) < self.length

    @cached_property
    def notes(self) -> list[str]:
        """Notes about what is not read. They quote nothing of the ask, because notes may be logged."""
        if not self.text:
            return [WORDLESS] if self.length else []
        notes = []
        if self.is_cut:
            notes.append(
                f"only the first {len(self.text):,} of {self.length:,} characters of the query were read, which is as "
                "much as the model reads of a text; put what matters first, or shorten the query"
            )
        if (unknown := unknown_note(self.unknown, "the query", [self.text])) is not None:
            notes += [unknown, *([_KNOWN_PART] if self.meant else [])]
        return notes


class AskReading:
    """The methods of a processor for asks."""

    tokenizer: Any
    tokenize: Any
    query_prompt: str
    max_text_length: int

    def ask_texts(self, asks: Sequence[str]) -> list[AskText]:
        """Cut each query to the part that the model reads."""
        prompt = len(self.tokenizer(self.query_prompt)["input_ids"])
        return read_asks(self.tokenizer, asks, max(1, self.max_text_length - prompt))

    def cut_notes(self, texts: Sequence[str]) -> list[str]:
        """A note about texts of a user of which only the beginning is read; empty for none.

        Args:
            texts: The texts.
        """
        cut = sum(text.is_cut for text in self.ask_texts(texts))
        if not cut:
            return []
        of = "the text" if len(texts) == 1 else f"{cut:,} of {len(texts):,} texts"
        return [
            f"only the beginning of {of} was read: the text encoder reads {self.max_text_length} tokens of each; put "
            "what matters first, or split long texts"
        ]

    def ask_inputs(self, asks: Sequence[str]) -> dict[str, torch.Tensor]:
        """Inputs of `XCatModel.read_asks` from what customers ask for.

        Args:
            asks: One text per user; "" for none.

        Returns:
            (users, tokens) `input_ids` and `attention_mask` with the query prompt; (users, words) `token_ids` that
            are compared with those of items; (users,) `meant`, whether the text encoder reads a word of the ask.
        """
        read = self.ask_texts(asks)
        own = plain_tokens(
            self.tokenizer, [ask.text for ask in read], self.max_text_length, padding=True, return_tensors="pt"
        )
        meant = [ask.meant for ask in read]
        inputs = self.tokenize(meant, query=True)
        if not inputs["input_ids"].shape[1]:  # a tokenizer without special tokens makes none of empty texts
            inputs = self.tokenize(meant, query=True, padding="max_length", max_length=1)
        return {
            **inputs,
            "token_ids": self.compared_tokens[own["input_ids"].long()],
            "meant": torch.tensor([bool(ask.meant) for ask in read], dtype=torch.bool),
        }

    @cached_property
    def compared_tokens(self) -> torch.Tensor:
        """(vocabulary,) token that stands for each token where words of queries and items are compared."""
        return singular_tokens(self.tokenizer)

    def ask_words(self, asks: Sequence[str]) -> list[list[str]]:
        """The word of each of the `token_ids` that `ask_inputs` makes of one text per user.

        A function word, such as "for", or a sign is "" unless the text has no other words.
        """
        words = words_of_tokens(self.tokenizer, [ask.text for ask in self.ask_texts(asks)], self.max_text_length)
        telling = [[word if _tells(word) else "" for word in own] for own in words]
        return [some if any(some) else own for some, own in zip(telling, words, strict=True)]

    def asks_without(self, asks: Sequence[str], words: Sequence[str]) -> list[str]:
        """Each ask without one of its `ask_words`."""
        read = [ask.text for ask in self.ask_texts(asks)]
        return texts_without(self.tokenizer, read, words, self.max_text_length)


def read_asks(tokenizer: Any, asks: Sequence[str], longest: int) -> list[AskText]:
    """The parts of asks that are read.

    Args:
        tokenizer: Tokenizer of the text encoder. A tokenizer without offsets of tokens reads every ask whole.
        asks: One text per user; "" for none.
        longest: Maximum tokens per ask, without special tokens and prompt.
    """
    asks = [valid_text(ask) for ask in asks]
    if not asks or not getattr(tokenizer, "is_fast", False):
        return [AskText(ask, ask, len(ask)) for ask in asks]
    tokens = tokenizer(
        asks, add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False, verbose=False
    )
    found = []
    for ask, ids, spans in zip(asks, tokens["input_ids"], tokens["offset_mapping"], strict=True):
        text = ask if len(spans) <= longest else ask[: _end(ask, spans[longest - 1][1])].rstrip()
        text = text if _has_word(text) else ""
        unknown = [span for token, span in zip(ids, spans, strict=True) if token == tokenizer.unk_token_id]
        own = [span for span in unknown if span[1] <= len(text)]
        share = share_unknown_to(tokenizer, [text]) if own else 0.0
        found.append(AskText(text, _meant(text, spans, own), len(ask.rstrip()), share))
    return found


def _end(text: str, end: int) -> int:
    """The place to cut a text: the given one, or the start of the word around it unless that is the first word."""
    around = next((word for word in _WORD.finditer(text) if word.start() < end < word.end()), None)
    return around.start() if around is not None and around.start() else end


def _meant(text: str, spans: Sequence[tuple[int, int]], unknown: Sequence[tuple[int, int]]) -> str:
    """A text without the words that the text encoder does not know.

    Words of Latin letters stay: encoders know the letters, and one that knows whole words only has learnt to read on.
    Of a script without spaces between words all is left out if too many of its characters are unknown: the others are
    then letters of names to the text encoder, and no words of a language.

    Args:
        text: The text.
        spans: Start and end of each token.
        unknown: Start and end of each unknown token.
    """
    if not unknown:
        return text
    eastern = [span for span in spans if span[1] <= len(text) and _EASTERN.search(text, *span)]
    lost = sum(span in eastern for span in unknown)
    drops_eastern = lost > UNKNOWN_SHARE * len(eastern)
    removed = [span for span in unknown if span not in eastern and not _LATIN.search(text, *span)]
    removed += [match.span() for match in re.finditer(f"[{_EAST}]+", text) if drops_eastern]
    removed += [
        word.span() for word in _WORD.finditer(text)
        if not _LATIN.match(word[0]) and any(start < word.end() and word.start() < end for start, end in unknown)
    ]  # fmt: skip
    kept = list(text)
    for start, end in removed:
        kept[start:end] = " " * (end - start)
    rest = " ".join("".join(kept).split())
    return rest if _has_word(rest) else ""


def _tells(word: str) -> bool:
    return _has_word(word) and word.lower() not in FUNCTION_WORDS


def _has_word(text: str) -> bool:
    return any(character.isalnum() for character in text)
