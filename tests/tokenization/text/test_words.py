"""Words and stop words."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xcat_rec.tokenization.text import words
from xcat_rec.tokenization.text.words import content_words, split_words, stop_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Water-proof tents, don\u2019t leak!", ["water-proof", "tents", "don't", "leak"]),
        ("Tasco望远镜5倍", ["tasco", "望远镜", "5", "倍"]),
        ("这个酒店的房间很不错", ["这个", "酒店", "的", "房间", "很", "不错"]),
        ("Größe <b>XL</b>&nbsp;90_60", ["größe", "xl", "90", "60"]),
    ],
)
def test_split_words(text: str, expected: list[str]) -> None:
    assert split_words(text) == expected


def test_a_segmenter_can_be_given() -> None:
    assert split_words("a 望远镜", segmenter=list) == ["a", "望", "远", "镜"]


@given(st.text())
def test_words_are_parts_of_the_text_in_lower_case(text: str) -> None:
    assert all(word and word == word.lower() and " " not in word for word in split_words(text))


def test_content_words_leave_out_stop_words_of_the_languages_and_numbers() -> None:
    assert content_words("这个酒店的房间很不错 2") == ["酒店", "房间", "不错"]
    assert content_words("The tent and das Zelt") == ["tent", "das", "zelt"]
    assert content_words("The tent and das Zelt", ("en", "de")) == ["tent", "zelt"]
    with pytest.raises(ValueError, match="there are no stop words for 'xx'"):
        stop_words(("xx",))


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rjieba", None)
    words._cut_chinese.cache_clear()
    with pytest.raises(ImportError, match=r"pip install -e .*\[text\]"):
        split_words("望远镜")
    assert split_words("telescope") == ["telescope"]
