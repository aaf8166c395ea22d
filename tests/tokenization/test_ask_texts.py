"""The part of an ask that is read, and notes about the rest."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from xcat_rec.tokenization.ask_texts import WORDLESS, AskText, read_asks
from xcat_rec.tokenization.processing_xcat import XCatProcessor
from xcat_rec.tokenization.text.default_encoder import packaged_copy
from xcat_rec.tokenization.unknown_tokens import share_unknown_to

from ..tiny_shop import tiny_tokenizer

needs_encoder = pytest.mark.skipif(packaged_copy() is None, reason="the packaged text encoder is needed (extra demo)")


def one(text: str, longest: int = 60) -> AskText:
    (found,) = read_asks(tiny_tokenizer(), [text], longest)
    return found


def test_an_ask_that_fits_is_read_whole() -> None:
    assert one("tents number 3") == AskText("tents number 3", "tents number 3", 14)
    assert one("tents number 3", longest=3).notes == [] and one("").notes == []


def test_half_a_character_does_not_stop_the_tokenizer() -> None:
    assert one("tents \ud83c 3").text == "tents \ufffd 3"
    assert one("tents \ud83c\udf92 3").text == "tents \N{SCHOOL SATCHEL} 3", "two halves are one character"


@needs_encoder
def test_case_matters_to_a_tokenizer_that_keeps_it_and_not_to_the_default_one() -> None:
    """docs/limits.md describes it."""
    default = AutoTokenizer.from_pretrained(str(packaged_copy()))
    for tokenizer, alike in ((tiny_tokenizer(), False), (default, True)):
        processor = XCatProcessor(tokenizer, max_text_length=8)
        small, large = processor.ask_inputs(["tents 3"]), processor.ask_inputs(["TENTS 3"])
        assert all(torch.equal(small[name], large[name]) for name in ("input_ids", "token_ids")) is alike


def test_full_width_letters_and_digits_are_read_as_ordinary_ones() -> None:
    assert one("ｔｅｎｔｓ　ｎｕｍｂｅｒ　３") == one("tents number 3")
    processor = XCatProcessor(tiny_tokenizer(), max_text_length=8)
    wide, plain = processor.ask_inputs(["ｔｅｎｔｓ ３"]), processor.ask_inputs(["tents 3"])
    assert all(torch.equal(wide[name], plain[name]) for name in plain)


def test_an_ask_without_a_token_has_one_that_is_masked() -> None:
    """Found by benchmarks/parser_fuzz.py: the text encoder cannot read texts of length 0."""
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "[PAD]": 1, "tents": 2}, unk_token="[UNK]"))
    plain = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]")
    found = XCatProcessor(plain, max_text_length=8).ask_inputs(["", ""])
    assert found["input_ids"].tolist() == [[1], [1]] and found["attention_mask"].tolist() == [[0], [0]]
    assert found["input_ids"].dtype == torch.long and not found["meant"].any()
    one = XCatProcessor(plain, max_text_length=8).ask_inputs(["tents"])
    assert one["input_ids"].tolist() == [[2]] and one["attention_mask"].tolist() == [[1]]


def test_a_long_ask_is_read_up_to_a_word() -> None:
    found = one("tents number 3 boots, maps", longest=3)
    assert (found.text, found.meant, found.length, found.is_cut) == ("tents number 3", "tents number 3", 26, True)
    assert found.notes == [
        "only the first 14 of 26 characters of the query were read, which is as much as the model reads of a text; "
        "put what matters first, or shorten the query"
    ]


@needs_encoder
def test_no_part_of_a_word_is_read() -> None:
    tokenizer = AutoTokenizer.from_pretrained(packaged_copy())
    pieces = tokenizer.tokenize("waterproof cottonwood")
    assert len(pieces) > 2
    (found,) = read_asks(tokenizer, ["waterproof cottonwood"], len(pieces) - 1)
    assert found.text == "waterproof"
    (chinese,) = read_asks(tokenizer, ["中" * 70], 60)
    assert (len(chinese.text), chinese.length) == (60, 70)


@pytest.mark.parametrize("prompt", ["", "tents number : "])
def test_the_encoder_and_the_words_read_the_same_part(prompt: str) -> None:
    processor = XCatProcessor(tiny_tokenizer(), max_text_length=8, query_prompt=prompt)
    ask = "boots number 4 " * 9
    (read,) = processor.ask_texts([ask])
    inputs, own = processor.ask_inputs([ask]), processor.ask_inputs([read.text])
    assert read.is_cut and all(torch.equal(inputs[name], own[name]) for name in inputs)
    words = len(read.text.split())
    assert inputs["token_ids"].shape[1] == words == (6 if not prompt else 3)
    assert inputs["input_ids"].shape[1] == 8
    assert processor.ask_words([ask]) == [read.text.split()]
    assert processor.asks_without([ask], ["boots"]) == [read.text.replace("boots ", "")]


@pytest.mark.parametrize("text", ["🏕️", "!?", " … ", "🏕️🏕️!"])
def test_an_ask_without_a_word(text: str) -> None:
    found = one(text)
    assert (found.text, found.meant, found.is_cut) == ("", "", False)
    assert found.notes == [WORDLESS]
    assert share_unknown_to(tiny_tokenizer(), ["tents 🏕️"]) == 0, "emoji are no language"
    assert one("tents 🏕️").meant == "tents" and one("tents 🏕️").notes == []


def test_an_ask_that_the_encoder_cannot_read() -> None:
    found = one("双人帐篷 睡袋")
    assert (found.text, found.meant, found.unknown) == ("双人帐篷 睡袋", "", 1.0)
    (note,) = found.notes
    assert note.startswith("the query: 100% of the tokens are unknown to the text encoder")
    assert "BAAI/bge-small-zh-v1.5" in note and "帐" not in note


def test_the_words_that_the_encoder_knows_count() -> None:
    found = one("帐篷 boots number 4")
    assert (found.meant, found.unknown) == ("boots number 4", 0.25)
    assert found.notes[-1] == "only the words of the query that the text encoder knows were compared"
    rarely = one("tents number 3 " * 4 + "帐篷")
    assert rarely.meant == ("tents number 3 " * 4).strip() and rarely.notes == []


@needs_encoder
def test_single_known_characters_of_an_unread_language_are_not_its_words() -> None:
    tokenizer = AutoTokenizer.from_pretrained(packaged_copy())
    (found,) = read_asks(tokenizer, ["我想要一个双人的帐篷 for sony"], 60)
    assert found.meant == "for sony" and 0.3 < found.unknown < 0.9
    (english,) = read_asks(tokenizer, ["women's café shoes, 2-pack"], 60)
    assert english.meant == english.text and english.unknown == 0


def test_a_tokenizer_without_offsets_reads_every_ask_whole() -> None:
    class Slow:
        is_fast = False

    assert read_asks(Slow(), ["a b c"], 1) == [AskText("a b c", "a b c", 5)]


def test_function_words_explain_nothing() -> None:
    processor = XCatProcessor(tiny_tokenizer())
    assert processor.ask_words(["boots for my maps!"]) == [["boots", "", "", "maps", ""]]
    assert processor.ask_words(["for me"]) == [["for", "me"]], "unless there are no others"
