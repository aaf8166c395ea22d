"""Custom objectives through public names: trained, evaluated and refused by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from xcat_rec.model_cards.method import losses_of
from xcat_rec.modeling_xcat import OBJECTIVES, LabelledEvents, Objective

from .conftest import ROWS, tiny_config, tiny_model


@pytest.fixture
def hinge() -> Iterator[type[Objective]]:
    names = list(OBJECTIVES.names)

    @OBJECTIVES.register("hinge")
    class Hinge(Objective):
        """Every candidate that comes within 1 of the target costs the difference."""

        def loss(self, events: LabelledEvents) -> torch.Tensor:
            scores = events.states @ events.item_vectors.T
            wanted = scores.gather(1, events.targets[:, None])
            return (1 + scores - wanted).relu().scatter(1, events.targets[:, None], 0.0).sum()

        def evaluation_losses(self, scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
            return (1 + scores[:, None, :] - wanted[..., None]).relu().sum(-1) - 1

    yield Hinge
    del OBJECTIVES["hinge"]
    OBJECTIVES.names[:] = names


def test_an_objective_of_one_s_own_is_trained_and_evaluated(hinge: type[Objective]) -> None:
    config = tiny_config(
        objective="hinge", num_negatives=2000, hidden_dropout=0.0, attention_dropout=0.0, id_dropout=0
    )
    model = tiny_model(config).train()
    item_ids = torch.tensor([[2, 3, 4, 5]])
    labels = torch.tensor([[-100, -100, -100, 6]])
    loss = model(item_ids=item_ids, labels=labels).loss
    loss.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.model.encoder.parameters())
    model.eval()
    states, recent, _ = model.model.encode_queries(item_ids=item_ids)
    config.repeats = "apart"  # whose bias this loss leaves out, in evaluation too
    side = model.model.item_side(model.model.items().float())
    evaluated = model.target_losses(states, recent, torch.tensor([[6]]), side)
    assert evaluated.item() == pytest.approx(loss.item(), rel=1e-4)
    assert losses_of(config)[0].name == "hinge"


def test_a_name_that_is_not_registered() -> None:
    with pytest.raises(ValueError, match=r"objective is 'hinge'; give one of auto, softmax, .*, cloze, or"):
        tiny_config(objective="hinge")


def test_bpr_max_of_one_event_over_the_catalogue_and_over_a_sample_of_all_of_it() -> None:
    config = tiny_config(
        objective="bpr_max", num_negatives=4000, bpr_max_penalty=0.5, repeats="off", hidden_dropout=0.0,
        attention_dropout=0.0, id_dropout=0.0, scoring="dot", temperature=1.0,
    )  # fmt: skip
    model = tiny_model(config).train()
    item_ids, labels = torch.tensor([[2, 3, 4, 5]]), torch.tensor([[-100, -100, -100, 6]])
    loss = model(item_ids=item_ids, labels=labels).loss
    model.eval()
    states, recent, _ = model.model.encode_queries(item_ids=item_ids)
    side = model.model.item_side(model.model.items().float())
    evaluated = model.target_losses(states, recent, torch.tensor([[6, -1]]), side)
    assert evaluated[0, 0].item() == pytest.approx(loss.item(), rel=1e-4) and evaluated[0, 1].isnan()
    scores = torch.nn.functional.elu((states @ side.T)[0, 2:], 0.5)
    others = torch.tensor([row - 2 for row in range(2, ROWS) if row != 6])
    shares = torch.softmax(scores[others], 0)
    wins = (shares * torch.sigmoid(scores[4] - scores[others])).sum()
    assert loss.item() == pytest.approx((-wins.log() + 0.5 * (shares * scores[others] ** 2).sum()).item(), rel=1e-4)
