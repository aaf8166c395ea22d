from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.modeling_xcat.negatives_xcat import bpr_max, generalised_bce, sample_candidates

from .test_softmax_loss_xcat import problem


def test_the_inclusion_probability_is_exact():
    counts = torch.tensor([0, 0, 6, 3, 1, 0])
    targets = torch.tensor([2, 2, 3])
    rows, log_inclusion = sample_candidates(targets, counts, 4, 2)
    assert {2, 3} <= set(rows.tolist()) and rows.min() >= 2 and len(rows.unique()) == len(rows)
    absent = (1 - counts[rows] / 10.0) ** 3 * (1 - 1 / 4) ** 4
    torch.testing.assert_close(log_inclusion, torch.log(1 - absent).float())


def test_negatives_are_drawn_by_a_power_of_their_counts():
    counts = torch.tensor([0, 0, 16, 4, 1, 0])
    targets = torch.tensor([2])
    rows, log_inclusion = sample_candidates(targets, counts, 3, 2, exponent=0.5)
    drawn = counts[rows].float().sqrt() / 7
    absent = (1 - counts[rows] / 21.0) * (1 - drawn) ** 3
    torch.testing.assert_close(log_inclusion, torch.log(1 - absent).float())
    torch.manual_seed(0)
    found = [sample_candidates(targets, counts, 1, 2, exponent=0.5)[0].tolist() for _ in range(2000)]
    assert sum(4 in one for one in found) / 2000 == pytest.approx(1 / 7, abs=0.02)
    assert not any(5 in one for one in found), "a cold item is not drawn"
    assert sample_candidates(targets, 0 * counts, 50, 2, exponent=0.5)[0].tolist() == [2, 3, 4, 5]


def test_candidates_depend_on_one_draw_and_on_the_targets():
    """So that processes which have these in common have the candidates in common, whatever else they draw."""
    counts = torch.ones(1000, dtype=torch.long)
    first, second = torch.tensor([5, 7, 7]), torch.tensor([900])
    found = []
    for targets, shared in ((first, False), (first, True), (second, False)):
        torch.manual_seed(3)
        found.append(sample_candidates(targets, counts, 40, 2, shared=shared)[0].tolist())
        after = torch.rand(1)
    assert found[0] == found[1] and set(found[0]) - {5, 7} == set(found[2]) - {900} and len(found[0]) > 30
    torch.manual_seed(3)
    sample_candidates(first, counts, 9, 2)
    assert torch.rand(1) == after  # however many were drawn


@pytest.mark.parametrize(("seed", "exponent"), [(0, 0.0), (1, 0.0), (2, 0.5)])
def test_the_sampled_partition_is_close_to_the_full_one(seed, exponent):
    """Averaged over many draws, the corrected sum of exponentials estimates the sum over the whole catalogue."""
    torch.manual_seed(seed)
    items, draws = 200, 400
    table, counts = torch.randn(items + 2, 8) * 0.5, torch.randint(1, 50, (items + 2,))
    counts[:2] = 0
    states = torch.randn(1, 8)
    full = torch.exp(states @ table[2:].T).sum()
    estimates = []
    for _ in range(draws):
        targets = torch.multinomial(counts.float(), 8, replacement=True)
        rows, log_inclusion = sample_candidates(targets, counts, 40, 2, exponent=exponent)
        estimates.append(torch.exp(states @ table[rows].T - log_inclusion).sum())
    assert torch.stack(estimates).mean() / full == pytest.approx(1, abs=0.05)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(2, 12), st.floats(0, 1), st.floats(0.05, 1), st.integers(0, 99))
def test_generalised_bce_is_the_formula_of_its_paper(events, items, calibration, rate, seed):
    states, table, targets = problem(events, items, 3, seed)
    weights = torch.arange(1, events + 1) / 2
    beta = rate * (calibration * (1 - 1 / rate) + 1 / rate)
    expected = torch.zeros(())
    probabilities = torch.sigmoid(states @ table.T).double()
    for event, target in enumerate(targets.tolist()):
        terms = [
            torch.log(probabilities[event, item] ** beta)
            if item == target
            else torch.log(1 - probabilities[event, item])
            for item in range(items)
        ]
        expected = expected - weights[event] * torch.stack(terms).mean()
    loss = generalised_bce(states, table, targets, sampling_rate=rate, calibration=calibration, weights=weights)
    torch.testing.assert_close(loss.double(), expected.double(), rtol=1e-3, atol=1e-4)


def test_a_sample_of_the_target_alone_is_cross_entropy_of_one_coin():
    states, table, targets = problem(2, 1, 3, 0)
    loss = generalised_bce(states, table, targets, sampling_rate=0.0, calibration=0.75)
    torch.testing.assert_close(loss, -0.25 * torch.nn.functional.logsigmoid(states @ table.T).sum())


def test_a_separate_bonus_of_binary_losses_is_fitted_on_fixed_scores():
    states, table, targets = problem(6, 9, 4, 0)
    bonus_items, bonus = torch.arange(18).view(6, 3) % 9, torch.zeros(6, 3, requires_grad=True)
    shared = {"sampling_rate": 0.5, "calibration": 0.75}
    raised = bonus + 1
    together = generalised_bce(states, table, targets, bonus_items=bonus_items, bonus=bonus, **shared)
    wanted = torch.autograd.grad(together, [bonus])[0]
    alone = torch.autograd.grad(generalised_bce(states, table, targets, **shared), [states])[0]
    apart = generalised_bce(states, table, targets, bonus_items=bonus_items, bonus=raised, bonus_apart=True, **shared)
    assert apart.item() == pytest.approx(generalised_bce(states, table, targets, **shared).item())
    found = torch.autograd.grad(apart, [states, bonus])
    torch.testing.assert_close(found[0], alone)
    assert not torch.equal(found[1], wanted)


def test_bpr_max_is_the_formula_of_its_paper():
    scores = torch.tensor([[0.5, 1.0, -2.0, -torch.inf], [3.0, 0.0, 1.0, 2.0]], requires_grad=True)
    elu = torch.tensor([0.5, 1.0, 0.5 * (math.exp(-2) - 1)])
    shares = torch.softmax(elu[1:], 0)
    first = -(shares * torch.sigmoid(elu[0] - elu[1:])).sum().log() + 0.2 * (shares * elu[1:] ** 2).sum()
    others = torch.tensor([3.0, 0.0, 2.0])
    shares = torch.softmax(others, 0)
    second = -(shares * torch.sigmoid(1 - others)).sum().log() + 0.2 * (shares * others**2).sum()
    losses = bpr_max(scores, torch.tensor([0, 2]), 0.2)
    torch.testing.assert_close(losses, torch.stack([first, second]))
    losses.sum().backward()
    assert scores.grad.isfinite().all() and scores.grad[0, 0] < 0 < scores.grad[0, 1]


def test_an_event_without_negatives_has_no_loss():
    scores = torch.tensor([[0.5]], requires_grad=True)
    loss = bpr_max(scores, torch.tensor([0]), 1.0)
    loss.sum().backward()
    assert loss.tolist() == [0] and scores.grad.tolist() == [[0]]
