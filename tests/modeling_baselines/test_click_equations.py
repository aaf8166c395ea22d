"""Parts of the click models equal a computation by hand, in NumPy and in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from xcat_rec.modeling_baselines.click_layers import ActivationUnit, BatchNorm, Dice, PairStates

from .click_cases import HISTORY, batch, make, padded

Array = np.ndarray[Any, Any]


def array(values: torch.Tensor) -> Array:
    found: Array = values.detach().double().numpy()
    return found


def weights_of(module: nn.Module) -> dict[str, Array]:
    return {name: array(value) for name, value in module.state_dict().items()}


def sigmoid(values: Array) -> Array:
    return 1 / (1 + np.exp(-values))


def dice(values: Array, state: dict[str, Array], name: str) -> Array:
    mean, variance, slope = (state[f"{name}.{part}"] for part in ("mean", "variance", "slope"))
    share = sigmoid((values - mean) / np.sqrt(variance + 1e-8))
    return share * values + (1 - share) * slope * values


def results_of(model: Any, method: str, argument: int | None = None) -> list[torch.Tensor]:
    """What a method returns, or one of its arguments, in every later call."""
    found: list[torch.Tensor] = []
    computed = getattr(model, method)

    def keep(*given: Any) -> Any:
        result = computed(*given)
        found.append(result if argument is None else given[argument])
        return result

    setattr(model, method, keep)
    return found


def item_states(model: Any, items: torch.Tensor, categories: torch.Tensor, ratings: torch.Tensor | None) -> Array:
    state = weights_of(model.items)
    found = np.concatenate([state["ids.weight"][items], state["categories.weight"][categories]], axis=-1)
    return found if ratings is None else found + state["ratings.weight"][ratings]


def histories(model: Any, inputs: dict[str, torch.Tensor]) -> Array:
    return item_states(model, inputs["item_ids"], inputs["category_ids"], inputs["rating_ids"])


def test_dice_in_evaluation_and_training() -> None:
    torch.manual_seed(0)
    layer = Dice(3)
    with torch.no_grad():
        layer.slope += torch.tensor([0.1, -0.2, 0.3])
    values = torch.randn(7, 3) * torch.tensor([1.0, 5.0, 0.1]) + 2
    trained = layer(values)
    numbers, slope = array(values), array(layer.slope)
    share = sigmoid((numbers - numbers.mean(0)) / np.sqrt(numbers.var(0) + 1e-8))
    assert np.abs(array(trained) - (share + (1 - share) * slope) * numbers).max() < 1e-5
    assert np.abs(array(layer.mean) - 0.1 * numbers.mean(0)).max() < 1e-6
    assert np.abs(array(layer.variance) - (0.9 + 0.1 * numbers.var(0))).max() < 1e-6
    state = {f"d.{name}": value for name, value in weights_of(layer).items()}
    assert np.abs(array(layer.eval()(values)) - dice(numbers, state, "d")).max() < 1e-6


def test_batches_are_normalised_and_single_rows_by_the_running_averages() -> None:
    torch.manual_seed(0)
    layer, values = BatchNorm(3), torch.randn(7, 3) * torch.tensor([1.0, 5.0, 0.1]) + 2
    numbers = array(values)
    expected = (numbers - numbers.mean(0)) / np.sqrt(numbers.var(0) + 1e-5)
    assert np.abs(array(layer(values)) - expected).max() < 1e-5
    mean, variance = array(layer.running_mean), array(layer.running_var)
    assert np.abs(mean - 0.1 * numbers.mean(0)).max() < 1e-6
    single = (numbers[:1] - mean) / np.sqrt(variance + 1e-5)
    assert np.abs(array(layer(values[:1])) - single).max() < 1e-5 and (array(layer.running_mean) == mean).all()
    assert (array(layer(values[:1])) == array(layer.eval()(values[:1]))).all()


def test_the_layers_of_dmin_read_normalised_values() -> None:
    model, inputs = make("dmin"), batch((3, 7, 1, 0, 5))
    found: list[torch.Tensor] = []
    model.tower.register_forward_hook(lambda _, given, __: found.append(given[0]))
    model.train()(**inputs)
    scaled = (found[0] - model.norm.bias) / model.norm.weight
    read = array(scaled.detach())
    assert np.abs(read.mean(0)).max() < 1e-4 and read.std(0).max() < 1.001
    assert isinstance(make("dien").norm, nn.Identity)


@pytest.mark.parametrize("name", ["din", "din-softmax"])
def test_weights_of_din(name: str) -> None:
    model, inputs = make(name), batch((3, 7, 1, 0, 5))
    found = results_of(model, "event_weights")
    model(**inputs)
    state, events = weights_of(model.unit), histories(model, inputs)
    candidates = item_states(model, inputs["candidate_ids"], inputs["candidate_category_ids"], None)
    expected = np.zeros(inputs["item_ids"].shape)
    for row, length in enumerate((3, 7, 1, 0, 5)):
        scores = []
        for place in range(length):
            h, c = events[row, place], candidates[row]
            hidden = state["first.weight"] @ np.concatenate([h, c, h - c, h * c]) + state["first.bias"]
            hidden = dice(hidden, state, "activation")
            hidden = dice(
                state["rest.layers.0.weight"] @ hidden + state["rest.layers.0.bias"], state, "rest.activations.0"
            )
            scores.append(state["output.weight"][0] @ hidden + (state["output.bias"][0] if name == "din" else 0))
        chances = np.exp(scores) / np.exp(scores).sum()
        expected[row, :length] = scores if name == "din" else chances
    assert np.abs(array(found[0]) - expected[inputs["item_ids"] > 0]).max() < 1e-6
    assert np.abs(expected).max() > 0.1


def test_din_pools_with_its_weights_and_does_not_normalise_them() -> None:
    model, inputs = make("din"), batch((2,))
    once, twice = inputs, inputs | {key: inputs[key].repeat(1, 2) for key in HISTORY}
    found = results_of(model, "event_weights")
    model(**once)
    model(**twice)
    assert torch.allclose(found[1].sum(), 2 * found[0].sum(), rtol=0, atol=1e-6), "a stronger interest, a larger sum"


def gru_states(state: dict[str, Array], events: Array) -> list[Array]:
    """States of torch's GRU, whose update gate is 1 minus that of the paper."""
    h, found = np.zeros(events.shape[1]), []
    for event in events:
        given = state["weight_ih_l0"] @ event + state["bias_ih_l0"]
        kept = state["weight_hh_l0"] @ h + state["bias_hh_l0"]
        (ri, zi, ni), (rh, zh, nh) = np.split(given, 3), np.split(kept, 3)
        z = sigmoid(zi + zh)
        h = (1 - z) * np.tanh(ni + sigmoid(ri + rh) * nh) + z * h
        found.append(h)
    return found


def loss_by_hand(states: list[Array], events: Array, negatives: Array, drawn: list[bool]) -> list[float]:
    """Loss of each pair of the state after an event and the next event."""
    return [
        float(-np.log(sigmoid(states[t] @ events[t + 1])) - np.log(1 - sigmoid(states[t] @ negatives[t + 1])))
        for t in range(len(states) - 1)
        if drawn[t + 1]
    ]


def test_auxiliary_loss_and_attention_of_dien() -> None:
    model, lengths = make("dien"), (3, 7, 1, 0, 5)
    inputs = batch(lengths)
    inputs["negative_ids"][1, 4] = 0  # an event without a negative
    found = results_of(model, "event_weights")
    output = model(**inputs)
    state, events = weights_of(model.extractor), histories(model, inputs)
    negatives = item_states(model, inputs["negative_ids"], inputs["negative_category_ids"], None)
    candidates = item_states(model, inputs["candidate_ids"], inputs["candidate_category_ids"], None)
    attention = weights_of(model.attention)["weight"]
    owners = (inputs["item_ids"] > 0).nonzero()[:, 0].numpy()
    losses = []
    for row, length in enumerate(lengths):
        states = gru_states(state, events[row, :length])
        losses += loss_by_hand(states, events[row], negatives[row], (inputs["negative_ids"][row] > 0).tolist())
        scores = np.array([h @ attention @ candidates[row] for h in states])
        expected = np.exp(scores) / np.exp(scores).sum() if length else scores
        assert np.abs(array(found[0])[owners == row] - expected).max(initial=0) < 1e-6
    assert len(losses) == 2 + 5 + 0 + 0 + 4
    assert abs(float(output.auxiliary_loss.detach()) - np.mean(losses)) < 1e-6
    without = model(**{key: value for key, value in inputs.items() if not key.startswith("negative")})
    assert torch.allclose(output.loss, without.loss + output.auxiliary_loss, rtol=0, atol=1e-6)
    model.config.auxiliary_weight = 0.25
    assert torch.allclose(model(**inputs).loss, without.loss + 0.25 * output.auxiliary_loss, rtol=0, atol=1e-6)


def test_auxiliary_loss_of_dmin() -> None:
    model, lengths = make("dmin"), (3, 7, 1, 0, 5)
    inputs = batch(lengths)
    found = results_of(model, "next_event_loss", argument=1)
    output = model(**inputs)
    events = histories(model, inputs)
    negatives = item_states(model, inputs["negative_ids"], inputs["negative_category_ids"], None)
    owners = (inputs["item_ids"] > 0).nonzero()[:, 0].numpy()
    losses = []
    for row, length in enumerate(lengths):
        states = refined_by_hand(weights_of(model.refiner), events[row, :length], heads=4)
        assert np.abs(array(found[0])[owners == row] - states).max(initial=0) < 2e-6
        losses += loss_by_hand(list(states), events[row], negatives[row], [True] * 7)
    assert abs(float(output.auxiliary_loss.detach()) - np.mean(losses)) < 1e-6


def refined_by_hand(state: dict[str, Array], events: Array, heads: int) -> Array:
    """Self-attention to earlier events, a head at a time, residual connection, normalisation, feed-forward layer."""
    width = events.shape[1]
    size = width // heads
    query, key, value = np.split(events @ state["attention.projections.weight"].T, 3, axis=1)
    read = np.zeros_like(events)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        for t in range(len(events)):
            scores = np.exp(key[: t + 1, part] @ query[t, part] / np.sqrt(size))
            read[t, part] = scores / scores.sum() @ value[: t + 1, part]
    s = events + read @ state["projection.weight"].T + state["projection.bias"]
    s = (s - s.mean(1, keepdims=True)) / np.sqrt(s.var(1, keepdims=True) + 1e-5)
    s = s * state["feed.norm.weight"] + state["feed.norm.bias"]
    inner = np.maximum(s @ state["feed.inner.weight"].T + state["feed.inner.bias"], 0)
    found: Array = s + inner @ state["feed.outer.weight"].T + state["feed.outer.bias"]
    return found


@pytest.mark.parametrize("name", ["dien", "dmin"])
def test_auxiliary_loss_reads_no_padding_and_no_future(name: str) -> None:
    model, inputs = make(name), batch((5, 2))
    loss = model(**inputs).auxiliary_loss
    assert torch.allclose(model(**padded(inputs, 5, 11)).auxiliary_loss, loss, rtol=0, atol=1e-6)
    states = results_of(model, "next_event_loss", argument=1)
    model(**inputs)
    changed = inputs | {"item_ids": inputs["item_ids"].clone()}
    changed["item_ids"][0, 3] = int(inputs["candidate_ids"][0])
    model(**changed)
    assert torch.equal(states[0][:3], states[1][:3]), "the states before the changed event"
    assert not torch.equal(states[0][3:5], states[1][3:5])
    assert torch.equal(states[0][5:], states[1][5:]), "the other history"


@pytest.mark.parametrize("name", ["dien", "dmin"])
def test_auxiliary_loss_without_pairs_is_zero(name: str) -> None:
    model = make(name)
    loss = model(**batch((1, 0, 1))).auxiliary_loss
    assert float(loss.detach()) == 0
    loss.backward()
    assert not model.items.ids.weight.grad.any()


def test_activation_unit_of_an_empty_batch() -> None:
    unit = ActivationUnit(4, (3, 2), "dice", bias=True).train()
    events, candidates = PairStates((torch.randn(0, 4), None)), PairStates((torch.randn(2, 4), torch.zeros(0).long()))
    assert unit(events, candidates).shape == (0,)
    assert unit.activation.mean.tolist() == [0, 0, 0], "no event, no statistics"


def test_positions_of_bst() -> None:
    inputs = make("bst")._inputs(dict.fromkeys(("user_ids", "dense_features"), None) | batch((3, 1)))
    assert make("bst").event_positions(inputs).tolist() == [[3, 2, 1], [1, 0, 0]]
    model, given = make("bst-time"), batch((7,))
    hour = 3600
    given["event_ages"] = torch.tensor([[1000 * hour, 4 * hour, 3 * hour, hour, hour - 1, 0, -1]])
    assert model.event_positions(model._inputs(given | {"user_ids": None})).tolist() == [[8, 5, 4, 3, 2, 2, 1]]


def test_models_of_user_and_candidate() -> None:
    inputs = batch()
    users, items = inputs["user_ids"], inputs["candidate_ids"]
    model = make("mf")
    state = weights_of(model)
    p, q = state["states.users.weight"][users], state["states.items.weight"][items]
    expected = (p * q).sum(1) + state["user_bias.weight"][users, 0] + state["item_bias.weight"][items, 0]
    assert np.abs(array(model(**inputs).logits) - expected - state["bias"]).max() < 1e-6
    model = make("gmf")
    state = weights_of(model)
    p, q = state["states.users.weight"][users], state["states.items.weight"][items]
    assert (
        np.abs(array(model(**inputs).logits) - (p * q) @ state["output.weight"][0] - state["output.bias"]).max() < 1e-6
    )
    model = make("neumf", hidden_sizes=(5,))
    state = weights_of(model)
    p, q = state["states.users.weight"][users], state["states.items.weight"][items]
    hidden = np.concatenate([p, q], 1) @ state["tower.layers.0.weight"].T + state["tower.layers.0.bias"]
    product = state["product_states.users.weight"][users] * state["product_states.items.weight"][items]
    expected = np.concatenate([product, np.maximum(hidden, 0)], 1) @ state["output.weight"][0] + state["output.bias"]
    assert np.abs(array(model(**inputs).logits) - expected).max() < 1e-6


def test_neumf_starts_from_trained_parts() -> None:
    gmf, mlp, inputs = make("gmf"), make("neural-mlp"), batch()
    model = make("neumf").start_from(gmf, mlp, share=0.25)
    expected = 0.25 * gmf(**inputs).logits + 0.75 * mlp(**inputs).logits
    assert torch.allclose(model(**inputs).logits, expected, rtol=0, atol=1e-6)


def test_penalty_of_user_and_candidate() -> None:
    model, inputs = make("mf", l2=0.1), batch()
    state = weights_of(model.states)
    p, q = state["users.weight"][inputs["user_ids"]], state["items.weight"][inputs["candidate_ids"]]
    plain = model(**inputs)
    trained = model.train()(**inputs)
    assert abs(float(trained.auxiliary_loss.detach()) - ((p**2).sum(1) + (q**2).sum(1)).mean()) < 1e-5
    assert torch.allclose(trained.loss, plain.loss + 0.1 * trained.auxiliary_loss, rtol=0, atol=1e-6)


def test_floors() -> None:
    inputs = {
        "item_ids": torch.tensor([[2, 3, 4, 4], [0, 0, 0, 0]]),
        "category_ids": torch.tensor([[1, 1, 2, 2], [0, 0, 0, 0]]),
        "candidate_ids": torch.tensor([4, 5]), "candidate_category_ids": torch.tensor([2, 0]),
    }  # fmt: skip
    plain = {"num_rating_buckets": 0, "dense_features": 0, "categorical_sizes": ()}
    for name, expected in (
        ("candidate-popularity", [np.log(3), np.log(4)]),  # 2 and 3 events
        ("category-match", [0.5, 0.0]),
    ):
        model = make(name, **plain)
        scale, bias = float(model.scale.detach()), float(model.bias.detach())
        if name == "candidate-popularity":
            model.fit([[4, 5], [4, 5, 5]])
        assert np.abs(array(model(**inputs).logits) - scale * np.array(expected) - bias).max() < 1e-6
    knn = make("candidate-knn", **plain)
    full = knn.knn.score_catalogue(inputs["item_ids"])[torch.arange(2), inputs["candidate_ids"]]
    assert full[0] > 0
    assert torch.allclose(knn(**inputs).logits, knn.scale * full + knn.bias, rtol=0, atol=1e-6)
    model = make("logistic-regression", **plain)
    state = weights_of(model)
    expected = state["numbers.bias"][0] + state["numbers.weight"][0] @ np.array([np.log(3), 0.5])
    expected += state["candidate_items.weight"][4, 0] + state["candidate_categories.weight"][2, 0]
    expected += state["history_items.weight"][[2, 3, 4, 4], 0].mean()
    expected += state["history_categories.weight"][[1, 1, 2, 2], 0].mean()
    assert abs(float(model(**inputs).logits[0].detach()) - expected) < 1e-6


def test_history_inputs_of_the_cases_are_all_of_them() -> None:
    from xcat_rec.modeling_baselines.click_inputs import HISTORY_INPUTS

    assert set(HISTORY) == {"item_ids", *HISTORY_INPUTS}
