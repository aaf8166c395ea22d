from __future__ import annotations

import json
import math
import weakref
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from datasets import Dataset, Features, List, Value

from xcat_rec.evaluation.ranker_evaluation import Ranker, RankingReport, evaluate_ranker, report_from_ranks
from xcat_rec.tokenization.vocabulary import ItemVocabulary

INF = float("inf")
TENT, DOME, BOOTS, LAMP, KITE = range(2, 7)
VOCABULARY = ItemVocabulary(
    pa.table({"item_id": ["tent", "dome", "boots", "lamp", "kite"], "category": ["t", "t", "b", "l", None]})
)
TRAINED = np.array([False, False, True, True, True, False, True])


class FixedRanker:
    """Scores by the user's name, and records its inputs."""

    def __init__(self, scores: dict[str, list[float]]) -> None:
        self.scores = scores
        self.batches: list[list[dict[str, Any]]] = []

    def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        self.batches.append(rows)
        return torch.tensor([self.scores[row["user_id"]] for row in rows])


def dataset_of(rows: list[dict[str, Any]]) -> Dataset:
    whole = Value("int32")
    features = Features({"user_id": Value("string"), "items": List(whole), "targets": List(whole)})
    return Dataset.from_list(rows, features=features)


ROWS = [
    {"user_id": "ann", "items": [TENT, TENT], "targets": [BOOTS, DOME]},
    {"user_id": "ben", "items": [BOOTS], "targets": [BOOTS]},
    {"user_id": "cid", "items": [BOOTS, TENT], "targets": [LAMP]},
]
SCORES = {
    "ann": [-INF, -INF, 0.1, 0.5, 0.9, 0.5, 0.2],  # boots 1; dome ties with the lamp: 3
    "ben": [-INF, -INF, 0.0, 0.0, 0.0, 0.0, 0.0],  # all equal: 5
    "cid": [-INF, -INF, 0.3, 0.1, 0.2, 0.8, 0.0],  # lamp 1
}


def evaluate_fixed(**options: Any) -> RankingReport:
    return evaluate_ranker(
        FixedRanker(SCORES), dataset_of(ROWS), VOCABULARY, trained=TRAINED, ks=[1, 2], progress=False, **options
    )


def test_by_hand() -> None:
    report = evaluate_fixed()
    assert (report.num_users, report.num_targets) == (3, 4)
    assert report.metrics["recall@1"] == pytest.approx((1 / 2 + 0 + 1) / 3)
    assert report.metrics["mrr@2"] == pytest.approx(2 / 3)
    assert report.metrics["ndcg@2"] == pytest.approx((1 / (1 + 1 / math.log2(3)) + 0 + 1) / 3)
    assert report.slices["switch"]["num_targets"] == 2
    assert report.slices["switch"]["recall@1"] == 1.0
    assert report.slices["new_category"]["num_targets"] == 2
    assert report.slices["cold"] == {
        "recall@1": 1.0, "ndcg@1": 1.0, "mrr@1": 1.0, "recall@2": 1.0, "ndcg@2": 1.0, "mrr@2": 1.0, "num_targets": 1,
    }  # fmt: skip
    assert report.slices["unseen"]["num_targets"] == 3
    assert report.slices["unseen"]["recall@1"] == pytest.approx((1 / 2 + 1) / 2)
    assert report.per_user["recall@1"].tolist() == [0.5, 0, 1]
    assert report.per_user["slices.cold.recall@1"].tolist() == pytest.approx([math.nan, math.nan, 1], nan_ok=True)


def test_scores_may_be_an_array_of_numpy() -> None:
    class Plain(FixedRanker):
        def score_rows(self, rows: list[dict[str, Any]]) -> Any:
            return super().score_rows(rows).numpy()

    found = evaluate_ranker(Plain(SCORES), dataset_of(ROWS), VOCABULARY, trained=TRAINED, ks=[1, 2], progress=False)
    assert found.metrics == evaluate_fixed().metrics


def test_displacement_of_warm_targets_by_cold_items() -> None:
    report = evaluate_fixed()  # the cold lamp ties with ann's dome, which is 3rd of all items and 2nd of the warm ones
    assert report.lost_to_untrained["recall@1"] == 0
    assert report.lost_to_untrained["recall@2"] == pytest.approx(1 - (1 / 2) / 1)
    assert report.lost_to_untrained["ndcg@2"] == pytest.approx(1 - 1 / (1 + 1 / math.log2(3)))
    assert report.per_user["lost_to_untrained.recall@2"].tolist() == pytest.approx([1 / 2, 0, math.nan], nan_ok=True)
    assert json.loads(report.to_json())["lost_to_untrained"] == pytest.approx(report.lost_to_untrained)


def test_without_cold_items_there_is_no_displacement() -> None:
    trained = np.arange(len(TRAINED)) >= 2
    report = evaluate_ranker(
        FixedRanker(SCORES), dataset_of(ROWS), VOCABULARY, trained=trained, ks=[1], progress=False
    )
    assert report.lost_to_untrained == {} and json.loads(report.to_json())["lost_to_untrained"] is None


def test_coverage_counts_items_in_any_list() -> None:
    scores = {name: [-INF, -INF, 0.0, 0.1, 0.9, 0.2, 0.3] for name in SCORES}
    scores["cid"] = [-INF, -INF, 0.9, 0.1, 0.8, 0.2, 0.3]
    report = evaluate_ranker(
        FixedRanker(scores), dataset_of(ROWS), VOCABULARY, trained=TRAINED, ks=[1, 2, 50], progress=False
    )
    found = {name: value for name, value in report.metrics.items() if name.startswith("coverage")}
    assert found == {"coverage@1": 2 / 5, "coverage@2": 3 / 5, "coverage@50": 1.0}


def test_items_with_infinite_negative_scores_are_not_covered() -> None:
    scores = {name: [-INF, -INF, 0.0, -INF, 0.9, -INF, -INF] for name in SCORES}
    report = evaluate_ranker(
        FixedRanker(scores), dataset_of(ROWS), VOCABULARY, trained=TRAINED, ks=[5], progress=False
    )
    assert report.metrics["coverage@5"] == 2 / 5


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_the_batch_size_changes_nothing(batch_size: int) -> None:
    one, whole = evaluate_fixed(batch_size=batch_size), evaluate_fixed()
    assert one.flat() == pytest.approx(whole.flat(), nan_ok=True)
    for name, values in whole.per_user.items():
        np.testing.assert_array_equal(one.per_user[name], values)


def test_the_ranker_sees_whole_rows_in_order_and_a_set_format_does_not_matter() -> None:
    ranker = FixedRanker(SCORES)
    dataset = dataset_of(ROWS).with_format("numpy")
    evaluate_ranker(ranker, dataset, VOCABULARY, trained=TRAINED, batch_size=2, progress=False)
    assert isinstance(ranker, Ranker)
    assert ranker.batches == [ROWS[:2], ROWS[2:]]


def test_scores_of_finished_batches_are_freed() -> None:
    alive: list[int] = []

    class Watched(FixedRanker):
        given: list[weakref.ref[torch.Tensor]] = []

        def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
            alive.append(sum(reference() is not None for reference in self.given))
            scores = super().score_rows(rows)
            self.given.append(weakref.ref(scores))
            return scores

    dataset = dataset_of(ROWS * 4)
    evaluate_ranker(Watched(SCORES), dataset, VOCABULARY, trained=TRAINED, batch_size=1, progress=False)
    assert len(alive) == 12
    assert max(alive) <= 1


def test_users_without_targets_are_left_out() -> None:
    rows = [{"user_id": "ann", "items": [TENT], "targets": []}, *ROWS]
    report = evaluate_ranker(
        FixedRanker(SCORES), dataset_of(rows), VOCABULARY, trained=TRAINED, ks=[1, 2], batch_size=1, progress=False
    )
    assert report.flat() == pytest.approx(evaluate_fixed().flat(), nan_ok=True)
    assert report.num_users == 3
    assert len(report.per_user["recall@1"]) == 4


def test_flat_names_and_json() -> None:
    report = report_from_ranks(
        np.array([[1], [7]]), {"cold": np.array([[False], [False]])}, np.array([[2], [0]]), [1], 5
    )
    flat = report.flat()
    assert flat["recall@1"] == 0.5
    assert flat["coverage@1"] == 1 / 5
    assert flat["slices.cold.num_targets"] == 0
    assert math.isnan(flat["slices.cold.recall@1"])
    assert json.loads(report.to_json()) == {
        "num_users": 2,
        "num_targets": 2,
        "metrics": {"recall@1": 0.5, "ndcg@1": 0.5, "mrr@1": 0.5, "coverage@1": 0.2},
        "slices": {"cold": {"recall@1": None, "ndcg@1": None, "mrr@1": None, "num_targets": 0}},
        "lost_to_untrained": None,
        "discover": None,
    }


def test_a_report_from_gathered_ranks_ignores_the_trainers_padding() -> None:
    ranks = np.array([[1, 3], [2, 0]])
    flags = {"cold": np.array([[True, False], [True, False]])}
    gathered = {"cold": np.array([[True, False, True], [True, True, True]])}
    topk = np.array([[2, 3], [4, 5]])
    one = report_from_ranks(ranks, flags, topk, [1, 2], 5)
    other = report_from_ranks(np.array([[1, 3, -100], [2, 0, -100]]), gathered, topk, [1, 2], 5)
    assert one.flat() == other.flat()


class DropoutRanker(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dropout = torch.nn.Dropout(0.5)
        self.frozen = torch.nn.Dropout(0.5).eval()
        self.modes: list[bool] = []
        self.weight = torch.nn.Parameter(torch.ones(()))

    def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        self.modes += [self.training, self.dropout.training, torch.is_grad_enabled()]
        scores = torch.tensor([SCORES[row["user_id"]] for row in rows]) * self.weight
        return self.dropout(scores)


def test_a_module_is_evaluated_without_dropout_and_its_mode_is_restored() -> None:
    ranker = DropoutRanker()
    report = evaluate_ranker(ranker, dataset_of(ROWS), VOCABULARY, trained=TRAINED, ks=[1, 2], progress=False)
    assert report.flat() == pytest.approx(evaluate_fixed().flat(), nan_ok=True)
    assert not any(ranker.modes)
    assert ranker.training
    assert ranker.dropout.training
    assert not ranker.frozen.training


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (torch.zeros(3, 5), r"scores of shape \(3, 5\) for 3 users and 7 vocabulary rows"),
        (torch.zeros(3, 7), "gave a special row 0.0"),
        (torch.full((3, 7), float("nan")), "21 of 21 scores are NaN"),
    ],
    ids=["shape", "special rows", "nan"],
)
def test_unusable_scores_are_refused(scores: torch.Tensor, message: str) -> None:
    class Broken:
        def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
            return scores

    with pytest.raises(ValueError, match=message):
        evaluate_ranker(Broken(), dataset_of(ROWS), VOCABULARY, trained=TRAINED, progress=False)


def test_data_without_targets_are_refused() -> None:
    options = {"trained": TRAINED, "progress": False}
    ranker = FixedRanker(SCORES)
    with pytest.raises(ValueError, match="no column targets"):
        evaluate_ranker(ranker, dataset_of(ROWS).remove_columns("targets"), VOCABULARY, **options)
    with pytest.raises(ValueError, match="the dataset has 0 rows"):
        evaluate_ranker(ranker, dataset_of(ROWS).select([]), VOCABULARY, **options)
    with pytest.raises(ValueError, match="none of 1 users has a target"):
        evaluate_ranker(ranker, dataset_of([{**ROWS[0], "targets": []}]), VOCABULARY, **options)


def test_recommendations_of_other_users_are_refused() -> None:
    with pytest.raises(ValueError, match="recommendations of 1 users do not fit the ranks of 2 users"):
        report_from_ranks(np.array([[1], [2]]), {}, np.array([[2]]), [1], 5)
