from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xcat_rec.evaluation.recommendation_ranking.ranking_metrics import (
    catalogue_coverage,
    check_cutoffs,
    per_user_metrics,
    summarise,
)


def brute_force(ranks: list[int], k: int) -> tuple[float, float, float]:
    wanted = [rank for rank in ranks if rank > 0]
    if not wanted:
        return (math.nan,) * 3
    hits = [rank for rank in wanted if rank <= k]
    ideal = sum(1 / math.log2(1 + place) for place in range(1, min(k, len(wanted)) + 1))
    dcg = sum(1 / math.log2(1 + rank) for rank in hits)
    return len(hits) / len(wanted), dcg / ideal, 1 / min(wanted) if hits else 0.0


def test_one_target_by_hand() -> None:
    values = per_user_metrics(np.array([[1], [3], [11]]), ks=[1, 10])
    assert values["recall@1"].tolist() == [1, 0, 0]
    assert values["recall@10"].tolist() == [1, 1, 0]
    assert values["ndcg@10"].tolist() == pytest.approx([1, 0.5, 0])  # 1 / log2(1 + 3)
    assert values["mrr@10"].tolist() == pytest.approx([1, 1 / 3, 0])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64])
def test_all_integer_types_give_the_same_metrics(dtype: type[np.integer]) -> None:
    values = per_user_metrics(np.array([[1, 3], [0, 100]], dtype=dtype), ks=[10])
    assert values["recall@10"].tolist() == [1, 0] and values["mrr@10"].tolist() == [1, 0]


def test_several_targets_by_hand() -> None:
    values = per_user_metrics(np.array([[2, 7, 1], [30, 4, 0]]), ks=[2, 10])
    assert values["recall@2"].tolist() == pytest.approx([2 / 3, 0])
    assert values["recall@10"].tolist() == pytest.approx([1, 1 / 2])
    discount = [1 / math.log2(1 + rank) for rank in range(12)[1:]]
    assert values["ndcg@2"].tolist() == pytest.approx([1, 0])  # the ideal has min(k, targets) hits
    assert values["ndcg@10"].tolist() == pytest.approx(
        [(discount[0] + discount[1] + discount[6]) / sum(discount[:3]), discount[3] / sum(discount[:2])]
    )
    assert values["mrr@10"].tolist() == pytest.approx([1, 1 / 4])


def test_only_targets_of_the_mask_count() -> None:
    ranks = np.array([[1, 5], [2, 0], [3, 4]])
    mask = np.array([[False, True], [False, True], [True, True]])  # the second user's flag is on padding
    values = per_user_metrics(ranks, ks=[4], relevant=mask)
    assert values["recall@4"].tolist() == pytest.approx([0, math.nan, 1], nan_ok=True)
    assert values["mrr@4"].tolist() == pytest.approx([0, math.nan, 1 / 3], nan_ok=True)
    assert values["ndcg@4"][2] == pytest.approx((1 / 2 + 1 / math.log2(5)) / (1 + 1 / math.log2(3)))
    assert summarise(values)["recall@4"] == 0.5


@given(
    ranks=st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(st.integers(0, 15), min_size=width, max_size=width), min_size=1, max_size=5)
    ),
    ks=st.lists(st.integers(1, 12), min_size=1, max_size=3),
)
def test_agrees_with_brute_force(ranks: list[list[int]], ks: list[int]) -> None:
    values = per_user_metrics(np.array(ranks), ks)
    assert list(values) == [f"{name}@{k}" for k in sorted(set(ks)) for name in ("recall", "ndcg", "mrr")]
    for k in ks:
        expected = zip(*(brute_force(row, k) for row in ranks), strict=True)
        for name, column in zip(("recall", "ndcg", "mrr"), expected, strict=True):
            assert values[f"{name}@{k}"].tolist() == pytest.approx(list(column), nan_ok=True)


@given(
    ranks=st.lists(st.integers(1, 10_000), min_size=1, max_size=6, unique=True), padding=st.sampled_from([0, -1, -100])
)
def test_padding_changes_nothing(ranks: list[int], padding: int) -> None:
    bare = per_user_metrics(np.array([ranks]), ks=[5])
    padded = per_user_metrics(np.array([[*ranks, padding, padding]]), ks=[5])
    assert {name: value.tolist() for name, value in bare.items()} == {n: v.tolist() for n, v in padded.items()}
    assert all(0 <= value[0] <= 1 for value in bare.values())


def test_a_slice_without_targets_is_nan_and_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    means = summarise(per_user_metrics(np.array([[3], [4]]), ks=[10], relevant=np.zeros((2, 1), dtype=bool)))
    assert all(math.isnan(value) for value in means.values())
    assert per_user_metrics(np.empty((2, 0), dtype=np.int64), ks=[1])["mrr@1"].shape == (2,)
    assert not recwarn.list


def test_coverage_by_hand() -> None:
    topk = np.array([[2, 3, 4], [2, 5, 0], [3, 1, 0]])
    coverage = catalogue_coverage(topk, [1, 2, 3], num_items=8, first_row=2)
    assert coverage == {"coverage@1": 2 / 8, "coverage@2": 3 / 8, "coverage@3": 4 / 8}


def test_coverage_needs_lists_as_long_as_the_cutoff_unless_the_catalogue_is_shorter() -> None:
    with pytest.raises(ValueError, match="lists of 3 recommendations are too short for coverage@5; give 5 per user"):
        catalogue_coverage(np.ones((1, 3), dtype=int), [5], num_items=10)
    assert catalogue_coverage(np.array([[0, 1, 2]]), [5], num_items=3) == {"coverage@5": 1.0}


@pytest.mark.parametrize("ks", [[], [0, 5], [-1]])
def test_cutoffs_out_of_range_are_refused(ks: list[int]) -> None:
    with pytest.raises(ValueError, match="give at least one, each 1 or more"):
        check_cutoffs(ks)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"give \(users, targets\)"):
        per_user_metrics(np.array([1, 2]), ks=[1])
    with pytest.raises(ValueError, match="mask of relevant targets"):
        per_user_metrics(np.array([[1, 2]]), ks=[1], relevant=np.array([True, False]))
