"""Texts of users as inputs of a model.

Self-contained, because it travels with a checkpoint.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

_SHORTEST_PLURAL = 4
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


def valid_text(text: str) -> str:
    """A text that every tokenizer reads, in the Unicode form of the texts of items (NFKC): Ｔｅａ becomes Tea.

    Half a character, as where a text was cut, becomes U+FFFD.
    """
    return unicodedata.normalize("NFKC", text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def texts_per_user(texts: Sequence[str | Sequence[str] | None], users: int) -> list[list[str]]:
    """The texts of each user as lists.

    Args:
        texts: One text, several or None per user.
        users: Number of users.

    Raises:
        ValueError: If the numbers differ.
    """
    if isinstance(texts, str) or len(texts) != users:
        raise ValueError(f"texts must have one entry per history: {users}, got {len(texts)}")
    return [[entry] if isinstance(entry, str) else list(entry or ()) for entry in texts]


def place_user_texts(
    tokens: Mapping[str, torch.Tensor], per_user: Sequence[Sequence[str]], batch: Mapping[str, torch.Tensor], pad: int
) -> dict[str, torch.Tensor]:
    """Place tokenized texts in the rows of their users' histories; every event may read them.

    Args:
        tokens: (texts, length) `input_ids` and `attention_mask` of all texts, user by user.
        per_user: The texts of each user.
        batch: Inputs of the histories.
        pad: Token id of padding.

    Returns:
        The inputs `user_text_*` of `XCatModel.forward`.
    """
    owner = [user for user, entries in enumerate(per_user) for _ in entries]
    mask, width = batch["attention_mask"], batch["item_ids"].shape[1]
    starts = (mask.bool() & batch["position_ids"].eq(0)).long().cumsum(1) - 1
    last = batch["query_positions"][torch.tensor(owner)]
    row, document = last // width, starts.flatten()[last]
    slot = torch.tensor([row[:i].eq(row[i]).sum() for i in range(len(row))])
    shape = (mask.shape[0], int(slot.max()) + 1)
    ids, seen = tokens["input_ids"], tokens["attention_mask"]
    padded = torch.full((*shape, ids.shape[1]), pad)
    return {
        "user_text_input_ids": padded.index_put((row, slot), ids),
        "user_text_attention_mask": torch.zeros_like(padded).index_put((row, slot), seen),
        "user_text_document_ids": torch.full(shape, -1).index_put((row, slot), document),
        "user_text_positions": torch.zeros(shape, dtype=torch.long),
    }


def plain_tokens(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], longest: int, **options: Any) -> Any:
    """Tokens of texts without special tokens and prompt.

    Args:
        tokenizer: Tokenizer of the text encoder.
        texts: The texts.
        longest: Maximum tokens.
        **options: Further options of the tokenizer.
    """
    return tokenizer(
        list(texts), add_special_tokens=False, truncation=True, max_length=longest, return_token_type_ids=False,
        **options,
    )  # fmt: skip


def singular_tokens(tokenizer: PreTrainedTokenizerBase) -> torch.Tensor:
    """(vocabulary,) token to compare in place of each token: an English plural counts as its singular.

    A tokenizer has frequent plurals as tokens of their own, and splits others ("hose", "##s").

    Args:
        tokenizer: The tokenizer.
    """
    vocabulary = tokenizer.get_vocab()
    tokens = torch.arange(max(vocabulary.values(), default=-1) + 1)
    for word, number in vocabulary.items():
        if len(word) < _SHORTEST_PLURAL or not word.endswith("s") or word.endswith("ss"):
            continue
        stems = [word[:-1]]
        if word.endswith("ies"):
            stems.append(word[:-3] + "y")
        elif word.endswith(("ses", "xes", "zes", "ches", "shes")):
            stems.append(word[:-2])
        singular = next((vocabulary[stem] for stem in stems if stem in vocabulary), None)
        if singular is not None:
            tokens[number] = singular
    return tokens


def words_of_tokens(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], longest: int) -> list[list[str]]:
    """The word that each of the `plain_tokens` belongs to, as written in the text; a Chinese token is its own word.

    Args:
        tokenizer: A fast tokenizer.
        texts: The texts.
        longest: Maximum tokens.
    """
    spans = _word_spans(tokenizer, texts, longest)
    return [[text[start:end].strip() for start, end in own] for text, own in zip(texts, spans, strict=True)]


def texts_without(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], words: Sequence[str], longest: int
) -> list[str]:
    """Texts without a word.

    Args:
        tokenizer: A fast tokenizer.
        texts: The texts.
        words: One of each text's `words_of_tokens`; it is removed wherever it stands.
        longest: Maximum tokens.
    """
    found = []
    for text, word, spans in zip(texts, words, _word_spans(tokenizer, texts, longest), strict=True):
        for start, end in sorted(set(spans), reverse=True):
            if text[start:end].strip() == word:
                text = f"{text[:start]} {text[end:]}"
        found.append(" ".join(text.split()))
    return found


def _word_spans(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], longest: int) -> list[list[tuple[int, int]]]:
    """(start, end) in the text of the word of each of the `plain_tokens`."""
    found = plain_tokens(tokenizer, texts, longest, return_offsets_mapping=True)
    spans = []
    for place, text in enumerate(texts):
        offsets = found["offset_mapping"][place]
        words: list[Any] = [
            (start, end) if _HAN.search(text[start:end]) else number
            for number, (start, end) in zip(found.word_ids(place), offsets, strict=True)
        ]
        own: dict[Any, tuple[int, int]] = {}
        for word, (start, end) in zip(words, offsets, strict=True):
            own[word] = (own.get(word, (start, end))[0], end)
        spans.append([own[word] for word in words])
    return spans
