"""The events before a query, and the weights of coming back: counted by hand."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.modeling_xcat.layout_xcat import SequenceLayout
from xcat_rec.modeling_xcat.recent_events_xcat import RecentEvents
from xcat_rec.tokenization.packing import EventFeatures, pack_histories

from .conftest import ROWS, tiny_config, tiny_model

_HISTORIES = st.lists(st.lists(st.integers(2, 5), min_size=1, max_size=6), min_size=1, max_size=4)
_MODES = st.sampled_from(["packed", "left", "right"])


@settings(max_examples=60, deadline=None)
@given(histories=_HISTORIES, length=st.integers(1, 7), mode=_MODES)
def test_the_latest_events_and_how_often_their_items_came(histories: list[list[int]], length: int, mode: str) -> None:
    inputs = pack_histories([{"items": h} for h in histories], max_history=6, features=EventFeatures(), mode=mode)
    layout = SequenceLayout.from_inputs(inputs["item_ids"], inputs.get("attention_mask"), inputs.get("position_ids"))
    events = [(user, end) for user, history in enumerate(histories) for end in range(len(history))]
    last = inputs["query_positions"].tolist()
    places = torch.tensor([last[user] - len(histories[user]) + 1 + end for user, end in events])
    found = RecentEvents.of_queries(inputs["item_ids"], layout, places, length)
    for query, (user, end) in enumerate(events):
        read = histories[user][: end + 1]
        newest = read[::-1][:length]
        assert found.items[query].tolist() == newest + [0] * (length - len(newest))
        counts = [read.count(item) if item not in newest[:age] else 0 for age, item in enumerate(newest)]
        assert found.counts[query].tolist() == counts + [0] * (length - len(newest))


@settings(max_examples=30, deadline=None)
@given(histories=_HISTORIES, mode=_MODES)
def test_each_item_of_a_history_gets_its_bonus_once(histories: list[list[int]], mode: str) -> None:
    model = tiny_model(tiny_config(num_neighbors=0)).model
    assert model.repeats is not None
    inputs = pack_histories([{"items": h} for h in histories], max_history=6, features=EventFeatures(), mode=mode)
    states, recent, _ = model.encode_queries(**inputs)
    found = model.score_states(states, recent) - model.score_states(states, None)
    ages, counts = model.repeats.ages * 100, model.repeats.counts * 100
    expected = torch.zeros(len(histories), ROWS)
    for user, history in enumerate(histories):
        for item in set(history):
            age = history[::-1].index(item) + 1
            expected[user, item] = ages[age.bit_length() - 1] + counts[history.count(item).bit_length() - 1]
    torch.testing.assert_close(found[:, 2:], expected[:, 2:], rtol=1e-4, atol=1e-4)


def test_data_without_repeats_lead_to_a_negative_repeat_bias() -> None:
    torch.manual_seed(0)
    model = tiny_model(tiny_config(item_features={}, num_neighbors=0, soft_target_weight=0.0))
    rows = [{"items": [2 + (user + step) % (ROWS - 2) for step in range(6)]} for user in range(8)]
    inputs = pack_histories(rows, max_history=6, features=EventFeatures(), with_labels=True)
    memory = model.model.repeats
    assert memory is not None
    with torch.no_grad():
        memory.ages.zero_()
        memory.counts.zero_()
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        model(**inputs).loss.backward()
        optimiser.step()
    ages, counts = memory.ages.detach(), memory.counts.detach()
    assert (100 * (ages[:3] + counts[0]) < -2).all()
    assert (ages[3:] == 0).all(), "no event is that old"


def test_items_of_the_history_get_no_smoothed_label() -> None:
    model = tiny_model(tiny_config(repeats="off", soft_target_weight=0.5))
    model.soft_target_rows[:] = 3
    inputs = pack_histories([{"items": [3, 4, 5]}], max_history=6, features=EventFeatures(), with_labels=True)
    found = model(**inputs).loss
    model.config.soft_target_weight = 0.0
    torch.testing.assert_close(found, model(**inputs).loss)


def test_a_return_does_not_count_as_having_the_item() -> None:
    """A bought and returned counts once, as long ago as it was bought; of B, which was only returned, nothing."""
    ids, types = torch.tensor([[2, 4, 2, 3]]), torch.tensor([[1, 1, 2, 2]])
    last = torch.tensor([3])
    model = tiny_model(tiny_config(negative_event_types=["view"])).model
    _, found, _ = model.encode_queries(last, item_ids=ids, event_type_ids=types)
    assert found.items.tolist() == [[0, 0, 4, 2]] and found.counts.tolist() == [[0, 0, 1, 1]]
    assert model.repeats is not None and model.neighbors is not None
    _, rows, values = model.repeats.bonus(found)
    ages, counts = 100 * model.repeats.ages, 100 * model.repeats.counts
    assert rows.tolist() == [4, 2]
    torch.testing.assert_close(values, torch.stack([ages[1] + counts[0], ages[2] + counts[0]]))
    plain = RecentEvents(torch.tensor([[0, 0, 4, 2]]), torch.tensor([[0, 0, 1, 1]]))
    for one, other in zip(model.neighbors.bonus(found), model.neighbors.bonus(plain), strict=True):
        torch.testing.assert_close(one, other)


def test_returns_count_for_training_as_for_scores() -> None:
    """The loss of a labelled event goes by the same memories as the scores of a query at its place."""
    config = tiny_config(negative_event_types=["view"], num_neighbors=0, num_candidates=0, soft_target_weight=0.0)
    model = tiny_model(config).eval()
    ids, types = torch.tensor([[2, 4, 2]]), torch.tensor([[1, 1, 2]])
    labels = torch.tensor([[-100, -100, 5]])
    output = model(ids, event_type_ids=types, labels=labels, query_positions=torch.tensor([2]))
    expected = torch.nn.functional.cross_entropy(output.logits[:, 2:], torch.tensor([3]))
    torch.testing.assert_close(output.loss, expected)


def test_without_negative_types_scores_do_not_change() -> None:
    inputs = {"item_ids": torch.tensor([[2, 4, 2, 3]]), "event_type_ids": torch.tensor([[1, 1, 1, 1]])}
    scores = [
        tiny_model(tiny_config(**changes)).model.score_catalogue(**inputs)
        for changes in ({}, {"negative_event_types": ["view"]})
    ]
    assert torch.equal(*scores)
