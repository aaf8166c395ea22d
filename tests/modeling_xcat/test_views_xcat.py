"""Views of histories: mirrored order and dropped events, by hand and against brute force."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.modeling_xcat.layout_xcat import SequenceLayout
from xcat_rec.modeling_xcat.views_xcat import DroppedView, last_events, mirrored


def layout_of(rows: list[list[int]], width: int) -> SequenceLayout:
    """Packed rows with histories of these lengths, and empty places at the end of each row."""
    positions = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for row, lengths in enumerate(rows):
        own = [position for length in lengths for position in range(length)]
        positions[row, : len(own)] = torch.tensor(own)
        mask[row, : len(own)] = 1
    return SequenceLayout.from_inputs(mask, mask, positions)


def histories_of(layout: SequenceLayout) -> list[list[int]]:
    """Positions in the flattened rows of the events of each history."""
    flat, history, _ = layout.unpack_index()
    count = int(history.max()) + 1
    return [flat[history == number].tolist() for number in range(count)]


rows = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(rows)
def test_the_order_of_each_history_is_reversed(lengths):
    layout = layout_of(lengths, 13)
    order = mirrored(layout)
    for places in histories_of(layout):
        assert order[places].tolist() == places[::-1]
    assert torch.equal(order[order], torch.arange(len(order)))
    assert last_events(layout).tolist() == [places[-1] for places in histories_of(layout)]


@settings(max_examples=60, deadline=None)
@given(rows, st.sampled_from([0.0, 0.3, 0.99]), st.integers(0, 9))
def test_a_view_keeps_an_event_of_each_history_and_counts_positions_again(lengths, probability, seed):
    torch.manual_seed(seed)
    layout = layout_of(lengths, 13)
    view = DroppedView.draw(layout, probability)
    kept, hidden = view.attention_mask.flatten().bool(), view.hidden.flatten()
    last = []
    for places in histories_of(layout):
        own = [place for place in places if kept[place]]
        assert own
        assert view.position_ids.flatten()[own].tolist() == list(range(len(own)))
        last.append(own[-1])
    assert view.last.tolist() == last and not hidden[last].any() and not (hidden & ~kept).any()
    assert not (kept & ~layout.mask.flatten()).any()
    if probability == 0:
        assert torch.equal(kept, layout.mask.flatten()) and not hidden.any()
    read = SequenceLayout.from_inputs(view.attention_mask, view.attention_mask, view.position_ids)
    assert [len(places) for places in histories_of(read)] == [
        sum(bool(kept[place]) for place in places) for places in histories_of(layout)
    ]


def test_events_and_texts_are_dropped_with_the_probability():
    torch.manual_seed(0)
    layout = layout_of([[50] * 20] * 4, 1000)
    view = DroppedView.draw(layout, 0.2)
    kept = view.attention_mask.sum()
    assert abs(kept / 4000 - 0.8) < 0.02 and abs(view.hidden.sum() / kept - 0.2) < 0.02


def test_a_history_that_loses_all_events_keeps_its_last(monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.zeros(*shape))
    view = DroppedView.draw(layout_of([[3, 1]], 5), 0.5)
    assert view.attention_mask.tolist() == [[0, 0, 1, 1, 0]] and view.position_ids.tolist() == [[0, 0, 0, 0, 0]]
    assert view.last.tolist() == [2, 3]
