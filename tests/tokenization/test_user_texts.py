"""Texts of users: plurals and singulars are compared as one word."""

from __future__ import annotations

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from xcat_rec.tokenization.user_texts import singular_tokens, texts_without, words_of_tokens


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


def test_words_and_texts_without_them() -> None:
    pieces = ["[UNK]", "water", "##proof", "tent", "帐", "##篷", "for", "!"]
    inner = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]")
    text = "waterproof tent 帐篷 for tent!"
    words = words_of_tokens(tokenizer, [text], 20)[0]
    assert words == ["waterproof", "waterproof", "tent", "帐", "篷", "for", "tent", "!"]
    texts = texts_without(tokenizer, [text] * 3, ["tent", "waterproof", "帐"], 20)
    assert texts == ["waterproof 帐篷 for !", "tent 帐篷 for tent!", "waterproof tent 篷 for tent!"]
    assert texts_without(tokenizer, ["tent", text], ["tent", "water"], 20) == ["", text], (
        "no part of a word is removed"
    )
