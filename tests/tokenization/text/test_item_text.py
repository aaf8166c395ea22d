"""Texts of items: template and token budget."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny_shop import tiny_tokenizer
from xcat_rec.tokenization.text.item_text import ItemTextTemplate, item_texts


def test_item_texts_joins_fields_in_order_without_missing_values() -> None:
    items = pl.DataFrame(
        {
            "title": ["Tent &amp; pegs", None, ""],
            "price": [9.5, None, 3.0],
            "path": [["Camping", "Tents"], None, []],
        }
    )
    assert item_texts(items, ("title", "path")) == ["Tent & pegs Camping Tents", "", ""]
    assert item_texts(items, ("path", "title", "price"))[0] == "Camping Tents Tent & pegs 9.5"
    assert item_texts(items, ()) == ["", "", ""]
    with pytest.raises(ValueError, match="items has no column 'colour' for its text; it has title, price, path"):
        item_texts(items, ("title", "colour"))


def test_a_template_writes_separators_only_between_values() -> None:
    items = pl.DataFrame({
        "title": ["Tent", "Mug", None, None], "brand": ["Acme", None, "Birch", None],
        "attributes": [{"color": "red", "size": 3}, {"color": None, "size": None}, {"color": None, "size": 1}, None],
    })  # fmt: skip
    template = ItemTextTemplate("Item: {title} by {brand}; {attributes}.")
    assert template.texts(items) == [
        "Item: Tent by Acme; color red, size 3.",
        "Item: Mug.",
        "Item: Birch; size 1.",
        "",
    ]


@pytest.mark.parametrize(
    ("template", "importance", "message"),
    [
        ("no column", (), "has no column; write one in braces"),
        ("{title", (), "is malformed"),
        ("{title!r}", (), "write plain columns in braces"),
        ("{}", (), "write plain columns in braces"),
        ("{title}", ("brand",), "importance has 'brand'"),
    ],
)
def test_invalid_templates_are_refused(template: str, importance: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ItemTextTemplate(template, importance)


def test_the_most_important_column_gets_its_tokens_first() -> None:
    items = pl.DataFrame(
        {"description": ["tents boots stoves maps"], "title": ["number 1 number 2"], "brand": ["maps"]}
    )
    template = ItemTextTemplate("{description} {brand} {title}", importance=("title", "brand"))
    texts = {n: template.texts(items, tiny_tokenizer(), n)[0] for n in (2, 4, 6, 7, 9, 64)}
    assert texts == {
        2: "", 4: "number 1", 6: "number 1 number 2", 7: "maps number 1 number 2",
        9: "tents boots maps number 1 number 2", 64: "tents boots stoves maps maps number 1 number 2",
    }  # fmt: skip
    with pytest.raises(ValueError, match="max_tokens needs a tokenizer"):
        template.texts(items, max_tokens=4)


@given(
    st.lists(st.sampled_from(["tents", "boots", "maps", "odd-word", "9"]), max_size=9),
    st.lists(st.sampled_from(["number", "brand"]), max_size=9),
    st.integers(2, 14),
)
def test_a_text_never_has_more_tokens_than_its_budget(title: list[str], rest: list[str], budget: int) -> None:
    items = pl.DataFrame(
        {"title": [" ".join(title)], "rest": [" ".join(rest)]}, schema={"title": pl.String, "rest": pl.String}
    )
    text = ItemTextTemplate("{title}: {rest}").texts(items, tiny_tokenizer(), budget)[0]
    assert len(tiny_tokenizer()(text)["input_ids"]) <= max(budget, 2)
