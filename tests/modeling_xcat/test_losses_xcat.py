from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from xcat_rec.modeling_xcat import losses_xcat
from xcat_rec.modeling_xcat.losses_xcat import chunked_cross_entropy, generalised_bce, sample_candidates


def problem(events: int, items: int, width: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(events, width, generator=generator, requires_grad=True)
    table = torch.randn(items, width, generator=generator, requires_grad=True)
    return states, table, torch.randint(items, (events,), generator=generator)


@contextmanager
def limited(**limits: int) -> Iterator[None]:
    """Sizes small enough that a small problem goes through several chunks and blocks."""
    original = {name: getattr(losses_xcat, name) for name in limits}
    vars(losses_xcat).update(limits)
    try:
        yield
    finally:
        vars(losses_xcat).update(original)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 200),
    st.integers(4, 40),
    st.integers(1, 9),
    st.integers(0, 99),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_loss_and_gradients_equal_the_plain_softmax(events, items, width, seed, soft, weighed, unit, large, raised):
    states, table, targets = problem(events, items, width, seed)
    bonus_items = bonus = None
    if raised:
        bonus_items = torch.randint(items, (events, 3), generator=torch.Generator().manual_seed(seed))
        bonus = torch.linspace(-2, 2, events * 3).view(events, 3).requires_grad_()
    neighbours = torch.stack([(targets + i) % items for i in range(1, 4)], dim=1) if soft else None
    weights = torch.arange(1, events + 1) / events if weighed else None
    limits = {"_CHUNK_ELEMENTS": 1, "_KEPT_ELEMENTS": 64 * items, "_ROWS_AT_ONCE": 7, "_LEAST_BLOCK": 3}
    with limited(**limits, _BY_ITEMS_FROM=0 if large else items):
        loss = chunked_cross_entropy(
            states, table, targets, soft_targets=neighbours, soft_weight=0.3, weights=weights, unit_items=unit,
            bonus_items=bonus_items, bonus=bonus,
        )  # fmt: skip
    (2 * loss).backward()
    trained = [states, table, *([bonus] if raised else [])]
    gradients = [part.grad.clone() for part in trained]
    for part in trained:
        part.grad = None
    label = F.one_hot(targets, items).float()
    if neighbours is not None:
        label = 0.7 * label + 0.3 * F.one_hot(neighbours, items).float().mean(1)
    represented = F.normalize(table, dim=-1) if unit else table
    scores = states @ represented.T
    scores = scores.scatter_add(1, bonus_items, bonus) if raised else scores
    losses = F.cross_entropy(scores, label, reduction="none")
    expected = (losses if weights is None else losses * weights).sum()
    (2 * expected).backward()
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-4)
    for found, part in zip(gradients, trained, strict=True):
        torch.testing.assert_close(found, part.grad, rtol=1e-4, atol=3e-4)


def test_gradients_are_used_up_once():
    states, table, targets = problem(3, 5, 2, 0)
    loss = chunked_cross_entropy(states, table, targets)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="used up by its first backward pass"):
        loss.backward()


def test_without_gradients_only_the_loss_is_made():
    states, table, targets = problem(5, 7, 3, 0)
    with torch.no_grad():
        loss = chunked_cross_entropy(states, table, targets)
    torch.testing.assert_close(loss, F.cross_entropy(states @ table.T, targets, reduction="sum"))


def test_products_follow_autocast():
    states, table, targets = problem(64, 50, 16, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = chunked_cross_entropy(states, table, targets)
    exact = chunked_cross_entropy(states, table, targets)
    assert low.dtype == torch.float32
    assert low != exact
    torch.testing.assert_close(low, exact, rtol=1e-2, atol=0)


@pytest.mark.parametrize("largest", [10.0, 60.0], ids=["exponentials in bfloat16", "exponentials in float32"])
@pytest.mark.parametrize("apart", [False, True])
def test_short_products_have_the_gradients_of_long_ones(largest, apart):
    """Scores that are bounded closely have exponentials of their own dtype, others have the highest subtracted."""
    states, table, targets = problem(300, 70, 32, 0)
    scaled = F.normalize(states, dim=-1) * torch.cat([torch.linspace(1, 10, 299), torch.tensor([largest])])[:, None]
    soft = torch.stack([(targets + i) % 70 for i in range(3)], dim=1)  # the first is the target itself
    bonus_items = torch.stack([targets, targets, (targets + 1) % 70], dim=1)
    bonus = torch.linspace(-3, 3, 900).view(300, 3)
    bonus[:100] = 0
    bonus.requires_grad_()
    shared = {"soft_targets": soft, "soft_weight": 0.3, "bonus_items": bonus_items, "bonus_apart": apart}
    found = []
    for low in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low), limited(_CHUNK_ELEMENTS=1, _KEPT_ELEMENTS=4480):
            loss = chunked_cross_entropy(scaled, table, targets, bonus=bonus, unit_items=True, **shared)
        found.append((loss.detach(), *torch.autograd.grad(loss, [states, table, bonus], retain_graph=True)))
    assert found[0][0] != found[1][0]
    for exact, low in zip(*found, strict=True):
        torch.testing.assert_close(low, exact, rtol=0.03, atol=0.03 * float(exact.abs().max()))


def test_the_inclusion_probability_is_exact():
    counts = torch.tensor([0, 0, 6, 3, 1, 0])
    targets = torch.tensor([2, 2, 3])
    rows, log_inclusion = sample_candidates(targets, counts, 4, 2)
    assert {2, 3} <= set(rows.tolist()) and rows.min() >= 2 and len(rows.unique()) == len(rows)
    absent = (1 - counts[rows] / 10.0) ** 3 * (1 - 1 / 4) ** 4
    torch.testing.assert_close(log_inclusion, torch.log(1 - absent).float())


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


@pytest.mark.parametrize("seed", range(3))
def test_the_sampled_partition_is_close_to_the_full_one(seed):
    """Averaged over many draws, the corrected sum of exponentials estimates that of the whole catalogue."""
    torch.manual_seed(seed)
    items, draws = 200, 400
    table, counts = torch.randn(items + 2, 8) * 0.5, torch.randint(1, 50, (items + 2,))
    counts[:2] = 0
    states = torch.randn(1, 8)
    full = torch.exp(states @ table[2:].T).sum()
    estimates = []
    for _ in range(draws):
        targets = torch.multinomial(counts.float(), 8, replacement=True)
        rows, log_inclusion = sample_candidates(targets, counts, 40, 2)
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


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(4, 30), st.integers(0, 99), st.booleans(), st.booleans(), st.booleans())
def test_a_bonus_apart_learns_what_is_left_over(events, items, seed, soft, weighed, large):
    states, table, targets = problem(events, items, 5, seed)
    generator = torch.Generator().manual_seed(seed)
    bonus_items = torch.stack([torch.randperm(items, generator=generator)[:3] for _ in range(events)])
    bonus = torch.randn(events, 3, generator=generator, requires_grad=True)
    neighbours = torch.stack([(targets + i) % items for i in range(1, 4)], dim=1) if soft else None
    weights = torch.arange(1, events + 1) / 3 if weighed else None
    shared = {"soft_targets": neighbours, "soft_weight": 0.3, "weights": weights}
    alone = chunked_cross_entropy(states, table, targets, **shared)
    alone.backward()
    expected = [states.grad.clone(), table.grad.clone()]
    chunked_cross_entropy(
        states.detach(), table.detach(), targets, bonus_items=bonus_items, bonus=bonus, **shared
    ).backward()
    expected.append(bonus.grad.clone())
    states.grad = table.grad = bonus.grad = None
    with limited(_BY_ITEMS_FROM=0 if large else items):
        loss = chunked_cross_entropy(
            states, table, targets, bonus_items=bonus_items, bonus=bonus, bonus_apart=True, **shared
        )
    loss.backward()
    torch.testing.assert_close(loss, alone, rtol=1e-4, atol=1e-4)
    for part, wanted in zip((states, table, bonus), expected, strict=True):
        torch.testing.assert_close(part.grad, wanted, rtol=1e-4, atol=3e-4)


def test_a_bonus_apart_of_binary_losses_learns_what_is_left_over():
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
