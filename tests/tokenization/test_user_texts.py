"""Texts of users: plurals and singulars are compared as one word."""

from __future__ import annotations

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from xcat_rec.tokenization.user_texts import singular_tokens, words_of_tokens


def test_plurals_count_as_their_singulars() -> None:
    words = [
        "[UNK]",
        "tent",
        "tents",
        "knife",
        "berry",
        "berries",
        "glass",
        "glasses",
        "box",
        "boxes",
        "gas",
        "plus",
        "maps",
    ]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]")
    compared = singular_tokens(tokenizer)
    assert [words[number] for number in compared.tolist()] == [
        "[UNK]", "tent", "tent", "knife", "berry", "berry", "glass", "glass", "box", "box", "gas", "plus", "maps",
    ]  # fmt: skip
    assert words_of_tokens(tokenizer, ["two tents", ""], 8) == [["two", "tents"], []]
