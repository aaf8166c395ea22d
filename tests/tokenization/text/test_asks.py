"""Asks made of items: what they are made of, the same for the same seed."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.tokenization.text.asks import ASK_KINDS, AskWriter, ItemWords, words_of


def items() -> pl.DataFrame:
    colours, things = ("red", "blue", "green"), ("tent", "stove", "boot", "map")
    rows = [
        {
            "title": f"{colours[i % 3]} {things[i % 4]} model{i}", "brand": f"Acme{i % 2}",
            "category": f"Outdoor > Gear > {things[i % 4]}s", "description": f"Warm and dry. It weighs {i} pounds.",
        }
        for i in range(24)
    ]  # fmt: skip
    rows.append({"title": "红色帐篷 双人", "brand": None, "category": "户外 > 装备 > 帐篷", "description": None})
    rows.append({"title": None, "brand": None, "category": None, "description": None})
    return pl.DataFrame(rows)


WRITER = AskWriter(ItemWords.of_table(items()))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 25), min_size=1, max_size=6), st.sampled_from(ASK_KINDS), st.integers(0, 99))
def test_words_are_the_items_own_and_the_seed_decides(numbers: list[int], kind: str, seed: int) -> None:
    asks = WRITER.write(numbers, kind, seed)
    assert asks == WRITER.write(numbers, kind, seed)
    table = items()
    for number, ask in zip(numbers, asks, strict=True):
        row = table.row(number, named=True)
        of_kind = {
            "category": ("category",), "attributes": ("title", "brand", "description"), "review": ("description",),
            "title": ("title",), "paraphrase": ("title", "category"), "own-title": (),
        }[kind]  # fmt: skip
        if kind == "own-title":
            assert ask == " ".join((row["title"] or "").split())
            continue
        assert set(ask.split()) <= {word for name in of_kind for word in words_of(row[name] or "")}


def test_what_each_kind_is() -> None:
    (category,) = WRITER.write([0], "category")
    assert category in ("tents", "gear", "tents gear", "gear tents")
    for ask in WRITER.write([4] * 20, "attributes"):
        assert "model4" not in ask, "one item has that word"
    assert WRITER.write([5], "title") == ["green stove"]
    assert set(WRITER.write([3] * 9, "review")) == {"warm dry", "weighs 3 pounds"}
    assert WRITER.write([25] * len(ASK_KINDS), ASK_KINDS) == [""] * len(ASK_KINDS)
    assert words_of("红色帐篷 双人") == ["红色", "帐篷", "双人"]


def test_reviews_of_customers_come_before_descriptions() -> None:
    reviews = [["Lovely thing. Kept us dry"]] + [[]] * 25
    writer = AskWriter(ItemWords.of_table(items()), reviews)
    assert set(writer.write([0] * 9, "review")) == {"lovely thing", "kept us dry"}
    assert writer.write([3], "review")[0] in ("warm dry", "weighs 3 pounds")


def test_an_unknown_kind() -> None:
    with pytest.raises(ValueError, match="asks has 'colour'; give one of category"):
        WRITER.write([0], "colour")
