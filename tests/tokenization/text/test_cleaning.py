"""Cleaning of texts."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xcat_rec.tokenization.text.cleaning import clean_text


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (None, ""),
        ("", ""),
        ("  a\t b\n\nc ", "a b c"),
        ("Caf\u00e9 &amp; Bar&nbsp;&#39;79", "Caf\u00e9 & Bar '79"),
        ("<p class='x'>Warm</p><br/>socks", "Warm socks"),
        ("&lt;b&gt;bold&lt;/b&gt;", "bold"),
        ("<style>p {color: red}</style>Shirt<script>alert('<b>')</script>", "Shirt"),
        ("5 < 6 and 7 > 3", "5 < 6 and 7 > 3"),
        ("\uff21\uff22\uff23 \u2460 \ufb01ne", "ABC 1 fine"),
        ("soft\u00adware zero\u200bwidth \ufeffmark", "software zerowidth mark"),
        ('<a title="x>y">kept</a><!-- a > b -->', "kept"),
        ("<td>one</td><td>two</td>", "one two"),
        ("I <3 you, a<b & <b>bold</b> 1 < 2", "I <3 you, a<b & bold 1 < 2"),
        ("an unclosed <b and more", "an unclosed <b and more"),
        ("R&amp;amp;D <br>", "R&amp;D"),
        ("right\u202eto left\u202c \U0001f600", "rightto left \U0001f600"),
        ("half \ud83d pair", "half pair"),
        ("bell\x07 null\x00 nel\x85", "bell null nel"),
        ("\u7eb8\u5c3f\u88e4\u3000 L \u7801", "\u7eb8\u5c3f\u88e4 L \u7801"),
    ],
)
def test_clean_text(raw: str | None, clean: str) -> None:
    assert clean_text(raw) == clean


@given(st.text())
def test_clean_text_leaves_single_spaces_and_nothing_invisible(raw: str) -> None:
    clean = clean_text(raw)
    assert clean == " ".join(clean.split())
    assert not set(clean) & set("\x00\x07\x1b\x85\u200b\ufeff\u00ad")


@given(st.text(st.characters(exclude_characters="&<>", exclude_categories=["Cs"])))
def test_clean_text_is_done_after_one_pass_where_there_is_no_markup(raw: str) -> None:
    assert clean_text(clean_text(raw)) == clean_text(raw)


def test_a_megabyte_of_brackets_takes_linear_time() -> None:
    start = time.perf_counter()
    assert clean_text("<" * 1_000_000) == "<" * 1_000_000
    assert clean_text("<b>" * 100_000) == ""
    assert time.perf_counter() - start < 10
