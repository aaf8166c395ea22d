from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModel

from xcat_rec.evaluation.ranker_evaluation import Ranker
from xcat_rec.modeling_baselines import cooccurrence, reading
from xcat_rec.modeling_baselines.knn import (
    HistoryKNNModel,
    ItemKNNConfig,
    ItemKNNModel,
    ItemRegressionConfig,
    ItemRegressionModel,
    TextKNNConfig,
    TextKNNModel,
)
from xcat_rec.modeling_baselines.regression import weights_by_regression

INF = float("inf")
TRAIN = [[2, 3, 3], [3, 4, 2], [5, 3], [4]]
STATES = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 0.5], [3.0, 4.0]])
INDEX = torch.tensor([0, 0, 1, 2, 3, 0])


def item_model(**options: Any) -> ItemKNNModel:
    return ItemKNNModel(ItemKNNConfig(**{"num_item_rows": 7, **options})).fit(TRAIN)


def text_model(**options: Any) -> TextKNNModel:
    config = TextKNNConfig(num_item_rows=6, num_texts=4, text_dim=2, **options)
    return TextKNNModel(config).fit(STATES, INDEX)


def regression_model(**options: Any) -> ItemRegressionModel:
    return ItemRegressionModel(ItemRegressionConfig(**{"num_item_rows": 7, **options})).fit(TRAIN)


MODELS = [item_model, text_model, regression_model]


def neighbours_by_hand(
    sequences: list[list[int]], rows: int, neighbours: int, shrink: float
) -> dict[int, dict[int, float]]:
    users = {item: {u for u, sequence in enumerate(sequences) if item in sequence} for item in range(2, rows)}
    found = {}
    for item in range(2, rows):
        near = {
            other: len(users[item] & users[other]) / (math.sqrt(len(users[item]) * len(users[other])) + shrink)
            for other in range(2, rows)
            if other != item and users[item] & users[other]
        }
        found[item] = dict(sorted(near.items(), key=lambda pair: (-round(pair[1], 6), pair[0]))[:neighbours])
    return found


def scores_by_hand(
    near: dict[int, dict[int, float]], history: list[int], rows: int, window: int, decay: float
) -> list[float]:
    scores = [-INF, -INF, *([0.0] * (rows - 2))]
    events = [item for item in history if item != 0]
    for age, item in enumerate(reversed(events[-window:])):
        for other, similarity in near.get(item, {}).items():
            scores[other] += decay**age * similarity
    return scores


def test_regression_scores_are_sums_of_its_weights() -> None:
    model = regression_model(ridge=2.0, neighbours=3)
    rows, weights = weights_by_regression(TRAIN, 7, 3, ridge=2.0)
    near = {
        item: {row: weight for row, weight in zip(rows[item].tolist(), weights[item].tolist(), strict=True) if weight}
        for item in range(2, 7)
    }
    assert near[2] and near[5]
    found = model.score_rows([{"items": [5, 2, 3]}])[0].tolist()
    assert found == pytest.approx(scores_by_hand(near, [5, 2, 3], 7, 10, 0.8))
    with pytest.raises(ValueError, match=r"ridge is 0; give a positive number, such as 20\."):
        ItemRegressionConfig(ridge=0)


def test_similarities_by_hand() -> None:
    # Users of 2: two, of 3: three, of 4: two, of 5: one.
    model = item_model(neighbours=3)
    assert model.neighbour_rows[2].tolist() == [3, 4, 0]
    assert model.similarities[2].tolist() == pytest.approx([2 / 6**0.5, 1 / 2, 0])
    assert model.neighbour_rows[3].tolist() == [2, 5, 4]
    assert model.similarities[3].tolist() == pytest.approx([2 / 6**0.5, 1 / 3**0.5, 1 / 6**0.5])
    assert not model.similarities[[0, 1, 6]].any()
    assert item_model(shrink=10).similarities[2, 0].item() == pytest.approx(2 / (6**0.5 + 10))


def test_ties_keep_the_lower_index_first() -> None:
    model = ItemKNNModel(ItemKNNConfig(num_item_rows=8, neighbours=2)).fit([[7, 6, 5, 4, 3, 2]])
    assert model.neighbour_rows[[2, 4]].tolist() == [[3, 4], [2, 3]]


def test_scores_by_hand() -> None:
    scores = item_model(window=2, decay=0.5).score_rows([{"items": [4, 5, 2]}])[0].tolist()
    assert scores == pytest.approx([-INF, -INF, 0, 2 / 6**0.5 + 0.5 / 3**0.5, 0.5, 0, 0])


@settings(max_examples=200, deadline=None)
@given(
    sequences=st.lists(st.lists(st.integers(0, 7), max_size=8), max_size=7),
    histories=st.lists(st.lists(st.integers(0, 7), max_size=8), min_size=1, max_size=4),
    neighbours=st.integers(1, 9),
    shrink=st.sampled_from([0, 0.5, 10]),
    window=st.integers(1, 9),
    decay=st.sampled_from([1, 0.8, 0.3]),
    pairs=st.sampled_from([1, 7, 30, 1 << 22]),
)
def test_item_knn_scores_match_brute_force(
    sequences: list[list[int]], histories: list[list[int]], neighbours: int, shrink: float, window: int,
    decay: float, pairs: int,
) -> None:  # fmt: skip
    """The same for any block size."""
    before = cooccurrence._PAIRS_AT_ONCE
    cooccurrence._PAIRS_AT_ONCE = pairs
    try:
        config = ItemKNNConfig(num_item_rows=8, neighbours=neighbours, shrink=shrink, window=window, decay=decay)
        model = ItemKNNModel(config).fit(sequences)
    finally:
        cooccurrence._PAIRS_AT_ONCE = before
    near = neighbours_by_hand(sequences, 8, neighbours, shrink)
    for row, history in zip(model.score_rows([{"items": h} for h in histories]).tolist(), histories, strict=True):
        assert row == pytest.approx(scores_by_hand(near, history, 8, window, decay), abs=1e-5)


@pytest.mark.parametrize("few_users", [True, False])
def test_both_counting_methods_agree_on_many_items(few_users: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    rows = 400
    sequences = torch.randint(2, rows, (15 if few_users else 900, 12), generator=generator).tolist()
    model = ItemKNNModel(ItemKNNConfig(num_item_rows=rows, neighbours=20)).fit(sequences)
    near = neighbours_by_hand(sequences, rows, 20, 0)
    for item in range(2, rows, 37):
        kept = {
            int(row): float(s) for row, s in zip(model.neighbour_rows[item], model.similarities[item], strict=True)
        }
        kept.pop(0, None)
        assert kept == pytest.approx(near[item], abs=1e-6)


def test_fit_replaces_reads_any_iterable_and_skips_special_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_SEQUENCES_AT_ONCE", 2)
    model = item_model()
    assert model.fit(iter([[0, 1, 2], [], [4, 2], [2]])) is model
    assert model.similarities.nonzero().tolist() == [[2, 0], [4, 0]]
    fitted = model.fit(Dataset.from_dict({"items": [[3], [3, 4]]})["items"]).similarities
    assert fitted[3, 0].item() == fitted[4, 0].item() == pytest.approx(1 / 2**0.5)
    assert not model.fit([]).similarities.any()


@pytest.mark.parametrize("row", [7, -1])
def test_fit_refuses_rows_of_another_vocabulary(row: int) -> None:
    model = item_model()
    before = model.similarities.clone()
    with pytest.raises(ValueError, match=rf"1 of 3 training events .* for example {row}; num_item_rows is 7"):
        model.fit([[2, 3], [row]])
    assert torch.equal(model.similarities, before)


def test_text_scores_by_hand() -> None:
    model = text_model(decay=0.5)
    scores = model.score_rows([{"items": [3, 2]}, {"items": [5]}, {"items": []}])
    length = 1.25**0.5
    assert scores[0].tolist() == pytest.approx([-INF, -INF, 1 / length, 0.5 / length, (0.6 + 0.4) / length, -1])
    assert scores[1].tolist() == scores[2].tolist() == [-INF, -INF, 0, 0, 0, -1]


def test_text_shapes_that_do_not_fit_are_refused() -> None:
    model = text_model()
    with pytest.raises(ValueError, match=r"text_states has shape \(3, 2\) and the configuration requires \(4, 2\)"):
        model.fit(STATES[:3], INDEX)
    with pytest.raises(ValueError, match=r"text_index has shape \(5,\)"):
        model.fit(STATES, INDEX[:5])
    with pytest.raises(
        ValueError, match="contains 1 numbers that text_states lacks, for example 4; give numbers from 0 to"
    ):
        model.fit(STATES, torch.tensor([0, 0, 1, 2, 4, 0]))


@pytest.mark.parametrize("make", MODELS)
def test_padding_on_either_side_changes_nothing(make: Any) -> None:
    model = make(window=2)
    bare = model(torch.tensor([[4, 2, 3]]))
    assert torch.equal(model(torch.tensor([[0, 0, 4, 2, 3]])), bare)
    assert torch.equal(model(torch.tensor([[4, 2, 3, 0]]), attention_mask=torch.tensor([[1, 1, 1, 0]])), bare)
    assert torch.equal(model(torch.tensor([[2, 3]])), bare), "the window is two events"


@pytest.mark.parametrize("make", MODELS)
def test_items_of_the_history_can_be_excluded(make: Any) -> None:
    rows = [{"items": [5, 0, 4, 2]}, {"items": []}]
    everything, unseen = make(window=2).score_rows(rows), make(window=2, history=False).score_rows(rows)
    had = torch.zeros_like(everything, dtype=torch.bool)
    had[0, [5, 4, 2]] = True  # 5 is before the window
    assert everything[had].isfinite().all()
    assert torch.equal(unseen, everything.masked_fill(had, -torch.inf))


@pytest.mark.parametrize("make", MODELS)
def test_is_a_ranker_and_no_rows_give_no_scores(make: Any) -> None:
    model = make()
    assert isinstance(model, Ranker)
    assert model.score_rows([]).shape == (0, model.config.num_item_rows)
    assert model.score_rows([{"items": []}]).shape == (1, model.config.num_item_rows)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("make", MODELS)
def test_save_and_load(make: Any, dtype: torch.dtype, tmp_path: Path) -> None:
    model: HistoryKNNModel = make(window=3, decay=0.5)
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path, dtype=dtype)
    rows = [{"items": [5, 4, 2]}, {"items": [3]}]
    exact = dtype is torch.float32
    assert type(loaded.config) is type(model.config)
    assert (loaded.config.window, loaded.config.decay) == (3, 0.5)
    scores = loaded.score_rows(rows)
    assert scores.dtype == torch.float32
    assert torch.allclose(scores, model.score_rows(rows), atol=0 if exact else 2e-2, rtol=0 if exact else 2e-2)


@pytest.mark.parametrize("make", MODELS)
def test_a_checkpoint_carries_its_code(make: Any, tmp_path: Path) -> None:
    model: HistoryKNNModel = make()
    model.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["auto_map"] == {
        "AutoConfig": f"knn.{type(model.config).__name__}", "AutoModel": f"knn.{type(model).__name__}",
    }  # fmt: skip
    loaded = AutoModel.from_pretrained(tmp_path, trust_remote_code=True)
    assert type(loaded) is not type(model), "it is the copy beside the weights"
    rows = [{"items": [2, 3]}]
    assert torch.equal(loaded.score_rows(rows), model.score_rows(rows))


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        (ItemKNNConfig, {"num_item_rows": 1}, "ItemKNNConfig.num_item_rows is 1; give at least 2"),
        (ItemKNNConfig, {"window": 0}, "ItemKNNConfig.window is 0; give at least 1"),
        (ItemKNNConfig, {"neighbours": 0}, "ItemKNNConfig.neighbours is 0; give at least 1"),
        (ItemKNNConfig, {"shrink": -1}, "ItemKNNConfig.shrink is -1; give at least 0"),
        (TextKNNConfig, {"decay": 0}, "TextKNNConfig.decay is 0; give a share above 0"),
        (TextKNNConfig, {"num_texts": 0}, "TextKNNConfig.num_texts is 0; give at least 1"),
    ],
)
def test_values_out_of_range_are_refused(config: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**options)
