"""Texts that a text encoder cannot read: the share of their tokens that is missing in its vocabulary.

Self-contained, because it travels with a checkpoint.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from .text_language import CHINESE, ENCODERS, MULTILINGUAL, evenly, find_language

logger = logging.getLogger(__name__)

UNKNOWN_SHARE = 0.1
"""Share of unknown tokens that triggers a warning; English titles have under 1 %."""


def unknown_share(texts: Sequence[str], token_ids: Callable[[list[str]], list[list[int]]], unknown: int) -> float:
    """Share of the tokens of texts that are unknown, over an even sample of at most 2,000 texts; 0 without tokens.

    Symbols and emoji do not count: no encoder reads more of a language because it knows them.

    Args:
        texts: Texts.
        token_ids: Texts to token ids, without special tokens.
        unknown: Id of the unknown token.
    """
    ids = token_ids([_without_symbols(text) for text in evenly(texts)])
    total = sum(map(len, ids))
    return sum(row.count(unknown) for row in ids) / total if total else 0.0


def _without_symbols(text: str) -> str:
    if text.isascii():
        return text
    return "".join(" " if unicodedata.category(c)[0] == "S" or c in "\u200d\ufe0f" else c for c in text)


def share_unknown_to(tokenizer: Any, texts: Sequence[str]) -> float:
    """`unknown_share` for a tokenizer of `transformers`; 0 for a tokenizer of bytes."""
    if tokenizer.unk_token_id is None or not len(texts):
        return 0.0

    def token_ids(given: list[str]) -> list[list[int]]:
        options = {"add_special_tokens": False, "return_attention_mask": False, "verbose": False}
        found: list[list[int]] = tokenizer(given, **options)["input_ids"]
        return found

    return unknown_share(texts, token_ids, tokenizer.unk_token_id)


def unknown_note(share: float, what: str, texts: Sequence[str] = ()) -> str | None:
    """A note about a large share of unknown tokens; None for a small share.

    Args:
        share: Share of unknown tokens.
        what: Name of the texts, such as "texts of items".
        texts: The texts, which decide the encoder that the note names.
    """
    if share <= UNKNOWN_SHARE:
        return None
    language = find_language(texts)
    chinese = f"{ENCODERS[CHINESE]!r} (Chinese) or " if language is not None and language.name == CHINESE else ""
    return (
        f"{what}: {share:.0%} of the tokens are unknown to the text encoder, so it does not read their language or "
        f"script; train with an encoder that does, such as text_encoder={chinese}{ENCODERS[MULTILINGUAL]!r} "
        "(100 languages)"
    )


def warn_of_unknown(tokenizer: Any, texts: Sequence[str], what: str) -> None:
    """Log `unknown_note` for texts, if there is one; once per tokenizer and name of texts."""
    warned = vars(tokenizer).setdefault("_xcat_warned", set())
    note = None if what in warned else unknown_note(share_unknown_to(tokenizer, texts), what, texts)
    if note is not None:
        warned.add(what)
        logger.warning("%s", note)
