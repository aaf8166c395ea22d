"""Sentences and heat maps: exact sentences in both languages, and pictures that need nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from xcat_rec.modeling_xcat.recommending_xcat import Reason
from xcat_rec.ranking.explanation import Counterfactual, EventInfluence, Explanation, NearestItem, WordInfluence
from xcat_rec.ranking.explanation.heat_map import WIDTH, colour_of, fitted, luminance, text_colour_on, text_width

BOOTS, SOCKS = Reason("b", "Boots <1>", 0.4), Reason("s", "Socks", 0.12)
FOUND = Explanation(
    "t", "Tent & pegs", "history", "leave-one-out", 3.5, 3, None, ("Camping", "Tents"), 1, (BOOTS, SOCKS),
    (Counterfactual("b", "Boots <1>", 1210, 1.0, "history"), Counterfactual("s", "Socks", 5, 3.0, "history")),
    (EventInfluence("b", "Boots <1>", "Shoes", 0.51, 0.4), EventInfluence("s", "Socks", "Tents", 0.13, 0.12),
     EventInfluence("m", "A very long title " * 9, None, -0.2, 0.0)),
    NearestItem("m", "Map", 0.3),
    (WordInfluence("warm", 0.3), WordInfluence("light", -0.3), WordInfluence("faint", 0.04)),
    (WordInfluence("boots", 0.2),), (WordInfluence("tent", 1.0), WordInfluence("two", 0.5)),
)  # fmt: skip
POPULAR = Explanation("t", "Tent", "popular", "leave-one-out", 9.0, 1210)
CLICK = Explanation(
    "t", "Tent", "history", "leave-one-out", 0.0, None, 0.5, because=(BOOTS,),
    counterfactuals=(Counterfactual("b", "Boots <1>", None, -1.0, "history", 0.25),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("found", "english", "chinese"),
    [
        (FOUND,
         '"Tent & pegs" is number 3 because of "Boots <1>" (40%) and "Socks" (12%). Without the first of these items '
         "it would be number 1,210. Words of the query that raise its score: tent and two. Words of its own text that "
         "raise its score: warm. Words of the text of the first of these items that raise its score: boots. Its "
         'category is "Tents", as of 1 of 3 items of the history. The most similar item of the history is "Map".',
         "《Tent & pegs》排在第 3 位，是因为《Boots <1>》（40%）和《Socks》（12%）。"
         "如果没有其中第一件，它会排在第 1,210 位。"
         "查询中提高它分数的词：tent和two。它自己的文字中提高分数的词：warm。其中第一件的文字中提高分数的词：boots。"
         "它的品类是《Tents》，历史记录的 3 件商品中有 1 件属于这一类。历史记录中与它最相似的是《Map》。"),
        (replace(FOUND, because=(), counterfactuals=(), query_words=(), item_words=(), event_words=(), nearest=None,
                 known_categories=0),
         '"Tent & pegs" is number 3. No single item of the history carries it. Its category "Tents" is new to the '
         "customer.",
         "《Tent & pegs》排在第 3 位。历史记录中没有哪一件商品单独支撑它。它的品类《Tents》对这位顾客是新的。"),
        (POPULAR, '"Tent" is number 1,210 of the popular items: no item of the history is known.',
         "《Tent》是热门商品的第 1,210 位：历史记录中没有已知的商品。"),
        (replace(POPULAR, basis="query"), '"Tent" is number 1,210 for the query alone: no item of the history is '
         "known.", "《Tent》仅按查询排在第 1,210 位：历史记录中没有已知的商品。"),
        (replace(POPULAR, basis="texts"), '"Tent" is number 1,210 for the texts of the customer: no item of the '
         "history is known.", "《Tent》仅按顾客的文字排在第 1,210 位：历史记录中没有已知的商品。"),
        (replace(POPULAR, basis="history", because=(Reason("t", "Tent", 1.0),),
                 counterfactuals=(Counterfactual("t", "Tent", 4, None, "popular"),)),
         '"Tent" is number 1,210 because of its own earlier events (100%). Without that item the history is empty, '
         "and it would be number 4 of the popular items.",
         "《Tent》排在第 1,210 位，是因为它自己以前的记录（100%）。"
         "如果没有这件商品，历史记录就是空的，它会排在热门商品的第 4 位。"),
        (CLICK, 'The probability of a click on "Tent" is 50.0%. It is so high because of "Boots <1>" (40%). Without '
         "that item the probability would be 25.0%.",
         "《Tent》被点击的概率是 50.0%。概率这么高，是因为《Boots <1>》（40%）。如果没有这件商品，概率会是 25.0%。"),
        (replace(CLICK, because=(), counterfactuals=()), 'The probability of a click on "Tent" is 50.0%. No single '
         "item of the history raises it by much.",
         "《Tent》被点击的概率是 50.0%。历史记录中没有哪一件商品明显提高这个概率。"),
        (replace(POPULAR, basis="history", rank=1, because=(BOOTS,),
                 counterfactuals=(Counterfactual("b", "Boots <1>", 1, 2.0, "history"),)),
         '"Tent" is number 1 because of "Boots <1>" (40%). Without that item its score would be lower, and it would '
         "still be number 1.",
         "《Tent》排在第 1 位，是因为《Boots <1>》（40%）。如果没有这件商品，它的分数会降低，但仍排在第 1 位。"),
        (replace(CLICK, counterfactuals=(Counterfactual("b", "Boots <1>", None, -1.0, "history", 0.4999),)),
         'The probability of a click on "Tent" is 50.0%. It is so high because of "Boots <1>" (40%). Without that '
         "item the probability would be a little lower, but still 50.0%.",
         "《Tent》被点击的概率是 50.0%。概率这么高，是因为《Boots <1>》（40%）。"
         "如果没有这件商品，概率会略低，但仍是 50.0%。"),
    ],
    ids=["reasons", "none", "popular", "query", "texts", "itself", "click", "click without reasons", "same place",
         "same probability"],
)  # fmt: skip
def test_sentences(found: Explanation, english: str, chinese: str) -> None:
    assert found.sentence == english
    assert replace(found, language="zh").sentence == chinese


@pytest.mark.parametrize("wanted", [None, 300])
@pytest.mark.parametrize("found", [FOUND, replace(FOUND, language="zh"), POPULAR, CLICK],
                         ids=["english", "chinese", "popular", "click"])  # fmt: skip
def test_a_heat_map_is_a_picture_by_itself(found: Explanation, wanted: int | None, tmp_path: Path) -> None:
    drawn = found.heat_map(tmp_path / "why.svg", width=wanted)
    assert (tmp_path / "why.svg").read_text(encoding="utf-8") == drawn
    root = ElementTree.fromstring(drawn)
    texts = ["".join(one.itertext()) for one in root.iter() if one.tag.endswith("text")]
    assert any(found.title in text for text in texts), "escaped, and whole"
    assert {one.tag.split("}")[1] for one in root.iter()} == {"svg", "rect", "text"}, "no links, scripts or images"
    assert "url(" not in drawn and drawn.count("http") == 1, "the name space is the only address"
    height, width = float(root.get("height", 0)), float(root.get("width", 0))
    assert width == (wanted or WIDTH)
    for one in root.iter():
        if one.tag.endswith("text"):
            assert 0 < float(one.get("y", 0)) < height
            size = float(one.get("font-size", 0))
            assert float(one.get("x", 0)) + text_width("".join(one.itertext()), size) <= width


def test_texts_on_every_colour_have_contrast() -> None:
    for step in range(-100, 101):
        colour = colour_of(step / 100, 1.0)
        light, dark = sorted((luminance(colour), 1.0 if text_colour_on(colour) == "#fff" else 0.0), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, colour
    assert luminance("#ffffff") == pytest.approx(1) and luminance("#000000") == 0
    with pytest.raises(ValueError, match="width is 100; give 280 pixels or more"):
        FOUND.heat_map(width=100)
    with pytest.raises(ValueError, match="width is a value of type str; give a whole number"):
        FOUND.heat_map(width="wide")  # type: ignore[arg-type]


def test_files_that_cannot_have_a_heat_map_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"why\.png': a heat map is an SVG; give a name that ends in \.svg"):
        FOUND.heat_map(tmp_path / "why.png")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere; make it first"):
        FOUND.heat_map(tmp_path / "nowhere" / "why.svg")
    assert not list(tmp_path.iterdir())


def test_colours_follow_the_influences() -> None:
    root = ElementTree.fromstring(FOUND.heat_map())
    boxes = [one.get("fill") for one in root.iter() if one.tag.endswith("rect")][1:]
    assert boxes[0] == "#2166ac" and boxes[2] != boxes[0], "full blue for the largest support"
    assert boxes[3:5] == ["#2166ac", "#8caed2"], "words of the query"
    assert boxes[5:7] == [colour_of(0.3, 1.0), colour_of(-0.3, 1.0)], "one scale for all words; red lowers the score"


def test_wide_characters_count_twice() -> None:
    assert text_width("帐篷", 10) == 20 and text_width("ab", 10) == 12
    assert fitted("帐篷和睡袋", 30, 10) == "帐篷…" and fitted("short", 100, 10) == "short"
