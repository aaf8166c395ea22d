"""Counts in messages."""

from __future__ import annotations

import doctest

import pytest

from xcat_rec import counting
from xcat_rec.counting import agreed, counted, counted_of
from xcat_rec.tokenization.tables.problems import _WORDING


def test_the_examples_of_the_docstrings() -> None:
    found = doctest.testmod(counting)
    assert found.attempted == 3 and not found.failed


def test_counts_have_their_noun() -> None:
    assert [counted(count, "item") for count in (0, 1, 1000)] == ["0 items", "1 item", "1,000 items"]


def test_parts_of_a_total_agree_with_both_numbers() -> None:
    assert counted_of(1, 1, "user", "have") == "1 of 1 user has" and counted_of(0, 1, "user") == "0 of 1 user"
    found = [counted_of(count, 1000, "history", "were", "histories") for count in (1, 2)]
    assert found == ["1 of 1,000 histories was", "2 of 1,000 histories were"]


@pytest.mark.parametrize("wording", [text for text in _WORDING.values() if text.startswith("{count} ")])
def test_wordings_of_tables_agree_with_one(wording: str) -> None:
    one, several = (agreed(wording.format(count=count, example="x")) for count in (1, 2))
    assert several.startswith("2 ") and several == wording.format(count=2, example="x")
    assert one.startswith("1 ") and one != several.replace("2", "1", 1)
    assert not any(f" {verb} " in f" {' '.join(one.split()[1:4])} " for verb in ("have", "are", "were", "rows"))
