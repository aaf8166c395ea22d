"""Any order of events, requests, crashes and expiries gives the scores of the batch path."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from .conftest import MODELS
from .world import USERS, World

USER, ITEM = st.sampled_from(USERS), st.integers(0, 41)  # items 40 and 41 are not in the catalogue


class Interleaving(RuleBasedStateMachine):
    """A random order of what can happen to sessions."""

    world: World

    @initialize(name=st.sampled_from(["transformer", "gru", "lstm"]), in_file=st.booleans())
    def start(self, name: str, in_file: bool) -> None:
        self.folder = tempfile.TemporaryDirectory() if in_file else None
        self.world = World(name, Path(self.folder.name) / "state.db" if self.folder else None)

    @rule(user=USER, item=ITEM, kind=st.integers(0, 5), time=st.integers(0, 9))
    def append(self, user: str, item: int, kind: int, time: int) -> None:
        self.world.append(user, item, kind, 1000 * time)

    @rule(user=USER, discover=st.booleans())
    def request(self, user: str, discover: bool) -> None:
        self.world.request(user, discover)

    @rule(user=USER, item=ITEM)
    def hide(self, user: str, item: int) -> None:
        self.world.hide(user, item)

    @rule(user=USER)
    def forget(self, user: str) -> None:
        self.world.forget(user)

    @rule(user=USER)
    def delete(self, user: str) -> None:
        self.world.delete(user)

    @rule(seconds=st.sampled_from([1, 300, 1200]))
    def wait(self, seconds: int) -> None:
        self.world.wait(seconds)

    @rule()
    def crash(self) -> None:
        self.world.crash()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            for user in USERS:
                self.world.request(user, False)
            self.world.log.close()
            if self.folder is not None:
                self.folder.cleanup()


TestInterleavings = Interleaving.TestCase
TestInterleavings.settings = settings(max_examples=12, stateful_step_count=15, deadline=None)


def interleaving(seed: int, folder: Path) -> World:
    """One random order of 15 steps; a quarter of the logs are in files."""
    draw = random.Random(seed)
    name = ("transformer", "gru", "lstm", "bidirectional")[seed % 4]
    world = World(name, folder / f"{seed}.db" if seed % 16 < 4 else None, max_users=draw.choice([1, 2, 10]))
    for _ in range(15):
        user, item, chance = draw.choice(USERS), draw.randrange(42), draw.random()
        if chance < 0.5:
            world.append(user, item, draw.randrange(6), 1000 * draw.randrange(10))
        elif chance < 0.75:
            world.request(user, draw.random() < 0.5)
        elif chance < 0.85:
            world.crash()
        elif chance < 0.94:
            world.wait(draw.choice([1, 300, 1200]))
        elif chance < 0.96:
            world.hide(user, item)
        elif chance < 0.98:
            world.forget(user)
        else:
            world.delete(user)
    world.request(user, False)
    world.log.close()
    return world


@pytest.mark.slow
def test_ten_thousand_interleavings(tmp_path: Path, record_property: Any) -> None:
    assert set(MODELS) > {"transformer", "gru", "lstm", "bidirectional"}
    requests, largest = 0, 0.0
    for seed in range(10_000):
        world = interleaving(seed, tmp_path)
        requests, largest = requests + world.requests, max(largest, world.largest)
    record_property("requests", requests)
    record_property("largest difference", largest)
    assert requests > 10_000 and largest <= 1e-4
