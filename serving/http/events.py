"""Events of several requests, stored in one change."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...ranking.sessions.events import SessionEvent, read_event
from ...ranking.sessions.log import EventLog, NewEvent, Statement
from ..feedback import HIDE, FeedbackLog, Reaction, RedisFeedback
from .errors import InvalidRequestError


@dataclass(frozen=True)
class _Read:
    """An event as it is stored.

    Args:
        new: The event; one of the type hide is stored as a statement.
        reaction: The reaction to a list, or None.
    """

    new: NewEvent
    reaction: Reaction | None

    @property
    def hides(self) -> bool:
        return self.new.event.event_type == HIDE


def append_events(
    log: EventLog, feedback: FeedbackLog | RedisFeedback, asked: Sequence[Sequence[dict[str, Any]]]
) -> list[list[bool] | Exception]:
    """Store the events of several requests; all events of a request, or after an error none.

    Args:
        log: Log of the users' events.
        feedback: Log of lists and reactions.
        asked: Fields of `EventBody`, a list per request.

    Returns:
        Per request, which of its events are new, or its error: `InvalidRequestError` if a value cannot be used.
    """
    read: list[list[_Read] | Exception] = []
    for events in asked:
        try:
            read.append(_read(feedback, events))
        except Exception as error:
            read.append(error)
    plain = [one for events in read if not isinstance(events, Exception) for one in events if not one.hides]
    try:
        stored = log.append_many([one.new for one in plain]) if plain else []
    except Exception as error:  # nothing is stored
        return [error] if len(asked) == 1 else [new for one in asked for new in append_events(log, feedback, [one])]
    new = dict(zip(map(id, plain), stored, strict=True))
    return [events if isinstance(events, Exception) else _finished(log, feedback, events, new) for events in read]


def _finished(
    log: EventLog, feedback: FeedbackLog | RedisFeedback, events: Sequence[_Read], new: dict[int, bool]
) -> list[bool] | Exception:
    """Store hidden items and reactions of one request, whose other events are stored; returns which are new."""
    try:
        for one in events:
            if one.hides:
                new[id(one)] = log.state(one.new.user, Statement("hidden", one.new.event.item_id))
            if one.reaction is not None:  # also of a repeated event: a crash may have lost its reaction
                feedback.react(one.reaction if new[id(one)] else _of_first(log, one, one.reaction))
    except Exception as error:  # of the store
        return error
    return [new[id(one)] for one in events]


def _of_first(log: EventLog, one: _Read, reaction: Reaction) -> Reaction:
    """The reaction to an event that is stored already, with the time of that event, so that it is the same one."""
    if one.hides or not one.new.event.event_id:
        return reaction
    same = (
        event.timestamp
        for event in log.read(one.new.user).events
        if (event.event_id, event.item_id, event.event_type)
        == (one.new.event.event_id, one.new.event.item_id, one.new.event.event_type)
    )
    return replace(reaction, timestamp=next(same, reaction.timestamp))


def _read(feedback: FeedbackLog | RedisFeedback, events: Sequence[dict[str, Any]]) -> list[_Read]:
    read = []
    for number, event in enumerate(events):
        try:
            read.append(_read_one(feedback, event))
        except ValueError as error:
            raise InvalidRequestError(f"events.{number}: {error}" if len(events) > 1 else str(error)) from error
    return read


def _read_one(feedback: FeedbackLog | RedisFeedback, event: dict[str, Any]) -> _Read:
    details, now = dict(event), int(time.time())
    user, impression = details.pop("user_id"), details.pop("impression_id", None)
    if details.get("event_type", "").strip().lower() == HIDE:
        details["event_type"] = HIDE
    stored, key = read_event(SessionEvent(**details), now)
    reaction = None
    if impression is not None:
        reaction = Reaction(impression, stored.item_id, stored.event_type or "event", stored.timestamp)
        feedback.check(reaction, user)
    return _Read(NewEvent(user, stored, key), reaction)
