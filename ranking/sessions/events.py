"""Events of sessions, and the key by which an event that arrives twice is recognised."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from ...modeling_xcat.arguments_xcat import whole_text
from ...tokenization.sequences.click_labels import types_of_impressions
from ..requests import read_requests


@dataclass(frozen=True)
class SessionEvent:
    """An event of a user.

    Args:
        item_id: External id of the item; it need not be in the catalogue.
        timestamp: Time of the event, as in `XCatRecommender.recommend`; None for the time at which it arrives.
        event_type: Type, such as purchase; "" for the model's first target type.
        rating: Rating, None for none.
        text: Text written at the event, such as a review.
        event_id: Id of the event in the shop; "" for none.
    """

    item_id: str
    timestamp: Any = None
    event_type: str = ""
    rating: float | None = None
    text: str = ""
    event_id: str = ""


def history_events(
    events: Sequence[SessionEvent], event_settings: Mapping[str, Any] | None
) -> tuple[SessionEvent, ...]:
    """The events that histories of a model have: all, but for impressions if `types_of_impressions` has some.

    Args:
        events: Events of a user.
        event_settings: Event settings of the model.
    """
    left_out = types_of_impressions({event.event_type for event in events}, event_settings)
    return tuple(event for event in events if event.event_type not in left_out)


def read_event(event: str | SessionEvent, now: int) -> tuple[SessionEvent, str]:
    """Read an event that arrives.

    Args:
        event: The event, or its item id.
        now: Seconds since 1970.

    Returns:
        The event with its time in whole seconds since 1970, and its key. Two events of a user with one key are the
        same event: they have the same item, type, time and event id. An event without time and event id has a key of
        its own, because nothing distinguishes its repetition from a second event.

    Raises:
        ValueError: If a value cannot be read.

    Example:
        >>> event, key = read_event(SessionEvent("tent", "2024-01-31", event_id="e1"), now=0)
        >>> event.timestamp, key
        (1706659200, '["tent", "", 1706659200, "e1"]')
    """
    given = event if isinstance(event, SessionEvent) else SessionEvent(event)
    if isinstance(given.item_id, str):
        whole_text("item_id", given.item_id)
    read = read_requests(
        [[given.item_id]],
        event_types=[[given.event_type]],
        ratings=[[given.rating]],
        timestamps=[[given.timestamp]],
        event_texts=[[given.text]],
    )
    assert read.event_types and read.ratings and read.timestamps and read.event_texts
    time, item = read.timestamps[0][0], read.histories[0][0]
    if not item:
        raise ValueError("item_id is empty; give the id of an item")
    stored = replace(
        given, item_id=item, event_type=read.event_types[0][0], rating=read.ratings[0][0],
        timestamp=now if time is None else time, text=read.event_texts[0][0] or "",
        event_id=whole_text("event_id", str(given.event_id)),
    )  # fmt: skip
    own = stored.event_id or ("" if time is not None else uuid4().hex)
    return stored, json.dumps([stored.item_id, stored.event_type, time, own], ensure_ascii=False)
