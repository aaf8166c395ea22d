"""Item-to-item weights: the formula of the docstring, written out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.modeling_xcat.configuration_xcat import FORMAT_VERSION, XCatConfig
from xcat_rec.modeling_xcat.recent_events_xcat import RecentEvents
from xcat_rec.tokenization.packing import EventFeatures, pack_histories

from .conftest import ROWS, tiny_config, tiny_model


@settings(max_examples=40, deadline=None)
@given(
    histories=st.lists(st.lists(st.integers(2, ROWS - 1), min_size=1, max_size=6), min_size=1, max_size=4),
    window=st.integers(1, 8), decay=st.floats(0.1, 1), weight=st.floats(0, 9),
    mode=st.sampled_from(["packed", "left", "right"]), version=st.integers(1, FORMAT_VERSION), had=st.booleans(),
)  # fmt: skip
def test_the_bonus_is_that_of_the_formula(
    histories: list[list[int]], window: int, decay: float, weight: float, mode: str, version: int, had: bool
) -> None:
    """A sum from format version 4 on, its root before; in version 1 for items of the history too."""
    config = tiny_config(
        neighbor_window=window, neighbor_decay=decay, neighbor_weight=weight, repeats="off", format_version=version,
        neighbor_history=had,
    )  # fmt: skip
    model = tiny_model(config).model
    rows = [{"items": history} for history in histories]
    inputs = pack_histories(rows, max_history=6, features=EventFeatures(), mode=mode)
    states, recent, _ = model.encode_queries(**inputs)
    found = model.score_states(states, recent) - model.score_states(states, None)
    expected = torch.zeros(len(histories), ROWS)
    for user, history in enumerate(histories):
        for age, item in enumerate(reversed(history)):
            for place in range(4 if age < window else 0):
                neighbor = int(model.neighbors.rows[item, place])
                if neighbor not in history or version == 1:
                    expected[user, neighbor] += decay**age * float(model.neighbors.similarities[item, place])
        if had and version > 1:
            expected[user, history] = expected[user].max()
    if version < 4:
        expected = expected.sqrt()
    torch.testing.assert_close(found[:, 2:], weight * expected[:, 2:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (1, {(0, 4): 4 * 0.25**0.5, (0, 5): 4 * 0.5**0.5, (1, 3): 4 * 0.25**0.5}),
        (2, {(0, 5): 4 * 0.5**0.5, (1, 3): 4 * 0.25**0.5}),
        (3, {(0, 5): 4 * 0.5**0.5, (1, 3): 4 * 0.25**0.5}),
        (4, {(0, 5): 4 * 0.5, (1, 3): 4 * 0.25}),
    ],
)
def test_bonuses_by_hand(version: int, expected: dict[tuple[int, int], float]) -> None:
    memory = tiny_model(
        tiny_config(format_version=version, neighbor_window=2, neighbor_decay=0.5, neighbor_weight=4.0)
    ).model.neighbors
    memory.similarities.zero_()
    memory.rows[3, :2], memory.similarities[3, :2] = torch.tensor([5, 4]).int(), torch.tensor([0.375, 0.25])
    memory.rows[4, 0], memory.similarities[4, 0] = 5, 0.25
    memory.rows[7, 0], memory.similarities[7, 0] = 3, 0.25
    recent = RecentEvents(torch.tensor([[3, 4, 7], [7, 0, 0]]), torch.tensor([[2, 0, 1], [1, 0, 0]]))
    for weight, times in ((None, 1.0), (1.0, 0.25)):
        queries, rows, values = memory.bonus(recent, weight)
        found = dict(zip(zip(queries.tolist(), rows.tolist(), strict=True), values.tolist(), strict=True))
        assert found == pytest.approx({pair: times * value for pair, value in expected.items()})


@pytest.mark.parametrize("had", [False, True])
def test_each_item_gets_one_bonus_a_query(had: bool) -> None:
    memory = tiny_model(tiny_config(neighbor_history=had)).model.neighbors
    queries, rows, values = memory.bonus(
        RecentEvents(torch.tensor([[3, 3, 4], [5, 0, 0]]), torch.tensor([[2, 0, 1], [1, 0, 0]]))
    )
    assert len(set(zip(queries.tolist(), rows.tolist(), strict=True))) == len(queries) and (values > 0).all()
    assert set(queries.tolist()) == {0, 1} and (queries * ROWS + rows).diff().gt(0).all()
    assert had == ({(0, 3), (0, 4), (1, 5)} <= set(zip(queries.tolist(), rows.tolist(), strict=True)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("neighbor_decay", 0.0),
        ("neighbor_window", 0),
        ("neighbor_weight", -1),
        ("num_neighbors", -1),
        ("untrained_bonus", float("nan")),
    ],
)
def test_settings_that_cannot_be_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"XCatConfig.{field} is"):
        XCatConfig(**{field: value})
