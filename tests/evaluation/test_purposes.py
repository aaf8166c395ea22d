"""The next item and discovery: exact numbers, a slow reference, and every baseline."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.evaluation.bootstrap import confidence_interval, paired_bootstrap
from xcat_rec.evaluation.purposes import (
    DISCOVER_SLICES,
    discover_reports,
    history_rows,
    rank_new_targets,
    without_history,
)
from xcat_rec.evaluation.ranker_evaluation import RankingReport, evaluate_ranker, report_from_ranks
from xcat_rec.evaluation.ranks import pad_targets
from xcat_rec.evaluation.recommendation_ranking.ranking_metrics import per_user_metrics
from xcat_rec.modeling_baselines.popularity import PopularityConfig, PopularityModel

from .test_ranker_evaluation import BOOTS, DOME, INF, KITE, LAMP, TENT, TRAINED, VOCABULARY, FixedRanker, dataset_of

ROWS = [
    {"user_id": "ann", "items": [TENT, TENT], "targets": [BOOTS, TENT, DOME]},
    {"user_id": "ben", "items": [BOOTS], "targets": [BOOTS]},  # had every target
    {"user_id": "cid", "items": [BOOTS, TENT, KITE], "targets": [LAMP]},
    {"user_id": "dot", "items": [], "targets": [TENT]},
]
SCORES = {
    "ann": [-INF, -INF, 0.9, 0.5, 0.6, 0.5, 0.2],  # without the tent: boots 1; dome ties with the lamp, 3
    "ben": [-INF, -INF, 0.4, 0.3, 0.9, 0.1, 0.0],
    "cid": [-INF, -INF, 0.9, 0.5, 0.8, 0.4, 0.7],  # without boots, tent and kite: dome, lamp
    "dot": [-INF, -INF, 0.1, 0.5, 0.6, 0.5, 0.2],  # the tent is last
}


def evaluated(rows: list[dict[str, Any]] = ROWS, ranker: Any = None, **options: Any) -> RankingReport:
    return evaluate_ranker(
        ranker or FixedRanker(SCORES), dataset_of(rows), VOCABULARY, trained=TRAINED, ks=[1, 2], progress=False,
        **options,
    )  # fmt: skip


def test_discovery_by_hand() -> None:
    new = evaluated().discover
    assert new is not None
    assert new.ranks is not None and new.ranks.tolist() == [[1, 0, 3], [0, 0, 0], [2, 0, 0], [5, 0, 0]]
    assert (new.num_users, new.num_targets) == (3, 4)
    assert new.metrics["recall@1"] == pytest.approx((1 / 2 + 0 + 0) / 3)
    assert new.metrics["recall@2"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert new.metrics["mrr@2"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert new.metrics["ndcg@2"] == pytest.approx((1 / (1 + 1 / math.log2(3)) + 1 / math.log2(3)) / 3)
    # ann: boots, dome or lamp; cid: dome, lamp; dot: boots, dome or lamp. Ben's list is not counted.
    assert new.metrics["coverage@1"] == 2 / 5 and new.metrics["coverage@2"] in (2 / 5, 3 / 5)
    assert tuple(new.slices) == DISCOVER_SLICES and "unseen" not in new.slices
    assert {name: part["num_targets"] for name, part in new.slices.items() if part["num_targets"]} == {
        "switch": 1, "new_category": 2, "cold": 1, "history_0_5": 4,
    }  # fmt: skip
    assert new.slices["cold"]["recall@2"] == 1 and new.slices["switch"]["recall@1"] == 1
    assert new.per_user["recall@1"].tolist() == pytest.approx([1 / 2, math.nan, 0, 0], nan_ok=True)
    assert new.discover is None


def test_the_metrics_of_the_next_item_keep_the_history() -> None:
    report = evaluated()
    assert report.ranks is not None and report.ranks.tolist() == [[2, 1, 4], [1, 0, 0], [5, 0, 0], [5, 0, 0]]
    assert report.num_users == 4 and report.metrics["recall@1"] == pytest.approx((1 / 3 + 1) / 4)


def test_names_in_flat_and_json() -> None:
    report = evaluated()
    new = report.discover
    assert new is not None
    flat = report.flat()
    assert flat["discover.recall@2"] == new.metrics["recall@2"] and flat["recall@2"] == report.metrics["recall@2"]
    assert flat["discover.slices.cold.ndcg@2"] == new.slices["cold"]["ndcg@2"]
    told = json.loads(report.to_json())
    assert list(told["discover"]) == ["num_users", "num_targets", "metrics", "slices"]
    assert (told["discover"]["num_users"], told["discover"]["num_targets"]) == (3, 4)
    assert told["discover"]["metrics"] == new.metrics and told["metrics"] == report.metrics
    assert told["discover"]["slices"]["history_21_up"]["ndcg@2"] is None


def test_intervals_and_differences_are_of_the_users_with_new_targets() -> None:
    one, other = evaluated(), evaluated(ranker=FixedRanker(dict.fromkeys(SCORES, SCORES["dot"])))
    assert one.discover is not None and other.discover is not None
    values = one.discover.per_user["recall@2"]
    assert one.discover.interval("recall@2") == confidence_interval(values)
    assert one.discover.difference(other.discover, "recall@2") == paired_bootstrap(
        values, other.discover.per_user["recall@2"]
    )


def test_without_new_targets_there_is_no_discovery() -> None:
    report = evaluated(ROWS[1:2])
    assert report.discover is None and report.num_users == 1
    assert json.loads(report.to_json())["discover"] is None
    assert not any(name.startswith("discover") for name in report.flat())


def test_a_repeated_target_counts_as_often_as_for_the_next_item() -> None:
    report = evaluated([{"user_id": "cid", "items": [BOOTS], "targets": [LAMP, LAMP, BOOTS]}])
    assert report.discover is not None and report.discover.ranks is not None
    assert (report.num_targets, report.discover.num_targets) == (3, 2)
    assert report.discover.ranks.tolist() == [[4, 4, 0]]


def test_own_scores_for_discovery() -> None:
    class Both(FixedRanker):
        def discover_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
            assert rows is self.batches[-1]
            return -super().score_rows(rows).nan_to_num(neginf=INF)

    report, plain = evaluated(ranker=Both(SCORES)), evaluated()
    assert report.metrics == plain.metrics
    assert report.discover is not None and report.discover.ranks is not None
    # ann, without the tent: kite, then dome and lamp, then boots.
    assert report.discover.ranks.tolist() == [[4, 0, 3], [0, 0, 0], [1, 0, 0], [1, 0, 0]]

    class Wrong(Both):
        def discover_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
            return torch.zeros(len(rows), 3)

    with pytest.raises(ValueError, match=r"discover_rows gave scores of shape \(4, 3\) for 4 users and 7"):
        evaluated(ranker=Wrong(SCORES))


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_batch_size_changes_nothing(batch_size: int) -> None:
    assert evaluated(batch_size=batch_size).flat() == pytest.approx(evaluated().flat(), nan_ok=True)


def test_scores_of_a_ranker_are_not_changed() -> None:
    kept = torch.tensor([SCORES[row["user_id"]] for row in ROWS])

    class Shared:
        def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
            return kept

    before = kept.clone()
    assert evaluated(ranker=Shared()).flat() == pytest.approx(evaluated().flat(), nan_ok=True)
    assert kept.equal(before)


def test_large_batches_are_masked_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = evaluated().flat()
    monkeypatch.setattr("xcat_rec.evaluation.purposes._SCORES_AT_ONCE", 15)
    assert evaluated().flat() == pytest.approx(whole, nan_ok=True)


def test_repeat_purchase_is_shown_for_discovery_only_without_popularity() -> None:
    report, none = evaluated(), evaluated(ROWS[1:2])
    shown = discover_reports({"popularity": report, "repeat-purchase": report, "XCat": report})
    assert list(shown) == ["popularity", "XCat"] and shown["XCat"] is report.discover
    assert list(discover_reports({"repeat-purchase": report, "XCat": report})) == ["repeat-purchase", "XCat"]
    assert discover_reports({"popularity": none, "XCat": none}) == {}


NUM_ROWS = 9
item = st.integers(2, NUM_ROWS - 1)
user = st.tuples(
    st.lists(st.integers(1, NUM_ROWS - 1), max_size=6),
    st.lists(item, min_size=1, max_size=4),
    st.lists(st.sampled_from([-INF, 0.0, 0.25, 0.5, 1.0]), min_size=NUM_ROWS - 2, max_size=NUM_ROWS - 2),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(user, min_size=1, max_size=5))
def test_ranks_and_lists_are_those_of_a_slow_reference(users: list[Any]) -> None:
    """The reference removes the items of the history, one user and one target at a time."""
    rows = [{"items": items, "targets": targets} for items, targets, _ in users]
    scores = torch.tensor([[-INF, -INF, *values] for _, _, values in users])
    targets = pad_targets([row["targets"] for row in rows])
    new = np.array([
        [place < len(row["targets"]) and row["targets"][place] not in row["items"] for place in range(len(padded))]
        for row, padded in zip(rows, targets, strict=True)
    ])  # fmt: skip
    ranks, top = rank_new_targets(scores, history_rows(rows), torch.from_numpy(targets), torch.from_numpy(new), 3)
    for place, (items, wanted, values) in enumerate(users):
        left = {i: -INF if i in items else value for i, value in enumerate([-INF, -INF, *values])}
        for column, target in enumerate(wanted):
            expected = 0 if target in items else sum(value >= left[target] for value in left.values())
            assert ranks[place, column] == expected
        assert not ranks[place, len(wanted) :].any()
        best = sorted((value for value in left.values() if value > -INF), reverse=True)[:3]
        listed = [row for row in top[place].tolist() if row]
        assert [left[row] for row in listed] == best and not set(listed) & set(items)


def test_the_reports_of_gathered_ranks_ignore_padding() -> None:
    ranks, top = np.array([[2, 1], [1, 0]]), np.array([[2, 3], [4, 5]])
    flags = {"unseen": np.array([[True, False], [False, False]]), "cold": np.array([[True, False], [True, False]])}
    discover = np.array([[1, 0], [0, 0]]), np.array([[3, 4], [5, 6]])
    one = report_from_ranks(ranks, flags, top, [1, 2], 5, discover=discover)
    assert one.discover is not None and one.discover.metrics["coverage@2"] == 2 / 5
    assert one.discover.flat().keys() == {
        name for name in one.flat() if "unseen" not in name and not name.startswith("discover")
    }
    wider = [np.pad(array, ((0, 0), (0, 1)), constant_values=-100) for array in (ranks, top, *discover)]
    padded = {name: np.pad(flag, ((0, 0), (0, 1)), constant_values=True) for name, flag in flags.items()}
    other = report_from_ranks(wider[0], padded, top, [1, 2], 5, discover=(wider[2], wider[3]))
    assert other.flat() == one.flat()


def test_the_mask_does_not_touch_other_scores() -> None:
    scores = torch.rand(2, 6)
    masked = without_history(scores, torch.tensor([[2, 2, 5], [3, 0, 0]]))
    assert masked.isneginf().nonzero().tolist() == [[0, 2], [0, 5], [1, 0], [1, 3]]
    assert masked[1, 4:].equal(scores[1, 4:])


def test_new_targets_of_popularity_need_no_fit_to_the_history() -> None:
    model = PopularityModel(PopularityConfig(num_item_rows=7)).fit([[TENT, TENT, BOOTS], [KITE, TENT]])
    new = evaluated([{"user_id": "ann", "items": [TENT], "targets": [BOOTS, TENT]}], model).discover
    assert new is not None and new.ranks is not None and new.ranks.tolist() == [[2, 0]]  # ties with the kite
    expected = per_user_metrics(np.array([[2]]), [1, 2])
    assert {name: new.per_user[name].tolist() for name in expected} == {n: v.tolist() for n, v in expected.items()}
