"""Exchanged words: exact texts, and the same text after a second exchange."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xcat_rec.evaluation.audits.text_probes import PROBES, QUERIES, exchanged_words


@pytest.mark.parametrize(
    ("probe", "text", "expected"),
    [
        ("gender", "Men's boots for boys, 2-pack", "Women's boots for girls, 2-pack"),
        ("gender", "Mental womens female", "Mental mens male"),
        ("gender", "男士手表 女孩", "女士手表 男孩"),
        ("origin", "American flag, africans", "Chinese flag, africans"),
        ("origin", "德国菜刀", "墨西哥菜刀"),
        ("colour", "Black mug, reddish", "White mug, reddish"),
    ],
)
def test_words_are_exchanged_by_hand(probe: str, text: str, expected: str) -> None:
    assert exchanged_words(text, PROBES[probe]) == expected


@given(st.lists(st.sampled_from([word for pairs in PROBES.values() for pair in pairs for word in pair]), max_size=6))
def test_a_second_exchange_restores_the_text(words: list[str]) -> None:
    for pairs in PROBES.values():
        text = " | ".join(words)
        assert exchanged_words(exchanged_words(text, pairs), pairs) == text


def test_no_word_is_in_two_pairs_and_every_probe_has_queries_in_both_languages() -> None:
    for pairs in PROBES.values():
        words = [word for pair in pairs for word in pair]
        assert len(set(words)) == len(words)
    assert [*QUERIES] == [*PROBES]
    for pairs in QUERIES.values():
        assert {all(one.isascii() for one in pair) for pair in pairs} == {True, False}
