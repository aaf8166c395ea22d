from __future__ import annotations

import re
from pathlib import Path

import evaluate
import numpy as np
import pytest

import xcat_rec
from xcat_rec.evaluation.recommendation_ranking.ranking_metrics import (
    ABOUT,
    METRIC_NAMES,
    METRICS,
    per_user_metrics,
    summarise,
)

FOLDER = Path(xcat_rec.__file__).parent / "evaluation" / "recommendation_ranking"


@pytest.fixture(scope="module")
def metric() -> evaluate.Metric:
    return evaluate.load(str(FOLDER))


def test_loads_from_its_folder_and_computes_by_hand(metric: evaluate.Metric) -> None:
    results = metric.compute(
        predictions=[["tent", "lamp", "boots"], ["boots", "tent", "lamp"]],
        references=[["lamp"], ["boots", "kite"]],
        ks=[1, 3],
        num_items=6,
    )
    second = 1 / (1 + 1 / np.log2(3))
    assert results == pytest.approx(
        {
            "recall@1": 0.25, "ndcg@1": 0.5, "mrr@1": 0.5, "hit_rate@1": 0.5, "coverage@1": 2 / 6,
            "recall@3": 0.75, "ndcg@3": (1 / np.log2(3) + second) / 2, "mrr@3": 0.75, "hit_rate@3": 1.0,
            "coverage@3": 3 / 6,
        }
    )  # fmt: skip


def test_agrees_with_the_metrics_of_ranks(metric: evaluate.Metric) -> None:
    generator = np.random.default_rng(0)
    predictions = np.stack([generator.permutation(40)[:20] for _ in range(30)])
    references = [generator.choice(40, size=generator.integers(1, 5), replace=False).tolist() for _ in range(30)]
    ranks = np.zeros((30, 4), dtype=int)
    for user, wanted in enumerate(references):
        for place, item in enumerate(wanted):
            found = np.flatnonzero(predictions[user] == item)
            ranks[user, place] = found[0] + 1 if len(found) else 10_000
    results = metric.compute(predictions=predictions.tolist(), references=references)
    assert results == pytest.approx(
        summarise(per_user_metrics(ranks, [1, 5, 10, 20], names=(*METRIC_NAMES, "hit_rate")))
    )


def test_batches_add_up_and_users_without_references_are_left_out(metric: evaluate.Metric) -> None:
    metric.add_batch(predictions=[[1, 2], [3, 4]], references=[[1], []])
    metric.add_batch(predictions=[[5, 6]], references=[[5, 5, 9]])  # a repeated reference counts once
    half = 1 / (1 + 1 / np.log2(3))
    assert metric.compute(ks=[2]) == pytest.approx(
        {"recall@2": 0.75, "ndcg@2": (1 + half) / 2, "mrr@2": 1.0, "hit_rate@2": 1.0}
    )


def test_lists_shorter_than_a_cutoff_are_refused(metric: evaluate.Metric) -> None:
    with pytest.raises(ValueError, match="lists of 2 recommendations are too short for metrics at 5"):
        metric.compute(predictions=[[1, 2]], references=[[1]], ks=[5])
    with pytest.raises(ValueError, match=r"lengths \[1, 2\]"):
        metric.compute(predictions=[[1, 2], [1]], references=[[1], [1]])


def test_the_page_names_every_metric() -> None:
    page = (FOLDER.parent.parent / "docs" / "evaluate.md").read_text()
    table = page.partition("## Metrics\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)@k` \|", table, re.MULTILINE) == list(ABOUT)
    own = {name for name, metric in METRICS.items() if metric.__module__.startswith("xcat_rec.")}
    assert {*own, "coverage"} == set(ABOUT)
    default = re.search(r"always report (.+?)\. ", " ".join(table.split()))
    assert default is not None and re.findall(r"`(\w+)`", default[1]) == [*METRIC_NAMES, "coverage"]
