from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from xcat_rec.modeling_xcat import softmax_loss_xcat
from xcat_rec.modeling_xcat.softmax_loss_xcat import chunked_cross_entropy


def problem(events: int, items: int, width: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(events, width, generator=generator, requires_grad=True)
    table = torch.randn(items, width, generator=generator, requires_grad=True)
    return states, table, torch.randint(items, (events,), generator=generator)


@contextmanager
def limited(**limits: int) -> Iterator[None]:
    """Small sizes, so that a small input needs several chunks and blocks."""
    original = {name: getattr(softmax_loss_xcat, name) for name in limits}
    vars(softmax_loss_xcat).update(limits)
    try:
        yield
    finally:
        vars(softmax_loss_xcat).update(original)


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
@example(178, 4, 1, 4, False, False, True, False, False)
def test_loss_and_gradients_equal_the_plain_softmax(events, items, width, seed, soft, weighed, unit, large, raised):
    states, table, targets = problem(events, items, width, seed)
    bonus_items = bonus = None
    if raised:
        bonus_items = torch.randint(items, (events, 3), generator=torch.Generator().manual_seed(seed))
        bonus = torch.linspace(-2, 2, events * 3).view(events, 3).requires_grad_()
    neighbours = torch.stack([(targets + i) % items for i in range(1, 4)], dim=1) if soft else None
    weights = torch.arange(1, events + 1) / events if weighed else None
    limits = {"CHUNK_ELEMENTS": 1, "_KEPT_ELEMENTS": 64 * items, "_ROWS_AT_ONCE": 7, "_LEAST_BLOCK": 3}
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
    # The gradient of a normalised row is divided by the row's norm, and so is its rounding error.
    shortest = float(table.detach().norm(dim=-1).min()) if unit else 1.0
    for found, part in zip(gradients, trained, strict=True):
        torch.testing.assert_close(found, part.grad, rtol=1e-4, atol=3e-4 / min(1.0, shortest))


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
    """Tightly bounded scores have exponentials in their own dtype; for others the maximum is subtracted."""
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
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low), limited(CHUNK_ELEMENTS=1, _KEPT_ELEMENTS=4480):
            loss = chunked_cross_entropy(scaled, table, targets, bonus=bonus, unit_items=True, **shared)
        found.append((loss.detach(), *torch.autograd.grad(loss, [states, table, bonus], retain_graph=True)))
    assert found[0][0] != found[1][0]
    for exact, low in zip(*found, strict=True):
        torch.testing.assert_close(low, exact, rtol=0.03, atol=0.03 * float(exact.abs().max()))


@pytest.mark.parametrize("lowest", [-90.0, -120.0])
def test_bonuses_that_leave_next_to_nothing_have_their_gradients_in_short_products(lowest):
    states, table, targets = problem(1, 3, 8, 0)
    bonus = torch.full((1, 3), lowest, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = chunked_cross_entropy(
            states, table, targets, unit_items=True, bonus_items=torch.arange(3)[None], bonus=bonus
        )
    loss.backward()
    exact = F.cross_entropy(states @ F.normalize(table, dim=-1).T, targets, reduction="sum")
    torch.testing.assert_close(loss, exact, rtol=2e-2, atol=2e-2)
    assert states.grad.isfinite().all() and abs(float(bonus.grad.sum())) < 1e-2


def test_gradients_of_many_large_items_fit_in_float16():
    generator = torch.Generator().manual_seed(0)
    states = (0.01 * torch.randn(4, 8, generator=generator)).requires_grad_()
    table = (2 + 0.1 * torch.randn(60_000, 8, generator=generator)).requires_grad_()
    targets = torch.arange(4)
    with torch.autocast("cpu", dtype=torch.float16):
        chunked_cross_entropy(states, table, targets).backward()
    found, states.grad = states.grad, None
    F.cross_entropy(states @ table.T, targets, reduction="sum").backward()
    torch.testing.assert_close(found, states.grad, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("raised", [[-18.0, -17.0, -16.0], [-1.0, -3.0, -2.0], [4.0, 0.0, -9.0]])
def test_a_bonus_apart_of_all_items_has_its_gradient(raised):
    bonus, places, targets = torch.tensor([raised], requires_grad=True), torch.arange(3)[None], torch.tensor([0])
    chunked_cross_entropy(
        torch.ones(1, 1), torch.zeros(3, 1), targets, bonus_items=places, bonus=bonus, bonus_apart=True
    ).backward()
    wanted = torch.softmax(bonus.detach().double(), 1) - (places == targets).double()
    torch.testing.assert_close(bonus.grad.double(), wanted, rtol=1e-3, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(4, 30), st.integers(0, 99), st.booleans(), st.booleans(), st.booleans())
def test_a_separate_bonus_is_fitted_on_fixed_scores(events, items, seed, soft, weighed, large):
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
