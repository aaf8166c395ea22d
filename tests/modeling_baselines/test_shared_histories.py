"""Histories that several pairs share are computed once, without a difference."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.modeling_baselines.click_inputs import ClickInputs
from xcat_rec.modeling_baselines.shared_histories import SharedHistories

from .click_cases import HISTORY, batch, make, taken

EVENTS = st.lists(st.tuples(st.integers(1, 2), st.integers(0, 1), st.integers(0, 1)), max_size=4)


def inputs_of(histories: list[list[tuple[int, int, int]]]) -> ClickInputs:
    """A batch of histories of (item, category, rating)."""
    values = torch.zeros(len(histories), max([1, *map(len, histories)]), 3, dtype=torch.long)
    for row, events in zip(values, histories, strict=True):
        row[: len(events)] = torch.tensor(events).view(-1, 3)
    items, categories, ratings = values.unbind(-1)
    none = torch.zeros(len(histories), dtype=torch.long)
    return ClickInputs(
        items, items > 0, none, none, categories, none, ratings, -torch.ones(items.shape), None, None,
        torch.zeros(len(histories), 0), torch.zeros(len(histories), 0, dtype=torch.long),
    )  # fmt: skip


@given(st.lists(EVENTS, max_size=6))
@settings(max_examples=150, deadline=None)
def test_every_event_has_a_place_after_the_same_events(histories: list[list[tuple[int, int, int]]]) -> None:
    shared = SharedHistories.of(inputs_of(histories))
    events = [(event, tuple(history[:t])) for history in histories for t, event in enumerate(history)]
    distinct = [events[place] for place in shared.first.tolist()]
    assert [distinct[place] for place in shared.places.tolist()] == events
    kept, start = [], 0
    for length in shared.lengths.tolist():
        last, before = distinct[start + length - 1] if length else (None, ())
        kept.append([*before, last] if length else [])
        assert [event for event, _ in distinct[start : start + length]] == kept[-1]
        start += length
    assert start == len(distinct)
    longest = [list(one) for one in {tuple(history) for history in histories}]
    wanted = [one for one in longest if not any(one != other and one == other[: len(one)] for other in longest)]
    assert sorted(kept) == sorted(wanted)


def test_an_empty_batch_has_no_history() -> None:
    shared = SharedHistories.of(inputs_of([]))
    assert (len(shared.lengths), len(shared.first), len(shared.places)) == (0, 0, 0)


def test_dmin_refines_the_events_of_distinct_histories_only() -> None:
    """Rows 1 to 4 are beginnings of the history of row 0, as targets of one user are, and row 5 is another."""
    inputs, model = taken(batch((7, 5)), [0, 0, 0, 0, 0, 1]), make("dmin")
    for row, length in enumerate([7, 5, 5, 1, 0]):
        for name in HISTORY:
            inputs[name][row, length:] = 0
    seen: list[int] = []
    model.refiner.register_forward_hook(lambda module, given, output: seen.append(len(given[0])))
    together = model(**inputs).logits
    alone = torch.cat([model(**taken(inputs, [row])).logits for row in range(6)])
    assert seen[0] == 7 + 5
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("copies", [1, 3])
def test_gradients_of_shared_histories_add_up(copies: int) -> None:
    """The mean loss of copies of rows has the gradients of the rows."""
    model, inputs = make("dmin"), batch()

    def gradients(rows: list[int]) -> dict[str, torch.Tensor]:
        model.zero_grad()
        model(**taken(inputs, rows)).loss.backward()
        return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}

    one, many = gradients([0, 1, 2, 3, 4]), gradients([0, 1, 2, 3, 4] * copies)
    assert len(one) > 20
    for name, value in one.items():
        torch.testing.assert_close(many[name], value, msg=name)
