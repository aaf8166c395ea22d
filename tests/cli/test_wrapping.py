"""Wrapped texts: nothing is lost, nothing is wider than a line, numbers and words stay whole."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from xcat_rec.cli.wrapping import wrapped

ANSWER = (
    "为您找到 2 件商品（低于 1,299.00 CNY）：低因咖啡粉（45.00）；Nike Air-Max 90（1,298.50）。It's one, isn't it?"
)


@pytest.mark.parametrize("width", range(14, 60))
def test_numbers_and_words_stay_whole(width: int) -> None:
    lines = wrapped(ANSWER, width).splitlines()
    assert all(cell_len(line) <= width for line in lines)
    for whole in ("1,299.00", "1,298.50", "Air-Max", "isn't", "（45.00）；"):
        assert any(whole in line for line in lines)
    assert not any(line[0] in "，。；：）" or line[-1] in "（“" for line in lines)
    assert re.sub(r"\s", "", "".join(lines)) == re.sub(r"\s", "", ANSWER)


@given(st.text(alphabet="ab1,. ，。（）“”中文\n", max_size=60), st.integers(4, 30))
def test_no_character_is_lost(text: str, width: int) -> None:
    assert re.sub(r"\s", "", wrapped(text, width)) == re.sub(r"\s", "", text)


def test_the_width_is_used() -> None:
    assert wrapped("中文" * 10, 8) == "\n".join(["中文中文"] * 5)
    assert wrapped("one two three", 7) == "one two\nthree"
    assert wrapped("a\nb", 80) == "a\nb"
