"""Terms of the objective against bias: exact small numbers, and every objective."""

from __future__ import annotations

import math

import pytest
import torch

from xcat_rec.modeling_xcat.fairness_xcat import FairnessTerms, exposure_divergence, variance_of_groups
from xcat_rec.modeling_xcat.objectives_xcat import LabelledEvents, build_objective

from .conftest import tiny_config, tiny_model

ROWS = torch.arange(2, 6)  # four candidates, the items 2 to 5
BIAS = torch.tensor([0.0, 0.0, 2.0, 1.0, 0.0, 0.5])


def events(seed: int = 0, count: int = 3, **changes: object) -> LabelledEvents:
    generator = torch.Generator().manual_seed(seed)
    states = 3 * torch.randn(count, 8, generator=generator)
    items = torch.randn(4, 8, generator=generator)
    targets = torch.arange(count) % 4
    given = {"states": states, "items": items, "targets": targets, "item_side": torch.nn.functional.normalize}
    return LabelledEvents(**{**given, **changes})  # type: ignore[arg-type]


def scores(one: LabelledEvents) -> torch.Tensor:
    return one.states @ one.item_vectors.T


def plain(one: LabelledEvents) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(scores(one), one.targets, reduction="sum")


@pytest.mark.parametrize("objective", ["softmax", "sampled_softmax", "gbce", "bpr_max"])
def test_the_bias_is_added_to_the_scores_of_any_objective(objective: str) -> None:
    config = tiny_config(objective=objective, repeats="jointly", soft_target_weight=0.0, num_item_rows=6, num_texts=1)
    one = events()
    if objective == "sampled_softmax":
        one = events(log_inclusion=torch.tensor([-0.1, -1.0, -2.0, -0.5]))
    found = FairnessTerms(item_bias=BIAS).loss(build_objective(config).loss, one, ROWS)
    # the same scores from vectors with one more column, which the objective does not normalise
    shifted = scores(one) + BIAS[ROWS]
    wide = LabelledEvents(shifted, torch.eye(4), one.targets, lambda items: items, log_inclusion=one.log_inclusion)
    expected = build_objective(tiny_config(
        objective=objective, repeats="jointly", soft_target_weight=0.0, num_item_rows=6, num_texts=1, scoring="dot"
    )).loss(wide)  # fmt: skip
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)


def test_the_loss_with_a_bias_by_hand_and_its_gradient() -> None:
    one = events()
    one.states.requires_grad_()
    config = tiny_config(objective="softmax", repeats="off", soft_target_weight=0.0)
    FairnessTerms(item_bias=BIAS).loss(build_objective(config).loss, one, ROWS).backward()
    found, one.states.grad = one.states.grad, None
    torch.nn.functional.cross_entropy(scores(one) + BIAS[ROWS], one.targets, reduction="sum").backward()
    torch.testing.assert_close(found, one.states.grad, atol=1e-5, rtol=1e-5)


def test_weights_of_targets_multiply_given_weights() -> None:
    weights = torch.tensor([0.0, 0.0, 4.0, 1.0, 0.5, 0.0])
    adjusted = FairnessTerms(label_weights=weights).adjusted(events(weights=torch.tensor([1.0, 2.0, 3.0])), ROWS)
    assert adjusted.weights is not None and adjusted.weights.tolist() == [4.0, 2.0, 1.5]


def test_exposure_by_hand() -> None:
    groups, wanted = torch.tensor([-1, -1, 0, 0, 1, 1]), torch.tensor([0.25, 0.75])
    one = events()
    chances = scores(one).softmax(1).mean(0)
    share = (chances[0] + chances[1]).item()
    expected = 0.25 * math.log(0.25 / share) + 0.75 * math.log(0.75 / (1 - share))
    terms = FairnessTerms(groups=groups, wanted=wanted, exposure_weight=0.5)
    assert terms.penalty(one, ROWS).item() == pytest.approx(0.5 * expected, abs=1e-6)
    assert terms.loss(plain, one, ROWS).item() == pytest.approx(plain(one).item() + 1.5 * expected, abs=1e-5)
    even = torch.tensor([0.5, 0.5])
    assert exposure_divergence(torch.tensor([0.2, 0.3, 0.5]), torch.tensor([0, 0, 1]), even).item() == pytest.approx(0)
    left_out = exposure_divergence(torch.tensor([0.2, 0.6, 0.2]), torch.tensor([0, -1, 1]), even)
    assert left_out.item() == pytest.approx(0, abs=1e-7)  # items without a group do not count


def test_gap_between_groups_by_hand() -> None:
    one = events(count=4)
    losses = torch.nn.functional.cross_entropy(scores(one), one.targets, reduction="none")
    groups = torch.tensor([-1, -1, 0, 0, 1, 1])  # targets 0 and 1, then 2 and 3
    means = losses[:2].mean(), losses[2:].mean()
    expected = ((means[0] - means[1]) / 2) ** 2
    found = FairnessTerms(groups=groups, gap_weight=2.0).penalty(one, ROWS)
    torch.testing.assert_close(found, 2 * expected, atol=1e-6, rtol=1e-5)
    assert variance_of_groups(losses, torch.tensor([0, 0, 0, 0])) == 0 == variance_of_groups(losses, -torch.ones(4))


def test_flagged_items_by_hand() -> None:
    one = events()
    flagged = torch.tensor([False, False, False, True, False, True])
    expected = scores(one).softmax(1)[:, [1, 3]].sum(1).mean()
    found = FairnessTerms(flagged=flagged, flagged_weight=3.0).penalty(one, ROWS)
    torch.testing.assert_close(found, 3 * expected, atol=1e-6, rtol=1e-5)


def test_the_repeat_bias_and_sampling_count_in_the_penalties() -> None:
    places, bonus = torch.tensor([[1], [2], [3]]), torch.tensor([[2.0], [1.0], [0.5]], requires_grad=True)
    inclusion = torch.tensor([-0.1, -1.0, -2.0, -0.5])
    one = events(bonus_items=places, bonus=bonus, log_inclusion=inclusion)
    own = scores(one).scatter_add(1, places, bonus.detach()) - inclusion
    own = own.scatter_add(1, one.targets[:, None], inclusion[one.targets][:, None])
    flagged = torch.tensor([False, False, True, False, False, False])
    found = FairnessTerms(flagged=flagged, flagged_weight=1.0).penalty(one, ROWS)
    torch.testing.assert_close(found, own.softmax(1)[:, 0].mean(), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("changes", [{}, {"objective": "sampled_softmax", "num_negatives": 2000}])
def test_terms_act_in_training_only_and_have_gradients(changes: dict[str, object]) -> None:
    config = tiny_config(hidden_dropout=0.0, attention_dropout=0.0, id_dropout=0, **changes)
    model, rows = tiny_model(config), config.num_item_rows
    batch = {"item_ids": torch.tensor([[2, 3, 4, 5]]), "labels": torch.tensor([[-100, -100, -100, 6]])}
    flags = torch.zeros(rows, dtype=torch.bool).index_fill(0, torch.tensor([5]), True)
    terms = FairnessTerms(flagged=flags, flagged_weight=2.0)
    torch.manual_seed(0)
    without = model.train()(**batch).loss
    model.fairness = terms
    torch.manual_seed(0)
    found = model(**batch).loss
    assert 0 < (found - without).item() < 2
    found.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.model.encoder.parameters())
    loss = model.eval()(**batch).loss
    model.fairness = None
    torch.testing.assert_close(loss, model(**batch).loss)


def test_many_candidates_use_part_of_the_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xcat_rec.modeling_xcat.fairness_xcat._ELEMENTS", 4 * 40)
    one, flagged = events(count=100), torch.tensor([False, False, True, False, False, False])
    found = FairnessTerms(flagged=flagged, flagged_weight=1.0).penalty(one, ROWS)
    torch.testing.assert_close(found, scores(one)[::3].softmax(1)[:, 0].mean(), atol=1e-6, rtol=1e-5)
