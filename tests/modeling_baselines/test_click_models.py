"""One matrix of checks over every click model."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

import xcat_rec.modeling_baselines as baselines
from xcat_rec.modeling_baselines.click_inputs import draw_negatives, left_aligned
from xcat_rec.modeling_baselines.click_layers import ActivationUnit

from .click_cases import (
    ATTENTIVE,
    CASES,
    HISTORY,
    ITEMS,
    SEQUENCE,
    WITH_AUXILIARY_LOSS,
    batch,
    make,
    new,
    padded,
    taken,
)

every_model = pytest.mark.parametrize("name", CASES)


def logits(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(**inputs).logits
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    return found


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, rtol=0, atol=1e-6)


@every_model
def test_a_new_model_starts_at_the_share_of_positives(name: str) -> None:
    model, inputs = new(name).eval(), batch()
    model.start_at(0.5)
    before = logits(model, inputs)
    model.start_at(0.01)
    assert close(logits(model, inputs) - before, torch.full_like(before, -math.log(99)))


def test_a_new_logistic_regression_prefers_no_candidate() -> None:
    model = new("logistic-regression").eval()
    model.start_at(0.1)
    found = logits(model, batch())
    assert close(found, torch.full_like(found, -math.log(9)))


@every_model
@pytest.mark.parametrize("amount", [5, 48])
def test_padding_changes_nothing(name: str, amount: int) -> None:
    model, inputs = make(name), batch()
    bare = model(**inputs)
    for left, right in ((amount, 0), (0, amount), (amount, amount)):
        other = model(**padded(inputs, left, right))
        assert close(other.logits, bare.logits)
        assert close(other.loss, bare.loss)
    spread = inputs | {key: inputs[key].repeat_interleave(3, dim=1) for key in HISTORY}
    between = torch.arange(spread["item_ids"].shape[1]) % 3 == 1
    assert close(logits(model, spread | {key: spread[key] * between for key in HISTORY}), bare.logits)


@every_model
def test_a_row_does_not_depend_on_other_rows(name: str) -> None:
    model, inputs = make(name), batch()
    together = logits(model, inputs)
    order = [4, 0, 3, 1, 2]
    assert close(logits(model, taken(inputs, order)), together[order])
    for row in range(len(together)):  # a batch of one; row 3 has no history
        assert close(logits(model, taken(inputs, [row])), together[[row]])


@every_model
def test_empty_histories(name: str) -> None:
    model, inputs = make(name), batch((0, 0, 0))
    none = logits(model, inputs)
    empty = inputs | {key: inputs[key][:, :0] for key in HISTORY}
    assert torch.equal(logits(model, empty), none)
    assert torch.equal(logits(model, padded(inputs, left=9)), none)
    model.train()
    output = model(**inputs)
    output.loss.backward()
    assert output.loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@every_model
def test_evaluation_is_deterministic(name: str) -> None:
    model, inputs = make(name, dropout=0.3), batch()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    one = model(**inputs)
    two = model(**inputs)
    assert torch.equal(one.logits, two.logits)
    assert torch.equal(one.loss, two.loss)
    unlabelled = {key: value for key, value in inputs.items() if not key.startswith(("labels", "negative"))}
    assert torch.equal(model(**unlabelled).logits, one.logits)
    assert model(**unlabelled).loss is None
    assert model(**unlabelled).auxiliary_loss is None
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


@every_model
def test_the_loss_without_auxiliary_part_is_the_log_loss(name: str) -> None:
    model, inputs = make(name), batch()
    without = {key: value for key, value in inputs.items() if not key.startswith("negative")}
    output, labels = model(**without), inputs["labels"]
    chance = torch.sigmoid(output.logits.double())
    expected = -(labels * chance.log() + (1 - labels) * (1 - chance).log()).mean()
    assert abs(float(output.loss.detach()) - float(expected.detach())) < 1e-6


@every_model
def test_every_parameter_is_trained(name: str) -> None:
    model = make(name).train()
    before = {key: value.detach().clone() for key, value in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(3):
        optimizer.zero_grad()
        model(**batch((6, 3, 9, 4, 7, 2), seed=step)).loss.backward()
        optimizer.step()
    assert [key for key, value in model.named_parameters() if torch.equal(value, before[key])] == []


@pytest.mark.parametrize("name", SEQUENCE)
def test_every_event_and_the_candidate_change_the_score(name: str) -> None:
    model, inputs = make(name), batch((7, 4))
    score = model(**inputs).logits
    for row in range(2):
        (gradient,) = torch.autograd.grad(score[row], model.items.ids.weight, retain_graph=True)
        reached = gradient.abs().sum(1) > 0
        own = [*inputs["item_ids"][row].tolist(), int(inputs["candidate_ids"][row])]
        assert reached.nonzero().squeeze(1).tolist() == sorted({item for item in own if item})


@pytest.mark.parametrize("name", [name for name in ATTENTIVE if not name.startswith("bst")])
def test_attention_depends_on_candidate_and_events(name: str) -> None:
    model, inputs = make(name), batch((7,))
    found: list[torch.Tensor] = []
    for module in model.modules():
        if isinstance(module, ActivationUnit):
            module.register_forward_hook(lambda module, given, scores: found.append(scores))
    if name == "dien":
        computed = model.event_weights
        model.event_weights = lambda *given: found.append(computed(*given)) or found[-1]
    model(**inputs)
    assert len(found) == (4 if name == "dmin" else 1)
    for weights in found:
        (gradient,) = torch.autograd.grad(weights.square().sum(), model.items.ids.weight, retain_graph=True)
        reached = gradient.abs().sum(1).nonzero().squeeze(1).tolist()
        assert reached == sorted([*inputs["item_ids"][0].tolist(), int(inputs["candidate_ids"][0])])


@pytest.mark.parametrize("name", ["bst", "bst-time"])
def test_the_candidate_of_bst_reads_the_events(name: str) -> None:
    model, inputs = make(name), batch((7,))
    states: list[torch.Tensor] = []
    model.blocks[-1].register_forward_hook(lambda module, given, output: states.append(output))
    model(**inputs)
    (gradient,) = torch.autograd.grad(states[0][-1].square().sum(), model.items.ids.weight)
    assert gradient[inputs["item_ids"][0]].abs().sum(1).min() > 0, "only attention brings events to this position"


@every_model
def test_only_the_latest_events_count(name: str) -> None:
    model, inputs = make(name, max_history=4), batch((9, 4, 2))
    latest = inputs | {key: inputs[key][:, 5:] for key in HISTORY}
    assert close(logits(model, inputs)[:1], logits(model, latest)[:1])


@every_model
def test_order_counts_or_not(name: str) -> None:
    model, inputs = make(name, num_rating_buckets=0), batch((7,))
    turned = inputs | {key: inputs[key].flip(1) for key in HISTORY}
    ordered = name in ("dien", "bst", "dmin", "candidate-knn")  # bst-time has the times of its events
    inputs["candidate_ids"] = inputs["item_ids"][:, 2] % 7 + 2  # a neighbour of an event
    turned["candidate_ids"] = inputs["candidate_ids"]
    changed = not close(logits(model, inputs), logits(model, turned))
    assert changed or not ordered
    if not ordered:
        assert torch.allclose(logits(model, inputs), logits(model, turned), rtol=0, atol=1e-5)


@every_model
def test_save_and_load(name: str, tmp_path: Path) -> None:
    model, inputs = make(name), batch()
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    state = loaded.state_dict()
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())
    assert torch.equal(logits(loaded.eval(), inputs), logits(model, inputs))
    changed = {key for key, value in model.config.to_dict().items() if loaded.config.to_dict()[key] != value}
    assert changed <= {"_name_or_path", "dtype"}
    saved = json.loads((tmp_path / "config.json").read_text())
    module = type(model).__module__.rpartition(".")[2]
    assert saved["auto_map"] == {
        "AutoConfig": f"{module}.{type(model.config).__name__}", "AutoModel": f"{module}.{type(model).__name__}",
    }  # fmt: skip
    copy = AutoModel.from_pretrained(tmp_path, trust_remote_code=True)
    assert type(copy) is not type(model), "it is the copy beside the weights"
    assert torch.equal(logits(copy.eval(), inputs), logits(model, inputs))


@pytest.mark.parametrize("name", ["din", "dien", "bst"])
def test_loaded_weights_stand_in_memory_as_new_ones(name: str, tmp_path: Path) -> None:
    """The order of a sum, and so its last bits, depend on the address of a weight."""
    for seed in range(4):
        model, inputs = make(name, hidden_sizes=(200, 80)), batch(seed=seed)
        model.save_pretrained(tmp_path)
        loaded = type(model).from_pretrained(tmp_path)
        assert not [key for key, value in loaded.state_dict().items() if value.data_ptr() % 64]
        assert torch.equal(logits(loaded.eval(), inputs), logits(model, inputs))


@every_model
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(name: str, dtype: torch.dtype, tmp_path: Path) -> None:
    model, inputs = make(name), batch()
    model.save_pretrained(tmp_path)
    half = type(model).from_pretrained(tmp_path, dtype=dtype).eval()
    assert next(half.parameters()).dtype == dtype
    wanted = logits(model, inputs)
    allowed = 0.01 if dtype is torch.float16 else 0.08
    assert (logits(half, inputs) - wanted).abs().max() < allowed * max(1.0, float(wanted.abs().max()))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SEQUENCE if name != "bst-time"])  # two layers take longer
def test_it_learns_from_the_history(name: str) -> None:
    """Users click items of the category that they had last."""
    model = new(name, initializer_range=0.05).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    right = 0.0
    for step in range(300):
        inputs = batch((6,) * 64, seed=step)
        match, last = torch.rand(64) < 0.5, inputs["category_ids"][:, -1]
        inputs["candidate_category_ids"] = torch.where(match, last, last % 5 + 1)
        inputs["category_ids"] = last[:, None].expand(-1, 6).clone()
        if step % 20 == 19:
            right = float(((logits(model.eval(), inputs) > 0) == match).float().mean())
            if right > 0.9:
                break
            model.train()
        optimizer.zero_grad()
        model(**inputs | {"labels": match.float()}).loss.backward()
        optimizer.step()
    assert right > 0.9


@pytest.mark.parametrize("name", WITH_AUXILIARY_LOSS)
def test_negatives_are_drawn_in_training_only(name: str) -> None:
    model, inputs = make(name), batch()
    without = {key: value for key, value in inputs.items() if not key.startswith("negative")}
    assert model(**without).auxiliary_loss is None
    model.train()
    torch.manual_seed(1)
    one = model(**without).auxiliary_loss
    torch.manual_seed(1)
    assert torch.equal(model(**without).auxiliary_loss, one)
    assert not torch.equal(model(**without).auxiliary_loss, one), "another draw"


def test_drawn_negatives_are_events_of_other_items() -> None:
    items = torch.tensor([[3, 3, 4, 0], [5, 0, 0, 0]])
    categories = items % 3 + 1
    seen = set()
    for seed in range(30):
        drawn, drawn_categories = draw_negatives(items, categories, torch.Generator().manual_seed(seed))
        assert ((drawn > 0) <= (items > 0)).all()
        assert (drawn != items)[items > 0].all()
        assert torch.equal(drawn_categories, torch.where(drawn > 0, drawn % 3 + 1, 0))
        seen |= set(drawn[1, :1].tolist())
    assert seen == {3, 4}
    alone, _ = draw_negatives(torch.tensor([[7, 7]]), torch.tensor([[1, 1]]))
    assert alone.tolist() == [[0, 0]]


def test_left_aligned_keeps_order_and_latest_events() -> None:
    items = torch.tensor([[0, 5, 0, 6, 7], [0, 0, 0, 0, 0], [2, 3, 4, 0, 0]])
    found, events = left_aligned(items, {"rating_ids": items * 10, "event_ages": items - 0.5}, max_history=2)
    assert found.tolist() == [[6, 7], [0, 0], [3, 4]]
    assert events["rating_ids"].tolist() == [[60, 70], [0, 0], [30, 40]]
    assert events["event_ages"].tolist() == [[5.5, 6.5], [0, 0], [2.5, 3.5]]


@pytest.mark.parametrize("name", ["din", "neumf", "bst-time"])
def test_scores_of_several_candidates(name: str) -> None:
    model, inputs = make(name), batch()
    candidates, categories = torch.randint(2, ITEMS, (5, 3)), torch.randint(1, 6, (5, 3))
    shared = {key: value for key, value in inputs.items() if key != "labels" and not key.startswith("candidate")}
    scores = model.score_candidates(candidates, categories, **shared)
    for place in range(3):
        one = {"candidate_ids": candidates[:, place], "candidate_category_ids": categories[:, place]}
        assert close(logits(model, inputs | one), scores[:, place])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("din", {"category_ids": None}, "category_ids is missing, and the configuration of DINModel requires it"),
        ("din", {"item_ids": torch.full((5, 7), 40)}, "item_ids contains 40; .* indices 0 to 39"),
        ("din", {"candidate_ids": torch.tensor([2])}, r"candidate_ids has shape \(1,\); it must be \(5,\)"),
        ("din", {"categorical_features": torch.full((5, 2), 3)}, r"categorical_features\[:, 0\] contains 3"),
        ("din", {"dense_features": torch.ones(5, 3)}, r"dense_features has shape \(5, 3\); it must be \(5, 2\)"),
        ("neumf", {"user_ids": torch.full((5,), -1)}, "user_ids contains -1"),
        ("dien", {"negative_ids": torch.ones(5, 6)}, r"negative_ids has shape \(5, 6\); it must be \(5, 7\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(name: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(name)(**batch() | change)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("DIN", {"dropout": 1.0}, "DINConfig.dropout is 1.0; give a share"),
        ("DIN", {"activation": "gelu"}, "DINConfig.activation is 'gelu'; give one of dice, prelu, relu"),
        ("DIN", {"attention_activation": "gelu"}, "DINConfig.attention_activation is 'gelu'"),
        ("DIN", {"hidden_sizes": []}, r"DINConfig.hidden_sizes is \[\]; give one width or more"),
        ("DIN", {"categorical_sizes": [3, 0]}, "DINConfig.categorical_sizes has 0; give numbers of values"),
        ("BST", {"num_heads": 7}, "BSTConfig.num_heads is 7; give a divisor of 32"),
        ("BST", {"num_age_buckets": 2}, "BSTConfig.num_age_buckets is 2; give 3 or more"),
        ("DIEN", {"auxiliary_weight": -1}, "DIENConfig.auxiliary_weight is -1; give at least 0"),
        ("NeuMF", {"num_user_rows": 0}, "NeuMFConfig.num_user_rows is 0; give at least 1"),
        ("CandidateKNN", {"decay": 0}, "decay is 0"),
    ],
)
def test_values_out_of_range_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(baselines, name + "Config")(**options)


@pytest.mark.parametrize("name", [name for name in CASES if list(make(name).parameters())])
def test_models_train_in_mixed_precision(name: str) -> None:
    model, inputs = make(name).train(), batch()
    plain = make(name)(**inputs).logits
    with torch.autocast("cpu", torch.bfloat16):
        output = model(**inputs)
    assert output.loss is not None and output.loss.dtype == torch.float32
    output.loss.backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(make(name)(**inputs).logits, plain, atol=0.1, rtol=0.1)
