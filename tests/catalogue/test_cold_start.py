"""Neighbours of cold items: exact numbers, a brute-force oracle, and the values that are kept."""

from __future__ import annotations

import logging

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.catalogue import cold_start
from xcat_rec.catalogue.cold_start import (
    TEXT_NEIGHBOR_WEIGHT,
    add_cold_start_neighbors,
    added_items,
    complete_added_items,
    drop_cold_start_neighbors,
    fill_neighbors_from_text,
)
from xcat_rec.modeling_baselines.regression import weights_by_regression
from xcat_rec.modeling_xcat.configuration_xcat import FORMAT_VERSION, XCatConfig
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.modeling_xcat.neighbors_xcat import XCatNeighbors

SAME_TEXT_WEIGHT = {1: 1.0, 2: 1.0, 3: 1.0, 4: 0.2}
"""Weight from a cold item to a warm item with the same text, by format version."""


@pytest.fixture(autouse=True, scope="module")
def few_warm_items_suffice():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cold_start, "MIN_WARM_ITEMS", 1)
        yield


def catalogue(
    texts: list[list[float]], counts: list[int], similar: dict[tuple[int, int], float], width: int = 4,
    version: int = FORMAT_VERSION, segments: int = 0,
) -> XCatForNextItem:  # fmt: skip
    """A model whose rows from 2 on have these texts, counts and item-to-item weights, symmetric before format 4."""
    rows = len(texts) + 2
    config = XCatConfig(
        num_item_rows=rows, num_texts=rows - 1, text_dim=len(texts[0]), hidden_size=4, intermediate_size=4,
        num_attention_heads=1, num_neighbors=width, soft_target_weight=0.0, format_version=version,
        num_segments=segments, segment_width=2,
    )  # fmt: skip
    model = XCatForNextItem(config)
    items, memory = model.model.items, model.model.neighbors
    items.text_states[1:, 0] = torch.tensor(texts)
    items.text_index[2:] = torch.arange(1, rows - 1)
    items.item_counts[2:] = torch.tensor(counts)
    for owner in range(2, rows):
        of_owner = sorted(
            (
                (value, pair[1] if pair[0] == owner else pair[0])
                for pair, value in similar.items()
                if pair[0] == owner or (version < 4 and pair[1] == owner)
            ),
            reverse=True,
        )[:width]
        for place, (value, other) in enumerate(of_owner):
            memory.rows[owner, place], memory.similarities[owner, place] = other, value
    return model


def pairs(memory: XCatNeighbors) -> dict[tuple[int, int], float]:
    owners, places = memory.similarities.nonzero(as_tuple=True)
    keys = zip(owners.tolist(), memory.rows[owners, places].tolist(), strict=True)
    return {key: round(v, 5) for key, v in zip(keys, memory.similarities[owners, places].tolist(), strict=True)}


@pytest.mark.parametrize("version", SAME_TEXT_WEIGHT)
def test_a_cold_item_gets_the_weights_of_similar_texts(version):
    # Row 4 is new; its text is that of row 2, at right angles to that of row 3: shares e^10 / (e^10 + 1) and the rest.
    similar = {(2, 3): 0.5} if version < 4 else {(2, 3): 0.5, (3, 2): 0.25}
    model = catalogue([[1, 0], [0, 2], [3, 0]], [5, 1, 0], similar, version=version)
    assert add_cold_start_neighbors(model) == 1
    near, far = torch.softmax(torch.tensor([10.0, 0.0]), 0).tolist()
    if version < 4:
        to_two, to_three = near + far * 0.5, far + near * 0.5
        expected = {(2, 3): 0.5, (3, 2): 0.5, (4, 2): to_two, (2, 4): to_two, (4, 3): to_three, (3, 4): to_three}
    else:
        expected = {
            (2, 3): 0.5, (3, 2): 0.25, (4, 2): near * 0.2 + far * 0.25, (4, 3): far * 0.2 + near * 0.5,
            (2, 4): near * 5 / (5 + 20 + 5) + far * 0.5, (3, 4): far * 5 / (5 + 20 + 1) + near * 0.25,
        }  # fmt: skip
    memory = model.model.neighbors
    assert pairs(memory) == pytest.approx(expected, abs=2e-5)
    assert add_cold_start_neighbors(model) == 1 and pairs(memory) == pytest.approx(expected, abs=2e-5)
    drop_cold_start_neighbors(memory, model.model.items.item_counts)
    assert pairs(memory) == {(2, 3): 0.5, (3, 2): 0.5 if version < 4 else 0.25}


def test_the_weight_of_equal_texts_is_that_of_a_regression_without_events():
    texts = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([0, 0, 1, 1])
    for train in ([], [[2]] * 30):
        rows, weights = weights_by_regression(train, 4, 1, texts)
        assert rows[3].tolist() == [2] and weights[3].tolist() == pytest.approx([SAME_TEXT_WEIGHT[4]])


def test_the_larger_of_two_weights_of_a_pair_is_kept():
    similar = {(2, 3): 0.5, (3, 2): 0.25, (4, 2): 0.15, (4, 3): 0.75, (2, 4): 0.01}
    model = catalogue([[1, 0], [0, 2], [3, 0]], [5, 1, 0], similar)
    near, far = torch.softmax(torch.tensor([10.0, 0.0]), 0).tolist()
    expected = {
        **similar, (4, 2): near * 0.2 + far * 0.25,
        (2, 4): near * 5 / 30 + far * 0.5, (3, 4): far * 5 / 26 + near * 0.25,
    }  # fmt: skip
    for _ in range(2):
        assert add_cold_start_neighbors(model) == 1 and pairs(model.model.neighbors) == pytest.approx(
            expected, abs=2e-5
        )


def test_models_without_cold_or_warm_texts_do_not_change(caplog, monkeypatch):
    similar = {(2, 3): 0.5}
    for model in (
        catalogue([[1, 0], [0, 2]], [5, 1], similar),  # no cold item
        catalogue([[1, 0], [0, 2], [0, 0]], [5, 1, 0], similar),  # a cold item without text
        catalogue([[1, 0], [0, 2], [0, 0]], [0, 0, 4], similar),  # no warm item with text
    ):
        before = pairs(model.model.neighbors)
        assert add_cold_start_neighbors(model) == 0 and pairs(model.model.neighbors) == before
    monkeypatch.setattr(cold_start, "MOST_COSINES", 1)
    model = catalogue([[1, 0], [0, 2], [3, 0]], [5, 1, 0], similar)
    with caplog.at_level(logging.WARNING):
        assert add_cold_start_neighbors(model) == 0
    assert "1 cold items are too many" in caplog.text
    monkeypatch.undo()
    monkeypatch.setattr(cold_start, "MIN_WARM_ITEMS", 3)
    assert add_cold_start_neighbors(model) == 0  # only two warm items
    no_memory = XCatForNextItem(XCatConfig(num_neighbors=0, hidden_size=4, num_attention_heads=1))
    assert add_cold_start_neighbors(no_memory) == 0


def test_an_added_item_has_the_rates_of_similar_items_and_one_that_nobody_bought_keeps_its_own():
    # Rows 4 and 5 have no events: 5 was there in training, so its rates are those of row 0.
    model = catalogue([[1, 0], [0, 2], [3, 0], [3, 0]], [5, 1, 0, 0], {(2, 3): 0.5}, segments=2)
    segments, rates = model.model.segments, torch.tensor([[0.5, 0.1], [0.1, 0.3]])
    nobody, mean = torch.tensor([1e-3, 1e-3]).log(), torch.tensor([0.2, 0.2]).log()
    segments.rates.copy_(torch.stack([nobody, mean, *rates.log(), mean, nobody]))
    segments.trends[:, 0] = torch.tensor([1e-3, 0.2, 0.4, 0.2, 0.2, 1e-3]).log()
    segments.trends[:, 1] = 7
    assert added_items(model).tolist() == [4]
    complete_added_items(model, torch.tensor([4]))
    near, far = torch.softmax(torch.tensor([10.0, 0.0]), 0)
    assert segments.rates[4].exp().tolist() == pytest.approx((near * rates[0] + far * rates[1]).tolist(), rel=1e-5)
    assert segments.trends[4].exp()[0].item() == pytest.approx(float(near * 0.4 + far * 0.2), rel=1e-5)
    assert segments.trends[4, 1] == 7 and segments.rates[5].equal(nobody) and added_items(model).tolist() == [4]
    weights = pairs(model.model.neighbors)
    assert {(4, 2), (2, 4)} <= set(weights) and not any(5 in pair for pair in weights)
    add_cold_start_neighbors(model, torch.tensor([4]))
    assert pairs(model.model.neighbors) == weights
    blank = catalogue([[1, 0], [0, 2], [0, 0]], [5, 1, 0], {}, segments=2)
    blank.model.segments.rates[4] = mean
    complete_added_items(blank, torch.tensor([4]))
    assert blank.model.segments.rates[4].equal(mean), "without a text it keeps the mean rate"


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_weights_of_cold_items_match_a_loop_over_warm_items(data):
    size = data.draw(st.integers(2, 7))
    counts = data.draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
    number = st.integers(-3, 3).map(float)
    texts = data.draw(st.lists(st.lists(number, min_size=2, max_size=2), min_size=size, max_size=size))
    similar = {
        (i + 2, j + 2): data.draw(st.integers(1, 9)) / 10
        for i in range(size) for j in range(size) if i != j and counts[i] and counts[j] and data.draw(st.booleans())
    }  # fmt: skip
    version = data.draw(st.sampled_from([3, 4]))
    if version < 4:  # symmetric
        similar = {(a, b): value for (a, b), value in similar.items() if a > b}
    model = catalogue(texts, counts, similar, width=2 * size, version=version)
    add_cold_start_neighbors(model)
    unit = torch.nn.functional.normalize(torch.tensor(texts), dim=-1)
    said = unit.any(1)
    lenders = [i for i in range(size) if counts[i] and said[i]]
    known = {**similar, **({(b, a): value for (a, b), value in similar.items()} if version < 4 else {})}
    expected = dict(known)
    for new in range(size):
        if counts[new] or not said[new] or not lenders:
            continue
        shares = torch.softmax(10 * torch.stack([unit[new] @ unit[i] for i in lenders]), 0).tolist()
        for item in range(size):
            if not counts[item]:
                continue
            of_lender = SAME_TEXT_WEIGHT[version] if version < 4 else 5 / (5 + 20 + counts[item])
            expected[new + 2, item + 2] = sum(
                share * (SAME_TEXT_WEIGHT[version] if i == item else known.get((i + 2, item + 2), 0.0))
                for i, share in zip(lenders, shares, strict=True)
            )
            expected[item + 2, new + 2] = sum(
                share * (of_lender if i == item else known.get((item + 2, i + 2), 0.0))
                for i, share in zip(lenders, shares, strict=True)
            )
    found = pairs(model.model.neighbors)
    every = found.keys() | expected.keys()  # a weight close to 0 may be missing from one of them
    assert {key: found.get(key, 0.0) for key in every} == pytest.approx(
        {key: expected.get(key, 0.0) for key in every}, abs=1e-4
    )


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_weights_from_texts_alone_match_one_system_per_item(data):
    size = data.draw(st.integers(1, 6))
    number = st.integers(-3, 3).map(float)
    texts = data.draw(st.lists(st.lists(number, min_size=3, max_size=3), min_size=size, max_size=size))
    model = catalogue(texts, [0] * size, {}, width=size)
    assert fill_neighbors_from_text(model)
    assert model.config.neighbor_history and model.config.neighbor_weight == TEXT_NEIGHBOR_WEIGHT
    states = torch.tensor(texts).double()
    centred = states - states.mean(0)
    variances, directions = torch.linalg.eigh(centred.T @ centred / max(1, size - 1))
    variances = variances.clamp(min=0)
    whitened = centred @ directions / (variances + (0.01 + (3 / size) ** 2) * variances.mean() + 1e-12).sqrt()
    cosines = torch.nn.functional.normalize(whitened, dim=-1) @ torch.nn.functional.normalize(whitened, dim=-1).T
    said = states.any(1)
    expected = {}
    for item in range(size):
        near = [i for i in range(size) if i != item and said[i] and said[item] and cosines[i, item] > 1e-6]
        if near:
            system = 5 * cosines[near][:, near] + 20 * torch.eye(len(near))
            weights = torch.linalg.solve(system, 5 * cosines[near, item])
            expected |= {(i + 2, item + 2): float(w) for i, w in zip(near, weights, strict=True) if w > 0}
    found = pairs(model.model.neighbors)
    every = found.keys() | expected.keys()
    assert {key: found.get(key, 0.0) for key in every} == pytest.approx(
        {key: expected.get(key, 0.0) for key in every}, abs=1e-4
    )


def test_existing_weights_stay_if_those_of_texts_are_smaller(monkeypatch, caplog):
    texts = [[1, 0], [1.5, 0.25], [0, 3], [-4, -1]]
    alone = catalogue(texts, [0] * 4, {})
    assert fill_neighbors_from_text(alone)
    of_texts = pairs(alone.model.neighbors)
    assert 0.01 < of_texts[2, 3] < 0.5
    model = catalogue(texts, [1, 1, 0, 0], {(2, 3): 0.5, (3, 2): 0.01, (2, 4): 0.25})
    assert fill_neighbors_from_text(model)
    assert pairs(model.model.neighbors) == pytest.approx({**of_texts, (2, 3): 0.5, (2, 4): 0.25})
    monkeypatch.setattr(cold_start, "MOST_COMPARED", 35)
    for left_alone in (catalogue(texts, [0] * 4, {}, version=3), catalogue(texts, [0] * 4, {})):
        weight = left_alone.config.neighbor_weight
        with caplog.at_level(logging.WARNING):
            assert not fill_neighbors_from_text(left_alone)
        assert not pairs(left_alone.model.neighbors) and left_alone.config.neighbor_weight == weight
        assert not left_alone.config.neighbor_history
    assert caplog.text.count("6 items are too many to compare their texts") == 1
    assert not fill_neighbors_from_text(
        XCatForNextItem(XCatConfig(num_neighbors=0, hidden_size=4, num_attention_heads=1))
    )
