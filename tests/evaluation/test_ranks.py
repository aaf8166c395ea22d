from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.evaluation import ranks as ranks_module
from xcat_rec.evaluation.ranks import TARGET_PADDING, pad_targets, target_ranks, top_rows

INF = float("inf")


def brute_force(scores: list[list[float]], targets: list[list[int]]) -> list[list[int]]:
    return [
        [0 if t == TARGET_PADDING else sum(s >= row[t] for s in row) for t in wanted]
        for row, wanted in zip(scores, targets, strict=True)
    ]


@st.composite
def tied_problems(draw: st.DrawFn) -> tuple[list[list[float]], list[list[int]]]:
    users = draw(st.integers(1, 4))
    rows = draw(st.integers(1, 12))
    width = draw(st.integers(1, 5))
    score = st.sampled_from([-INF, -1.0, -0.0, 0.0, 0.5, 2.0, INF])  # few values, so that ties are common
    scores = draw(st.lists(st.lists(score, min_size=rows, max_size=rows), min_size=users, max_size=users))
    target = st.integers(TARGET_PADDING, rows - 1)
    targets = draw(st.lists(st.lists(target, min_size=width, max_size=width), min_size=users, max_size=users))
    return scores, targets


def test_exact_ranks_with_ties_against_the_model() -> None:
    scores = torch.tensor([[-INF, -INF, 0.3, 0.9, 0.3, 0.1], [-INF, -INF, 0.5, 0.5, 0.5, 0.5]])
    targets = torch.tensor([[3, 2, 5], [4, -1, -1]])
    assert target_ranks(scores, targets).tolist() == [[1, 3, 4], [4, 0, 0]]


def test_a_model_with_equal_scores_ranks_last() -> None:
    assert target_ranks(torch.zeros(1, 100), torch.tensor([[0]])).item() == 100


def test_an_unscored_target_ranks_below_everything() -> None:
    scores = torch.tensor([[-INF, -INF, 0.2, -5.0]])
    assert target_ranks(scores, torch.tensor([[1]])).item() == 4


@pytest.mark.parametrize("loop_columns", [0, 32], ids=["sorting", "looping"])
@settings(max_examples=200, deadline=None)
@given(problem=tied_problems())
def test_both_methods_agree_with_brute_force(
    loop_columns: int, problem: tuple[list[list[float]], list[list[int]]]
) -> None:
    scores, targets = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks_module, "_LOOP_COLUMNS", loop_columns)
        ranks = target_ranks(torch.tensor(scores), torch.tensor(targets))
    assert ranks.dtype == torch.long
    assert ranks.tolist() == brute_force(scores, targets)


@pytest.mark.parametrize("loop_columns", [0, 32], ids=["sorting", "looping"])
@settings(max_examples=50, deadline=None)
@given(problem=tied_problems(), seed=st.integers(0, 99))
def test_ranks_among_some_rows_and_the_others_add_up(
    loop_columns: int, problem: tuple[list[list[float]], list[list[int]]], seed: int
) -> None:
    scores, targets = torch.tensor(problem[0]), torch.tensor(problem[1])
    among = torch.rand(scores.shape[1], generator=torch.Generator().manual_seed(seed)) < 0.5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks_module, "_LOOP_COLUMNS", loop_columns)
        some, others = target_ranks(scores, targets, among), target_ranks(scores, targets, ~among)
    expected = [
        [0 if t == TARGET_PADDING else sum(row[i] >= row[t] for i in among.nonzero().flatten()) for t in wanted]
        for row, wanted in zip(*problem, strict=True)
    ]
    assert some.tolist() == expected
    assert (some + others).tolist() == brute_force(*problem)


def test_many_targets_use_sorting_and_agree() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 40, (3, 200), generator=generator).float()
    targets = torch.randint(-1, 200, (3, ranks_module._LOOP_COLUMNS + 8), generator=generator)
    assert target_ranks(scores, targets).tolist() == brute_force(scores.tolist(), targets.tolist())


def test_scores_of_a_strided_view() -> None:
    scores = torch.rand(6, 9).t()[:, ::2]
    targets = torch.arange(3).repeat(9, 14)
    assert target_ranks(scores, targets).tolist() == brute_force(scores.tolist(), targets.tolist())


def test_no_targets_at_all() -> None:
    assert target_ranks(torch.rand(3, 5), torch.empty(3, 0, dtype=torch.long)).shape == (3, 0)


def test_nan_is_refused_with_its_place() -> None:
    scores = torch.zeros(2, 4)
    scores[1, 3] = float("nan")
    with pytest.raises(ValueError, match="1 of 8 scores are NaN, for example of user 1 and row 3"):
        target_ranks(scores, torch.tensor([[0], [0]]))


def test_a_target_of_another_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="target row 4 is not among the 4 scored rows"):
        target_ranks(torch.zeros(1, 4), torch.tensor([[4]]))


@pytest.mark.parametrize("targets", [torch.zeros(3, 1, dtype=torch.long), torch.zeros(2, dtype=torch.long)])
def test_shapes_that_do_not_fit_are_refused(targets: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        target_ranks(torch.zeros(2, 4), targets)


def test_top_rows_exclude_items_scored_minus_infinity() -> None:
    scores = torch.tensor([[-INF, -INF, 0.1, 0.8], [-INF, -INF, -INF, 0.2]])
    assert top_rows(scores, 3).tolist() == [[3, 2, 0], [3, 0, 0]]
    assert top_rows(scores, 10).shape == (2, 4)


@given(st.lists(st.lists(st.integers(0, 99), max_size=5), max_size=6))
def test_padding_keeps_every_list(targets: list[list[int]]) -> None:
    padded = pad_targets(targets)
    assert padded.dtype == np.int64
    assert padded.shape == (len(targets), max(map(len, targets), default=0))
    assert [row[row != TARGET_PADDING].tolist() for row in padded] == targets
    assert all((row[len(wanted) :] == TARGET_PADDING).all() for row, wanted in zip(padded, targets, strict=True))


@settings(deadline=None)
@given(tied_problems(), st.integers(1, 14), st.sampled_from([1, 2**22]))
def test_of_equal_scores_the_first_rows_are_on_top(problem, k: int, chunk: int) -> None:
    scores, _ = problem
    expected = []
    for line in scores:
        best = sorted(range(len(line)), key=lambda row: (-line[row], row))[:k]
        expected.append([row if line[row] > -INF else ranks_module.PAD_ROW for row in best])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks_module, "_CHUNK", chunk)
        assert top_rows(torch.tensor(scores), k).tolist() == expected
