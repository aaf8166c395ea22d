"""Rankings for queries: measured on the asked target, with the history and without."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from datasets import Dataset

from xcat_rec import bench
from xcat_rec.tokenization.text.asks import ASK_KINDS
from xcat_rec.tokenization.vocabulary import ItemVocabulary
from xcat_rec.workflows.bench_asks import MOST_USERS, ask_kinds, measure_asks

from ..tiny_shop import SMALL, events_table, items_table, save_text_encoder


class Asked:
    """Ranks the item whose title is asked for first, or with a history the latest item of it."""

    def __init__(self, vocabulary: ItemVocabulary) -> None:
        self.titles = vocabulary.column("title").to_pylist()
        self.seen: list[dict[str, Any]] = []

    def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        self.seen += rows
        scores = torch.zeros(len(rows), len(self.titles) + 2)
        scores[:, :2] = -torch.inf
        for number, row in enumerate(rows):
            if len(row["items"]) > 1:
                scores[number, row["items"][-1]] = 2.0
            if row["ask"] in self.titles:
                scores[number, self.titles.index(row["ask"]) + 2] = 1.0
        return scores


def test_what_is_measured() -> None:
    table = pl.DataFrame({"item_id": list("abc"), "title": ["x y", "z", None], "text": ["x y", "z", ""]})
    vocabulary = ItemVocabulary(table.to_arrow())
    rows = [
        {"items": [2, 3], "targets": [2], "event_types": [1, 1]},
        {"items": [2, 4], "targets": [3, 2], "event_types": [1, 1]},
        {"items": [3, 2], "targets": [4], "event_types": [1, 1]},  # without a title
        {"items": [3, 2], "targets": [1, 1], "event_types": [1, 1]},  # not in the catalogue
    ]
    ranker = Asked(vocabulary)
    found, per_user = measure_asks(ranker, Dataset.from_list(rows), vocabulary, np.ones(5, dtype=bool), ["own-title"])
    part = found["own-title"]
    assert part["num_users"] == 2 and part["median_rank"] == 2 and part["median_rank_alone"] == 1
    assert part["query_alone"]["recall@10"] == part["metrics"]["recall@10"] == 1
    assert part["metrics"]["ndcg@10"] == pytest.approx(1 / np.log2(3)) and part["query_alone"]["ndcg@10"] == 1
    assert per_user["asks.own-title.ndcg@10"].shape == (2,)
    assert [row["items"] for row in ranker.seen] == [[2, 4], [2, 3], [1], [1]], "short queries first"
    assert [row["targets"] for row in ranker.seen[:2]] == [[3], [2]]
    nothing, _ = measure_asks(ranker, Dataset.from_list(rows), vocabulary, np.ones(5, dtype=bool), ["review"])
    assert nothing == {"review": None}
    assert MOST_USERS >= 1000


def test_kinds() -> None:
    assert ask_kinds("category, title,category") == ("category", "title") == ask_kinds(["category", "title"])
    assert ask_kinds(None) == ()
    with pytest.raises(ValueError, match=f"asks has 'colour'; give some of {', '.join(ASK_KINDS)}"):
        ask_kinds("colour")


def test_a_bench_with_queries(tmp_path) -> None:
    items_table().write_parquet(tmp_path / "items.parquet")
    events_table().write_parquet(tmp_path / "events.parquet")
    encoder = str(save_text_encoder(tmp_path / "encoder"))
    fields = {"num_train_epochs": 1, "text_encoder": encoder, "precision": "fp32", "use_cpu": True, **SMALL}
    models = ["bm25", "text-search", "xcat", "xcat-no-query-attention"]
    result = bench(str(tmp_path), models, seeds=1, asks="category,own-title", output=tmp_path / "out.json", **fields)
    asks = {run.row["model"]: run.row["asks"] for run in result.runs}
    assert list(asks) == models and all(list(found) == ["category", "own-title"] for found in asks.values())
    for model in models:
        found = asks[model]["own-title"]["median_rank_alone"]
        assert found <= (40 if model == "text-search" else 2), model  # the text encoder here is not trained
        (run,) = (run for run in result.runs if run.row["model"] == model)
        assert {"asks.category.ndcg@10", "ndcg@10"} <= set(run.per_user)
    assert asks["bm25"]["category"]["metrics"] == asks["bm25"]["category"]["query_alone"]
    settings = {run.row["model"]: run.row["config"].get("model", {}).get("ask_heads") for run in result.runs}
    assert settings["xcat"] != 0 and settings["xcat-no-query-attention"] == 0
    with pytest.raises(ValueError, match="asks has 'colour'"):
        bench(str(tmp_path), models, asks="colour")
