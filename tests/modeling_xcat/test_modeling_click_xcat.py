"""Click prediction: every log odds depends on the own showing and the events before it alone."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from xcat_rec.modeling_xcat.click_xcat import pairwise_loss
from xcat_rec.modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.tokenization.packing import EventFeatures, pack_histories

from .conftest import ROWS, tiny_config, tiny_model

SIZES = [3, 5]
FEATURES = EventFeatures(num_rating_buckets=6, num_time_gap_buckets=8, use_event_types=True)
CLOSE = {"rtol": 1e-6, "atol": 1e-6}
Showing = tuple[int, int, int]
"""Number of a history, events before the showing, and item."""
SHOWN: list[Showing] = [
    (0, 1, 5), (0, 4, 5), (0, 4, 9), (1, 6, 3), (1, 2, 3), (2, 1, 12), (3, 0, 7), (4, 2, 13), (5, 5, 4), (5, 3, 4),
]  # fmt: skip


def click_model(**changes: Any) -> XCatForClickPrediction:
    """A model with no weight, no evidence and no calibration at its initial value."""
    config = tiny_config(click_dense=2, click_categorical_sizes=SIZES, click_attention=True, **changes)
    model: XCatForClickPrediction = tiny_model(config, kind=XCatForClickPrediction)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.click.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
        for table in model.click.codes:
            table.weight[0] = 0
        if model.click_stack is not None:
            for name, buffer in model.click_stack.named_buffers():
                buffer += (1 + torch.rand(buffer.shape)) if "scale" in name else 0.05 * torch.randn(buffer.shape)
    model.calibration.set_prior(0.3)
    model.calibration.set_line(0.8, -0.1)
    return model.eval()


def context(shown: list[Showing]) -> dict[str, torch.Tensor]:
    """Context features that depend on the showing alone."""
    keys = torch.tensor([user * 100 + after * 10 + item for user, after, item in shown])
    return {
        "click_dense": torch.stack([(keys % 7) / 3.0 - 1, (keys % 5) / 2.0 - 1], 1),
        "click_categorical": torch.stack([keys % SIZES[0], keys % SIZES[1]], 1),
    }


def batch(
    histories: list[dict[str, Any]], shown: list[Showing], mode: str = "right", width: int | None = None
) -> dict[str, torch.Tensor]:
    inputs = pack_histories(histories, max_history=6, features=FEATURES, mode=mode, width=width)
    starts = inputs.pop("query_positions") - torch.tensor([len(row["items"]) - 1 for row in histories])
    positions = [int(starts[user]) + after - 1 if after else -1 for user, after, _ in shown]
    return {
        **inputs, "click_positions": torch.tensor(positions), "click_items": torch.tensor([i for *_, i in shown]),
        **context(shown),
    }  # fmt: skip


@torch.no_grad()
def logits(model: XCatForClickPrediction, *given: Any, **how: Any) -> torch.Tensor:
    return model(**batch(*given, **how)).logits


@pytest.mark.parametrize("changes", [{}, {"num_fusion_layers": 0}, {"use_text": False}, {"behavior_encoder": "gru"}])
def test_padding_packing_order_and_other_rows_change_nothing(histories: list[dict[str, Any]], changes: Any) -> None:
    model = click_model(**changes)
    expected = logits(model, histories, SHOWN)
    assert expected.std() > 0.1 and expected.dtype == torch.float32
    for more in (0, 5, 48):
        for mode in ("left", "right"):
            torch.testing.assert_close(logits(model, histories, SHOWN, mode=mode, width=6 + more), expected, **CLOSE)
    torch.testing.assert_close(logits(model, histories, SHOWN, mode="packed"), expected, **CLOSE)
    order = [7, 2, 9, 0, 4, 1, 8, 3, 6, 5]
    shuffled = logits(model, histories, [SHOWN[i] for i in order])
    torch.testing.assert_close(shuffled, expected[order], **CLOSE)
    for place, (user, after, item) in enumerate(SHOWN):  # a batch of one
        inputs = batch([histories[user]], [(0, after, item)])
        alone = model(**{**inputs, **context([(user, after, item)])}).logits
        torch.testing.assert_close(alone, expected[place : place + 1], **CLOSE)
    assert torch.equal(logits(model, histories, SHOWN), expected), "evaluation is deterministic"


def test_later_events_change_no_bit(histories: list[dict[str, Any]]) -> None:
    model = click_model()
    shown = [(1, 2, 3), (1, 2, 9), (5, 3, 4)]
    expected = logits(model, histories, shown)
    poisoned = copy.deepcopy(histories)
    for user, after in ((1, 2), (5, 3)):
        row = poisoned[user]
        size = len(row["items"]) - after
        row["items"][after:] = [2, 13, 8, 5][:size]
        row["ratings"][after:], row["event_types"][after:] = [1.0] * size, [1] * size
        row["timestamps"][after:] = [10**6 + i for i in range(size)]
    assert poisoned != histories
    assert torch.equal(logits(model, poisoned, shown), expected)
    cut = [{name: values[:2] for name, values in histories[1].items()}]
    torch.testing.assert_close(logits(model, cut, [(0, 2, 3)]), model(**batch(cut, [(0, 2, 3)])).logits)
    inputs = {**batch(cut, [(0, 2, 3)]), **context([(1, 2, 3)])}
    torch.testing.assert_close(model(**inputs).logits, expected[:1], **CLOSE)


def test_an_empty_history_reads_no_other(histories: list[dict[str, Any]]) -> None:
    model = click_model()
    found = logits(model, histories, [(3, 0, 7), (0, 0, 7)])
    keyed = {**batch(histories[:1], [(0, 0, 7)]), **context([(3, 0, 7)])}
    assert found.isfinite().all()
    torch.testing.assert_close(model(**keyed).logits, found[:1], **CLOSE)
    unknown = [{"items": [1], "event_types": [0], "ratings": [np.nan], "timestamps": [-1]}]
    torch.testing.assert_close(model(**{**batch(unknown, [(0, 0, 7)]), **context([(3, 0, 7)])}).logits, found[:1])


def test_the_shown_item_steers_the_attention(histories: list[dict[str, Any]]) -> None:
    model = click_model()
    inputs = batch(histories, SHOWN)
    model(**inputs, calibrated=False).logits.sum().backward()
    query = model.click.query.weight.grad
    assert query is not None and query.abs().sum() > 0, "the query is of the shown item and the state"
    assert model.click.key.weight.grad.abs().sum() > 0 and model.click.pair_weight.weight.grad.abs().sum() > 0
    assert model.model.items.id_embeddings.weight.grad[9].abs().sum() > 0
    assert model.model.items.adaptor.expand.weight.grad.abs().sum() > 0


def test_losses_are_those_of_clicks_and_of_next_items(histories: list[dict[str, Any]]) -> None:
    model = click_model(next_item_weight=0.5, hidden_dropout=0.0, attention_dropout=0.0, id_dropout=0.0)
    inputs = batch(histories, SHOWN)
    labels = torch.full_like(inputs["item_ids"], -100)
    labels[:, :-1] = torch.where(inputs["item_ids"][:, 1:] > 0, inputs["item_ids"][:, 1:], -100)
    clicked = torch.tensor([1, 0, 1, 0, 1, 0, 1, 0, 1, 0])
    out = model(**inputs, labels=labels, click_labels=clicked)
    plain = model(**inputs, calibrated=False).logits
    torch.testing.assert_close(out.logits, plain, msg="labels switch the calibration off")
    expected = nn.functional.binary_cross_entropy_with_logits(plain, clicked.float())
    torch.testing.assert_close(out.click_loss, expected)
    following = XCatForNextItem.forward(model, **{n: v for n, v in inputs.items() if "click" not in n}, labels=labels)
    torch.testing.assert_close(out.next_item_loss, following.loss)
    torch.testing.assert_close(out.loss, expected + 0.5 * following.loss)
    count = 4 * int((labels >= 0).sum())
    part = model(**inputs, labels=labels, click_labels=clicked, num_items_in_batch=count)
    torch.testing.assert_close(4 * part.loss, out.loss)
    model.config.next_item_weight = 0
    alone = model(**inputs, labels=labels, click_labels=clicked)
    torch.testing.assert_close(alone.loss, expected)
    assert alone.next_item_loss is None
    model.config.pairwise_weight = 2.0
    pairs = pairwise_loss(plain, clicked, torch.tensor([0, 0, 0, 1, 1, 2, 9, 4, 5, 5]))
    torch.testing.assert_close(model(**inputs, click_labels=clicked).loss, expected + 2 * pairs)


def test_pairwise_loss_is_the_mean_over_pairs_of_one_user() -> None:
    generator = torch.Generator().manual_seed(0)
    values, users = torch.randn(40, generator=generator), torch.randint(0, 7, (40,), generator=generator)
    labels = torch.randint(0, 2, (40,), generator=generator)
    pairs = [
        float(nn.functional.softplus(values[j] - values[i]))
        for i in range(40)
        for j in range(40)
        if users[i] == users[j] and labels[i] > labels[j]
    ]
    assert float(pairwise_loss(values, labels, users)) == pytest.approx(sum(pairs) / len(pairs), rel=1e-5)
    assert float(pairwise_loss(values, torch.ones(40), users)) == 0


def test_in_training_an_item_is_not_popular_by_the_showing_itself(histories: list[dict[str, Any]]) -> None:
    model = click_model(hidden_dropout=0.0, attention_dropout=0.0, id_dropout=0.0)
    inputs, clicked = batch(histories, [(0, 4, 4), (0, 4, 5)]), torch.tensor([1, 0])
    model.train()
    trained = model(**inputs, click_labels=clicked).logits
    model.model.items.item_counts[4], model.model.items.item_counts[8] = 3, 4  # the mean stays
    model.eval()
    torch.testing.assert_close(model(**inputs, calibrated=False).logits, trained)


def test_given_counts_of_items_replace_those_of_the_whole_training(histories: list[dict[str, Any]]) -> None:
    model = click_model(hidden_dropout=0.0, attention_dropout=0.0, id_dropout=0.0)
    inputs = batch(histories, SHOWN)
    counts = model.model.items.item_counts[inputs["click_items"]]
    expected = logits(model, histories, SHOWN)
    assert torch.equal(model(**inputs, click_counts=counts).logits, expected)
    labels = torch.ones(len(SHOWN), dtype=torch.long)
    model.train()
    given = model(**inputs, click_labels=labels, click_counts=(counts - 1).clamp(min=0)).logits
    torch.testing.assert_close(given, model(**inputs, click_labels=labels).logits, **CLOSE)
    assert not torch.allclose(model(**inputs, click_labels=labels, click_counts=counts + 50).logits, given)


def test_evidence_and_calibration_apply_in_evaluation_alone(histories: list[dict[str, Any]]) -> None:
    model = click_model()
    inputs = batch(histories, SHOWN)
    raw, found = model.click_evidence(**inputs)
    assert found.candidates.shape[:2] == (len(SHOWN), 1) and torch.equal(raw, model(**inputs, calibrated=False).logits)
    assert model.click_stack is not None
    expected = model.calibration(model.click_stack(raw, found))
    torch.testing.assert_close(model(**inputs).logits, expected)
    assert (expected - raw).abs().min() > 1e-4
    model.config.click_attention = False
    torch.testing.assert_close(model(**inputs).logits, model.calibration(raw))
    neighbour = model.model.neighbors
    assert neighbour is not None
    before = model(**inputs, calibrated=False).logits
    neighbour.similarities.zero_()
    assert torch.equal(model(**inputs, calibrated=False).logits, before), "weights that know the labels are left out"
    model.config.click_attention = True
    assert not torch.equal(model(**inputs).logits, expected)


def test_evidence_of_a_showing_is_that_of_the_re_ranker(histories: list[dict[str, Any]]) -> None:
    model = click_model()
    inputs = batch(histories, [(1, 6, 3), (5, 5, 4)])
    _, found = model.click_evidence(**inputs)
    base = model.model
    history = {name: value for name, value in inputs.items() if not name.startswith("click")}
    states, recent, _ = base.encode_queries(inputs["click_positions"], **history)
    table = base.item_side(base.items().float())
    first = base.first_stage(states, recent, cold_boost=0.0)
    rows = torch.tensor([[3], [4]])
    scores = first.scores(table).gather(1, rows)
    assert model.click_stack is not None
    expected = model.click_stack.evidence.features(first.queries, recent, rows, scores, base.candidate_sources(table))
    torch.testing.assert_close(found.pairs, expected.pairs)
    torch.testing.assert_close(found.candidates, expected.candidates)


def test_saved_and_loaded_log_odds_are_equal_bit_for_bit(histories: list[dict[str, Any]], tmp_path: Any) -> None:
    model = click_model()
    model.save_pretrained(tmp_path)
    loaded = XCatForClickPrediction.from_pretrained(tmp_path)
    assert torch.equal(logits(loaded, histories, SHOWN), logits(model, histories, SHOWN))
    ranked = batch(histories, SHOWN)
    history = {name: value for name, value in ranked.items() if not name.startswith("click")}
    assert torch.equal(loaded.score_catalogue(**history), model.score_catalogue(**history))


def test_a_checkpoint_of_next_items_starts_without_calibration(histories: list[dict[str, Any]], tmp_path: Any) -> None:
    tiny_model(tiny_config()).save_pretrained(tmp_path)
    loaded = XCatForClickPrediction.from_pretrained(tmp_path)
    inputs = batch(histories, SHOWN)
    inputs = {name: value for name, value in inputs.items() if name not in ("click_dense", "click_categorical")}
    found = loaded(**inputs)
    assert found.logits.isfinite().all()
    assert torch.equal(found.logits, loaded(**inputs, calibrated=False).logits)


def test_missing_context_is_refused(histories: list[dict[str, Any]]) -> None:
    inputs = batch(histories, SHOWN)
    del inputs["click_dense"]
    with pytest.raises(ValueError, match=r"click_dense has the shape none; the model was trained with \[10, 2\]"):
        click_model()(**inputs)
    with pytest.raises(ValueError, match=r"click_categorical_sizes has 0"):
        tiny_config(click_categorical_sizes=[0])


def test_a_training_batch_may_have_no_showing(histories: list[dict[str, Any]]) -> None:
    inputs = {name: value for name, value in batch(histories, SHOWN).items() if not name.startswith("click")}
    nothing = torch.empty(0, dtype=torch.long)
    shown = {"click_positions": nothing, "click_items": nothing, "click_labels": nothing}
    model = click_model().train()
    found = model(**inputs, **shown, labels=inputs["item_ids"])
    assert found.logits.shape == (0,) and found.click_loss == 0 and found.next_item_loss.isfinite()
    found.loss.backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())


def test_next_items_are_ranked_as_without_the_head(histories: list[dict[str, Any]]) -> None:
    model = click_model()
    plain = XCatForNextItem(model.config)
    plain.model.load_state_dict(model.model.state_dict())
    inputs = batch(histories, SHOWN)
    history = {name: value for name, value in inputs.items() if not name.startswith("click")}
    assert torch.equal(plain.eval().score_catalogue(**history), model.score_catalogue(**history))
    assert model(**history, query_positions=torch.tensor([0])).logits.shape == (1, ROWS)
