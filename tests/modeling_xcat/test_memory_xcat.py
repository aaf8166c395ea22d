"""Interest profiles as memory of the fusion blocks."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.modeling_xcat.conftest import WIDTH, tiny_config, tiny_model

ITEMS = torch.tensor([[3, 4, 5, 6], [7, 8, 9, 0]])


def interests(positions: list[int], kinds: list[int] | None = None) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        "interest_states": torch.randn(2, 1, WIDTH, generator=generator),
        "interest_kinds": torch.tensor([[kind] for kind in kinds or [1, 1]]),
        "interest_document_ids": torch.tensor([[0], [-1]]),
        "interest_positions": torch.tensor([[position] for position in positions]),
    }


def states(model: Any, **inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.model(ITEMS, **inputs).last_hidden_state
    return found


def test_a_profile_reaches_only_its_history_and_only_from_its_event_on() -> None:
    model = tiny_model(tiny_config(memory_sources=["item_text", "user_text", "interests"]))
    without, told = states(model), states(model, **interests([2, 0]))
    torch.testing.assert_close(told[0, :2], without[0, :2])
    torch.testing.assert_close(told[1], without[1])
    assert (told[0, 2:] - without[0, 2:]).abs().amax(-1).gt(1e-4).all()


def test_the_kind_matters_and_no_token_has_no_effect() -> None:
    model = tiny_model(tiny_config(memory_sources=["interests"]))
    assert not torch.allclose(states(model, **interests([0, 0])), states(model, **interests([0, 0], [2, 2])))
    torch.testing.assert_close(states(model, **interests([0, 0], [0, 0])), states(model))


def test_it_is_trained() -> None:
    model = tiny_model(tiny_config(memory_sources=["interests"]))
    model(ITEMS, labels=ITEMS.roll(-1, 1), **interests([0, 0])).loss.backward()
    source = model.model.fusion.sources["interests"]
    assert source.projection.weight.grad.abs().sum() > 0
    assert source.kinds.weight.grad[1].abs().sum() > 0


def test_states_alone_are_refused() -> None:
    model = tiny_model(tiny_config(memory_sources=["interests"]))
    with pytest.raises(ValueError, match="interest_states need interest_kinds"):
        model.model(ITEMS, interest_states=torch.zeros(2, 1, WIDTH))
