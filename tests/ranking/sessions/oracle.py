"""The batch path as oracle of sessions."""

from __future__ import annotations

from typing import Any

import pytest

from xcat_rec.modeling_xcat.recommending_xcat import Recommendations
from xcat_rec.ranking.sessions.session import NO_EVENTS, Sessions

START = 1_700_000_000


def batch_list(sessions: Sessions, user: str, k: int, **options: Any) -> Recommendations:
    """The list of a user from a new encoding of the events in the log."""
    events = sessions.log.read(user).events
    return sessions.recommender.recommend(
        [event.item_id for event in events], k, timestamps=[event.timestamp for event in events],
        event_types=[event.event_type for event in events], ratings=[event.rating for event in events], **options,
    )  # fmt: skip


def check_lists(found: Recommendations, expected: Recommendations) -> None:
    """Refuse a list with other scores; items may change places only where their scores are equal to 1e-4.

    Only a session has the note that nothing is stored of its user.
    """
    assert found.basis == expected.basis and [note for note in found.notes if note != NO_EVENTS] == expected.notes
    assert [item.score for item in found] == pytest.approx([item.score for item in expected], abs=1e-4)
    scores = {item.item_id: item.score for item in expected}
    least = min(scores.values(), default=0.0)
    for item in found:
        assert scores.get(item.item_id, least) == pytest.approx(item.score, abs=1e-4)
    assert [len(item.because) for item in found] == pytest.approx([len(item.because) for item in expected], abs=1)
