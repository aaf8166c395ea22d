"""Groups of items: single and several memberships, sums, probabilities, and columns that cannot group items."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xcat_rec.tokenization.item_groups import group_columns, read_groups
from xcat_rec.tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary

VOCABULARY = ItemVocabulary(
    pa.table({
        "item_id": ["a", "b", "c", "d"],
        "title": ["A", "B", "C", "D"],
        "text": ["A. Acme", "B. Acme", "C", "D"],
        "brand": ["Acme", " Acme", None, ""],
        "shelf": [7, 8, 7, 8],
        "price": [1.0, 2.0, 3.0, 4.0],
        "picture": ["a.png", "b.png", None, "d.png"],
        "campaign": pa.array([["1", "2"], ["2", "2"], [], None]),
        "empty": pa.array([None] * 4, pa.string()),
    })
)  # fmt: skip


def test_groups_of_texts_numbers_and_lists() -> None:
    brand, shelf, campaign = (read_groups(VOCABULARY, name) for name in ("brand", "shelf", "campaign"))
    assert (brand.names, brand.rows.tolist(), brand.codes.tolist()) == (["Acme"], [2, 3], [0, 0])
    assert (shelf.names, shelf.codes.tolist()) == (["7", "8"], [0, 1, 0, 1])
    assert (campaign.names, campaign.rows.tolist(), campaign.codes.tolist()) == (["1", "2"], [2, 2, 3], [0, 1, 1])
    assert group_columns(VOCABULARY) == ["brand", "shelf", "picture", "campaign"]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("colour", "the items have no column 'colour'; give one of brand, shelf, campaign$"),
        ("title", "column title describes single items"),
        ("price", "column price contains double, not names of groups"),
        ("empty", "no item has a value in column empty"),
    ],
)
def test_columns_that_cannot_group_items_are_refused_with_the_ones_that_can(target: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        read_groups(VOCABULARY, target)
    assert str(error.value).startswith(f"target is {target!r}: ")


def test_probabilities_sum_to_one_with_the_items_of_no_group() -> None:
    scores = torch.tensor([[-math.inf, -math.inf, 0.0, math.log(2), math.log(3), math.log(4)]])
    brand, shelf, campaign = (read_groups(VOCABULARY, name) for name in ("brand", "shelf", "campaign"))
    assert shelf.probabilities(scores)[0].tolist() == pytest.approx([0.4, 0.6])
    assert brand.probabilities(scores)[0].tolist() == pytest.approx([0.3]), "items without a brand have the rest"
    assert campaign.probabilities(scores)[0].tolist() == pytest.approx([0.1, 0.3]), "item a is in both"
    nothing = torch.full((1, 6), -math.inf)
    assert shelf.probabilities(nothing).tolist() == [[0.0, 0.0]]


@given(
    st.lists(st.lists(st.sampled_from("xyz"), max_size=3), min_size=1, max_size=6),
    st.lists(st.lists(st.integers(0, 7), max_size=5), max_size=4),
)
def test_histories_and_sums_are_those_of_a_loop(members: list[list[str]], histories: list[list[int]]) -> None:
    if not any(members):
        return
    ids = [str(number) for number in range(len(members))]
    vocabulary = ItemVocabulary(pa.table({"item_id": ids, "campaign": pa.array(members, pa.list_(pa.string()))}))
    groups = read_groups(vocabulary, "campaign")
    of_row = {row + NUM_SPECIAL_ROWS: sorted({groups.names.index(name) for name in own})
              for row, own in enumerate(members)}  # fmt: skip
    histories = [[item for item in history if item < len(vocabulary)] for history in histories]
    expected = [[code for item in history for code in of_row.get(item, [])] for history in histories]
    assert [codes.tolist() for codes in groups.of_histories(histories)] == expected
    values = torch.arange(2 * len(vocabulary)).reshape(2, -1).double()
    looped = np.zeros((2, len(groups)))
    for row, codes in of_row.items():
        looped[:, codes] += values[:, row].numpy()[:, None]
    assert groups.sums(values).tolist() == looped.tolist()
