"""The words of a query that raise an item's score: exact small numbers."""

from __future__ import annotations

import math

import pytest
import torch

from xcat_rec.modeling_xcat.ask_words_xcat import AskWords, carrying_words, joined_words
from xcat_rec.modeling_xcat.asks_xcat import FIELD_CODES, Asks, XCatAskReader, least_closeness
from xcat_rec.modeling_xcat.items_xcat import XCatItemEncoder
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem

from .conftest import tiny_config

RED, TENT, WATER, PROOF, MUG = 2, 3, 4, 5, 6
TITLE = 1
SHOWN = [["red", "tent", "waterproof", "waterproof"]]
TOKENS = [[RED, TENT, WATER, PROOF]]


@pytest.fixture
def reader_and_items() -> tuple[XCatAskReader, XCatItemEncoder]:
    """Items 2 to 5 with the texts "red tent", "red red mug", "water mug" and "waterproof tent"."""
    model = XCatForNextItem(tiny_config(num_texts=5, ask_length=4, num_candidates=0)).eval()
    reader, items = model.model.asks, model.model.items
    assert reader is not None
    texts = [[], [RED, TENT], [RED, RED, MUG], [WATER, MUG], [WATER, PROOF, TENT]]
    entries = [[token * FIELD_CODES + TITLE for token in text] + [0] * (4 - len(text)) for text in texts]
    reader.words = torch.tensor(entries, dtype=torch.int32)
    reader.rarity = torch.tensor([0.0, 0.0, 1.0, 3.0, 2.0, 0.5, 1.0] + [0.0] * 23)
    reader.view = torch.tensor([2.0, 0.0])
    items.text_index = torch.tensor([0, 0, 1, 2, 3, 4] + [0] * 8)
    items.text_states = torch.nn.functional.one_hot(torch.arange(5), 12).float()[:, None].clone()
    return reader, items


def asks_of(reader: XCatAskReader, tokens: list[list[int]], states: list[float] | None = None) -> Asks:
    longest = max(map(len, tokens))
    padded = torch.tensor([row + [0] * (longest - len(row)) for row in tokens])
    vectors = torch.zeros(len(tokens), 12)
    if states is not None:
        vectors[:, : len(states)] = torch.tensor(states)
    return reader.read(padded, vectors)


def carried(
    reader: XCatAskReader, items: XCatItemEncoder, states: list[float] | None = None, fewer: list[float] | None = None
) -> list[tuple[tuple[str, ...], bool]]:
    """The words of items 2 to 5, if the ask has one state, and has another without any of its words."""
    rows = torch.tensor([[2, 3, 4, 5]])
    read: list[str] = []

    def without(pairs: list[tuple[int, str]]) -> Asks:
        read.extend(word for _, word in pairs)
        left = [[t for t, w in zip(TOKENS[query], SHOWN[query], strict=True) if w != word] for query, word in pairs]
        return asks_of(reader, left, fewer)

    def rescore(queries: torch.Tensor, asks: Asks) -> torch.Tensor:
        return reader.scores(asks, items).of_texts[:, items.text_index[torch.tensor([5, 4, 3, 2])]]

    words = AskWords(SHOWN, without)  # type: ignore[arg-type]
    (found,) = carrying_words(
        reader, items, asks_of(reader, TOKENS, states), words, rows, torch.tensor([[5, 4, 3, 2]]), rescore
    )
    assert sorted(read) == ["red", "tent", "waterproof"], "each word that an item has is left out once"
    return found


def test_words_are_ordered_by_how_much_the_score_falls_without_them(reader_and_items) -> None:
    reader, items = reader_and_items
    assert carried(reader, items) == [
        (("tent", "red"), False),  # 3 and 1 times the same saturation
        (("red",), False),
        ((), False),  # half of a word is none
        (("tent", "waterproof"), False),  # 3 against 2 + .5
    ]
    scores = reader.scores(asks_of(reader, [[RED, TENT], [TENT]]), items).of_texts[:, 1]
    ratio = 1 - 0.75 + 0.75 * 2 / 2.5
    assert float(scores[0] - scores[1]) == pytest.approx(2.0 * 1.0 * 2.2 / (1 + 1.2 * ratio), abs=1e-5)
    reader.rarity[PROOF] = 1.5
    assert carried(reader, items)[3] == (("waterproof", "tent"), False)


def test_a_word_whose_removal_raises_the_score_carries_nothing(reader_and_items) -> None:
    reader, items = reader_and_items
    reader.view = torch.tensor([2.0, 100.0])
    # Without a word, the ask means the first text exactly; with all of them it means something else.
    assert carried(reader, items, [0, 0, 0, 0, 0, 1.0], [0, 1.0])[0] == ((), False)
    # The other way round every word counts, and more than the words alone do.
    assert carried(reader, items, [0, 1.0], [0, 0, 0, 0, 0, 1.0])[0] == (("tent", "red"), False)


def test_an_item_without_a_word_is_near_by_meaning(reader_and_items) -> None:
    reader, items = reader_and_items
    states = [0.0, 0.0, 0.0, math.sqrt(0.9), math.sqrt(0.1)]
    assert carried(reader, items, states)[2] == ((), False), "the meaning does not count"
    reader.view = torch.tensor([2.0, 10.0])
    found = carried(reader, items, states, states)
    assert found[2] == ((), True) and found[3] == (("tent", "waterproof"), False)
    assert carried(reader, items, [-value for value in states], states)[2] == ((), False)
    least = least_closeness(4, 12)
    assert least == pytest.approx(0.6264, abs=1e-4), "few dimensions: texts are often close by chance"
    for cosine, near in ((least - 0.01, False), (least + 0.01, True)):
        own = [0.0, 0.0, 0.0, cosine, 0.0, math.sqrt(1 - cosine**2)]
        assert carried(reader, items, own, own)[2] == ((), near)


def test_what_can_be_compared(reader_and_items) -> None:
    reader, items = reader_and_items
    reader.rarity[7] = 4.0  # a word that no item has
    tokens = torch.tensor([[7, 0], [7, 0], [7, RED], [0, 1]])
    states = torch.zeros(4, 12)
    states[[0, 2, 3], 4], states[1, 8] = 1.0, 1.0  # the second is close to no item
    assert reader.has_words(tokens).tolist() == [False, False, True, False]
    for meaning, expected in ((0.0, [False, False, True, False]), (10.0, [True, False, True, False])):
        reader.view = torch.tensor([2.0, meaning])
        asks = reader.read(tokens, states)
        found = reader.comparable(asks, items)
        assert found.present.tolist() == expected
        assert found.states[2].equal(asks.states[2]) and found.rarity[2].equal(asks.rarity[2])
        assert not reader.scores(found, items).of_texts[[1, 3]].any()
    reader.view.zero_()
    assert reader.comparable(asks, items) is asks, "before the weights are tuned"


def test_han_characters_that_the_item_does_not_have_are_no_words() -> None:
    assert joined_words(("护", "手", "霜", "给"), "给我的护手霜", "白鹿护手霜") == ("护手霜",)
    assert joined_words(("给",), "给", "白鹿护手霜") == ()
    assert joined_words(("cream", "给"), "给 cream", "Hand Cream") == ("cream",)
