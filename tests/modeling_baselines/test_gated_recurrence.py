"""States and gradients of the recurrent layers of DIEN equal those by hand, of torch and of finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from xcat_rec.modeling_baselines.gated_recurrence import AUGRU, GRU, TimeOrder, gated_states

from .test_click_equations import Array, array, sigmoid, weights_of


def augru_step(state: dict[str, Array], i: Array, h: Array, attention: float) -> Array:
    wu, wr, wc = np.split(state["input.weight"], 3)
    bu, br, bc = np.split(state["input.bias"], 3)
    uu, ur, uc = np.split(state["state.weight"], 3)
    update = attention * sigmoid(wu @ i + uu @ h + bu)
    reset = sigmoid(wr @ i + ur @ h + br)
    new: Array = (1 - update) * h + update * np.tanh(wc @ i + reset * (uc @ h) + bc)
    return new


def test_one_step_of_augru() -> None:
    torch.manual_seed(0)
    layer = AUGRU(4)
    inputs, attention = torch.randn(3, 4), torch.tensor([0.9, 0.3, 0.0])
    first, second, third = layer(inputs, attention, TimeOrder.of(torch.tensor([3])))
    before = augru_step(weights_of(layer), array(inputs)[0], np.zeros(4), 0.9)
    assert np.abs(array(first) - before).max() < 1e-6
    assert np.abs(array(second) - augru_step(weights_of(layer), array(inputs)[1], before, 0.3)).max() < 1e-6
    assert torch.equal(third, second), "an attention of 0 keeps the state"


LENGTHS = [3, 6, 0, 1, 4, 4, 1]


def in_time_order(values: torch.Tensor) -> tuple[torch.Tensor, TimeOrder]:
    """(all events, ...) values of histories of `LENGTHS`, in the order of time."""
    time = TimeOrder.of(torch.tensor(LENGTHS))
    return values[time.order], time


def test_augru_of_histories_of_different_lengths() -> None:
    torch.manual_seed(0)
    layer = AUGRU(4)
    inputs, attention = torch.randn(sum(LENGTHS), 4), torch.rand(sum(LENGTHS))
    ordered, time = in_time_order(inputs)
    found = array(layer(ordered, attention[time.order], time)[time.inverse])
    state, place = weights_of(layer), 0
    for length in LENGTHS:
        h = np.zeros(4)
        for _ in range(length):
            h = augru_step(state, array(inputs)[place], h, float(attention[place]))
            assert np.abs(found[place] - h).max() < 1e-6
            place += 1


def test_time_order() -> None:
    owners = torch.repeat_interleave(torch.arange(len(LENGTHS)), torch.tensor(LENGTHS))
    ordered, time = in_time_order(owners)
    assert time.sizes == [6, 4, 4, 3, 1, 1]
    assert ordered.tolist() == [1, 4, 5, 0, 3, 6, 1, 4, 5, 0, 1, 4, 5, 0, 1, 4, 5, 1, 1]
    assert torch.equal(ordered[time.inverse], owners)
    assert torch.equal(time.order[6:] - 1, time.order[time.before]), "the event just before"
    empty = TimeOrder.of(torch.tensor([0, 0]))
    assert AUGRU(3)(torch.zeros(0, 3), torch.zeros(0), empty).shape == (0, 3)
    assert GRU(3)(torch.zeros(0, 3), empty).shape == (0, 3)


def test_gru_and_its_gradient_equal_those_of_torch() -> None:
    torch.manual_seed(0)
    layer, (inputs, time) = GRU(5).double(), in_time_order(torch.randn(sum(LENGTHS), 5, dtype=torch.float64))
    plain = nn.GRU(5, 5).double()
    plain.load_state_dict(layer.state_dict())
    weights = torch.randn(sum(LENGTHS), 5, dtype=torch.float64)
    packed = nn.utils.rnn.PackedSequence(inputs, torch.tensor(time.sizes))
    one, other = layer(inputs, time), plain(packed)[0].data
    torch.testing.assert_close(one, other)
    (one * weights).sum().backward()
    (other * weights).sum().backward()
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(parameter.grad, plain.get_parameter(name).grad)


@pytest.mark.parametrize("plain", [False, True])
def test_gradient_of_gated_states(plain: bool) -> None:
    """Equal to finite differences, for attention and bias, and without both."""
    torch.manual_seed(0)
    time = TimeOrder.of(torch.tensor([3, 0, 2, 1]))

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64).requires_grad_()

    projected, weight, attention, bias = draw(6, 9), draw(9, 3), draw(6), draw(3)
    given = (projected, weight) if plain else (projected, weight, attention, bias)

    def states(
        p: torch.Tensor, w: torch.Tensor, a: torch.Tensor | None = None, b: torch.Tensor | None = None
    ) -> torch.Tensor:
        return gated_states(p, a, w, b, time)

    assert torch.autograd.gradcheck(states, given)
