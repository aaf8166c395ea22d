from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from datasets import Dataset
from huggingface_hub.errors import StrictDataclassFieldValidationError
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModel

from xcat_rec.evaluation.ranker_evaluation import Ranker, evaluate_ranker
from xcat_rec.modeling_baselines import reading
from xcat_rec.modeling_baselines.popularity import (
    CountingModel,
    PopularityConfig,
    PopularityModel,
    RecentPopularityConfig,
    RecentPopularityModel,
    RepeatPurchaseConfig,
    RepeatPurchaseModel,
)
from xcat_rec.tokenization.vocabulary import ItemVocabulary

INF = float("inf")
TRAIN = [[2, 3, 3], [3, 4], [5, 3, 4]]
FAMILIES = [
    (PopularityConfig, PopularityModel),
    (RecentPopularityConfig, RecentPopularityModel),
    (RepeatPurchaseConfig, RepeatPurchaseModel),
]


def repeat_model(num_item_rows: int = 8) -> RepeatPurchaseModel:
    return RepeatPurchaseModel(RepeatPurchaseConfig(num_item_rows=num_item_rows)).fit(TRAIN)


def expected_order(history: list[int], counts: Counter[int], rows: int) -> list[list[int]]:
    """Groups of items, best first: each item of the history in its own group, then the others by count."""
    own = Counter(item for item in history if item >= 2)
    latest = {item: position for position, item in enumerate(history)}
    groups = [[item] for item in sorted(own, key=lambda item: (own[item], latest[item]), reverse=True)]
    others = [item for item in range(2, rows) if item not in own]
    levels = sorted({counts[item] for item in others}, reverse=True)
    return groups + [[item for item in others if counts[item] == level] for level in levels]


def groups_of(scores: list[float]) -> list[list[int]]:
    return [
        [row for row, score in enumerate(scores) if score == level]
        for level in sorted({score for score in scores if score > -INF}, reverse=True)
    ]


def test_popularity_scores_are_the_training_counts() -> None:
    model = PopularityModel(PopularityConfig(num_item_rows=7)).fit(TRAIN)
    expected = [-INF, -INF, 1, 4, 2, 1, 0]
    assert model.score_rows([{"items": [2]}, {"items": []}]).tolist() == [expected, expected]
    assert model.counts.tolist() == [0, 0, 1, 4, 2, 1, 0]


def test_repeat_purchase_by_hand() -> None:
    # Item 6 twice, then the latest of 2 and 5, then popular items: 3, 4, and 7, which has no purchases.
    scores = repeat_model().score_rows([{"items": [6, 5, 6, 2]}])[0].tolist()
    assert groups_of(scores) == [[6], [2], [5], [3], [4], [7]]
    assert scores[:2] == [-INF, -INF]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.integers(1, 7), max_size=9), min_size=1, max_size=4))
def test_repeat_purchase_order_matches_brute_force(histories: list[list[int]]) -> None:
    counts = Counter(item for sequence in TRAIN for item in sequence)
    scores = repeat_model().score_rows([{"items": history} for history in histories])
    assert scores.dtype == torch.float32
    for row, history in zip(scores.tolist(), histories, strict=True):
        assert groups_of(row) == expected_order(history, counts, rows=8)


def test_padding_on_either_side_changes_nothing() -> None:
    model = repeat_model()
    bare = model(torch.tensor([[6, 2, 6]]))
    assert torch.equal(model(torch.tensor([[0, 0, 6, 2, 6]])), bare)
    assert torch.equal(model(torch.tensor([[6, 2, 6, 0]]), attention_mask=torch.tensor([[1, 1, 1, 0]])), bare)


def test_long_histories_and_large_counts_stay_exact() -> None:
    model = RepeatPurchaseModel(RepeatPurchaseConfig(num_item_rows=6000))
    model.counts[2:4] = torch.tensor([2**24, 2**24 + 1])  # the same number in float32
    scores = model.score_rows([{"items": list(range(10, 5010)) * 2}])[0]
    assert scores[3] > scores[2]
    own = scores[10:5010]
    assert (own.diff() == 1).all(), "each later item is one above the one before"
    assert own.min() > scores[3]


@pytest.mark.parametrize(("config", "family"), FAMILIES)
def test_fit_replaces_counts_reads_any_iterable_and_skips_special_rows(
    config: type[PopularityConfig], family: type[CountingModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = family(config(num_item_rows=6)).fit([[5, 5]])
    monkeypatch.setattr(reading, "_SEQUENCES_AT_ONCE", 2)
    assert model.fit(iter([[0, 1, 2], [], [4, 2], [2]])) is model
    assert model.counts.tolist() == [0, 0, 3, 0, 1, 0]
    assert model.fit(Dataset.from_dict({"items": [[3], [3, 4]]})["items"]).counts.tolist() == [0, 0, 0, 2, 1, 0]
    assert model.fit([]).counts.sum() == 0


@pytest.mark.parametrize("row", [6, -1])
def test_fit_refuses_rows_of_another_vocabulary(row: int) -> None:
    model = PopularityModel(PopularityConfig(num_item_rows=6)).fit([[2]])
    with pytest.raises(ValueError, match=rf"1 of 3 training events .* for example {row}; num_item_rows is 6"):
        model.fit([[2, 3], [row]])
    assert model.counts.tolist() == [0, 0, 1, 0, 0, 0], "a failed fit leaves the counts as they were"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("config", "family"), FAMILIES)
def test_save_and_load(
    config: type[PopularityConfig], family: type[CountingModel], dtype: torch.dtype, tmp_path: Path
) -> None:
    model = family(config(num_item_rows=7)).fit([[3] * 70_001, [4] * 70_000, [5]])  # more than float16 can hold
    model.save_pretrained(tmp_path)
    loaded = family.from_pretrained(tmp_path, dtype=dtype)
    rows = [{"items": [5, 4, 5]}, {"items": [6]}]
    assert torch.equal(loaded.counts, model.counts)
    assert torch.equal(loaded.score_rows(rows), model.score_rows(rows))
    assert type(loaded.config) is config
    assert loaded.config.num_item_rows == 7


@pytest.mark.parametrize(("config", "family"), FAMILIES)
def test_a_checkpoint_carries_its_code(
    config: type[PopularityConfig], family: type[CountingModel], tmp_path: Path
) -> None:
    model = family(config(num_item_rows=8)).fit(TRAIN)
    model.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["auto_map"] == {
        "AutoConfig": f"popularity.{config.__name__}", "AutoModel": f"popularity.{family.__name__}",
    }  # fmt: skip
    loaded = AutoModel.from_pretrained(tmp_path, trust_remote_code=True)
    assert type(loaded).__name__ == family.__name__
    assert type(loaded) is not family, "it is the copy beside the weights"
    rows = [{"items": [6, 2, 6]}]
    assert torch.equal(loaded.score_rows(rows), model.score_rows(rows))


def test_counts_missing_from_a_checkpoint_are_zero(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    PopularityModel(PopularityConfig(num_item_rows=50)).fit([[4]]).save_pretrained(tmp_path)
    save_file({}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert PopularityModel.from_pretrained(tmp_path).counts.tolist() == [0] * 50


@pytest.mark.parametrize("config", [PopularityConfig, RepeatPurchaseConfig])
def test_sizes_out_of_range_are_refused(config: type[PopularityConfig]) -> None:
    with pytest.raises(ValueError, match=rf"{config.__name__}.num_item_rows is 1"):
        config(num_item_rows=1)
    with pytest.raises(StrictDataclassFieldValidationError, match="num_item_rows"):
        config(num_item_rows=7.5)


@pytest.mark.parametrize(("config", "family"), FAMILIES)
def test_is_a_ranker_and_no_rows_give_no_scores(config: type[PopularityConfig], family: type[CountingModel]) -> None:
    model = family(config(num_item_rows=8)).fit(TRAIN)
    assert isinstance(model, Ranker)
    assert model.score_rows([]).shape == (0, 8)
    assert model.score_rows([{"items": []}]).shape == (1, 8)


def test_repeat_purchase_wins_if_users_repeat_and_ignores_special_rows() -> None:
    generator = np.random.default_rng(0)
    vocabulary = ItemVocabulary(pa.table({"item_id": [str(i) for i in range(100)]}))
    rows: list[dict[str, Any]] = []
    for _ in range(60):
        items = generator.integers(2, 102, size=6).tolist()
        rows.append({"items": [*items, items[-1]], "targets": [items[-1]]})
    dataset = Dataset.from_list(rows)
    results = {}
    for config, family in FAMILIES:
        model = family(config(num_item_rows=len(vocabulary))).fit(dataset["items"])
        trained = (model.counts > 0).numpy()
        report = evaluate_ranker(model, dataset, vocabulary, trained=trained, ks=[1], progress=False)
        results[family] = report.metrics["recall@1"]
        assert report.slices["cold"]["num_targets"] == 0
    assert results[RepeatPurchaseModel] > 0.9 > 0.5 > results[PopularityModel]
