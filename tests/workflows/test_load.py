"""Load with a state: the events and statements of users outlive the recommender."""

from __future__ import annotations

from pathlib import Path

import pytest

import xcat_rec

from ..ranking.sessions.conftest import recommender
from ..ranking.sessions.oracle import batch_list, check_lists


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    recommender("lstm").model.save_pretrained(folder)
    recommender("lstm").processor.save_pretrained(folder)
    return folder


def test_a_state_outlives_the_recommender(checkpoint: Path, tmp_path: Path) -> None:
    state = f"sqlite:///{tmp_path}/state.db"
    session = xcat_rec.load(checkpoint, state=state).session("u")
    for item in ("item-03", "item-10", "item-17"):
        session.append(item)
    session.hide("item-24")
    again = xcat_rec.load(checkpoint, state=state, slack=2)
    found = again.session("u").recommend(5)
    assert [event.item_id for event in again.session("u").events] == ["item-03", "item-10", "item-17"]
    check_lists(found, batch_list(again.sessions, "u", 5, filters=["item_id!=item-24"]))
    assert again.sessions.slack == 2
    assert again.delete("u") and not session.events


def test_a_wrong_state_is_refused_before_the_checkpoint_is_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give 'memory:'"):
        xcat_rec.load(tmp_path / "nowhere", state="state.db")
    with pytest.raises(ValueError, match="expire_after is -1"):
        xcat_rec.load(tmp_path / "nowhere", expire_after=-1)
