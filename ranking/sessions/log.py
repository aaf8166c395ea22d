"""Logs of sessions: the events of users in the order in which they arrive, and what the users stated."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal, NamedTuple, Protocol

from .events import SessionEvent

Kind = Literal["text", "filter", "hidden"]
"""Kind of a statement: a text about the user, a condition on items as JSON, or the id of an item."""


class Statement(NamedTuple):
    """Something that a user stated, kept until it is forgotten.

    Args:
        kind: See `Kind`.
        value: The text, condition or item id.
    """

    kind: Kind
    value: str


class UserRecord(NamedTuple):
    """Everything that a log has of a user.

    Args:
        events: By time; events of one second by arrival.
        statements: In the order in which they were made.
    """

    events: tuple[SessionEvent, ...] = ()
    statements: tuple[Statement, ...] = ()


class NewEvent(NamedTuple):
    """An event that arrives.

    Args:
        user: Id of the user.
        event: The event.
        key: See `read_event`.
    """

    user: str
    event: SessionEvent
    key: str


class EventLog(Protocol):
    """A log of sessions; all methods can be called from several threads.

    When a method returns, its change is in the log. With `expire_after` the events of a user who has had none for that
    many seconds are deleted; statements stay.
    """

    def append(self, user: str, event: SessionEvent, key: str) -> bool:
        """Add an event; returns False, and changes nothing, if the user has an event with the key."""

    def append_many(self, events: Sequence[NewEvent]) -> list[bool]:
        """Add events of several users in one change, all of them or after an error none; returns which are new."""

    def state(self, user: str, statement: Statement) -> bool:
        """Add a statement; returns False if it is there already."""

    def forget(self, user: str, statement: Statement | None = None) -> int:
        """Delete a statement, or all statements of a user; returns how many were deleted."""

    def version(self, user: str) -> Hashable:
        """A value for the record of a user: at any two times with equal values, the records are equal."""

    def read(self, user: str) -> UserRecord:
        """The record of a user; empty for an unknown one."""

    def delete(self, user: str) -> bool:
        """Delete everything of a user, without a trace in any file; returns whether there was anything."""

    def expire(self) -> int:
        """Delete the events of all users that have expired; returns the number of users."""

    def check_writable(self) -> None:
        """Write something that changes no record.

        Raises:
            Exception: The error of the store, if it cannot be written, such as on a full disk.
        """

    def close(self) -> None:
        """Close the log."""


def in_order(events: list[tuple[int, SessionEvent]]) -> tuple[SessionEvent, ...]:
    """Events by time, and those of one second by their number of arrival."""
    return tuple(event for _, event in sorted(events, key=lambda pair: (pair[1].timestamp, pair[0])))


@dataclass
class _User:
    """What `MemoryLog` has of a user."""

    events: dict[str, tuple[int, SessionEvent]] = field(default_factory=dict)
    statements: dict[Statement, None] = field(default_factory=dict)
    version: int = 0
    seen: float = 0.0


class MemoryLog:
    """A log in the memory of the process; it is lost when the process ends.

    Args:
        expire_after: Seconds after a user's last event until the events are deleted; None for never.
        clock: Returns the seconds since 1970.
    """

    def __init__(self, expire_after: float | None = None, clock: Callable[[], float] = time.time) -> None:
        self.expire_after, self.clock = checked_expiry(expire_after), clock
        self._users: dict[str, _User] = {}
        self._lock = Lock()
        self._changes = 0

    def append(self, user: str, event: SessionEvent, key: str) -> bool:
        """As in `EventLog`."""
        return self.append_many([NewEvent(user, event, key)])[0]

    def append_many(self, events: Sequence[NewEvent]) -> list[bool]:
        """As in `EventLog`."""
        with self._lock:
            return [self._append(*one) for one in events]

    def _append(self, user: str, event: SessionEvent, key: str) -> bool:
        self._expire(user)
        own = self._users.setdefault(user, _User())
        own.seen = self.clock()
        if key in own.events:
            return False
        self._changed(own)
        own.events[key] = (own.version, event)
        return True

    def state(self, user: str, statement: Statement) -> bool:
        """As in `EventLog`."""
        with self._lock:
            own = self._users.setdefault(user, _User())
            if statement in own.statements:
                return False
            self._changed(own)
            own.statements[statement] = None
            return True

    def forget(self, user: str, statement: Statement | None = None) -> int:
        """As in `EventLog`."""
        with self._lock:
            own = self._users.get(user, _User())
            gone = [one for one in own.statements if statement in (None, one)]
            for one in gone:
                del own.statements[one]
            if gone:
                self._changed(own)
            self._drop_empty(user)
            return len(gone)

    def version(self, user: str) -> Hashable:
        """As in `EventLog`."""
        with self._lock:
            self._expire(user)
            return self._users[user].version if user in self._users else 0

    def read(self, user: str) -> UserRecord:
        """As in `EventLog`."""
        with self._lock:
            self._expire(user)
            own = self._users.get(user, _User())
            return UserRecord(in_order(list(own.events.values())), tuple(own.statements))

    def delete(self, user: str) -> bool:
        """As in `EventLog`."""
        with self._lock:
            self._expire(user)
            return self._users.pop(user, None) is not None

    def expire(self) -> int:
        """As in `EventLog`."""
        with self._lock:
            return sum(self._expire(user) for user in list(self._users))

    def check_writable(self) -> None:
        """Nothing: memory can be written."""

    def close(self) -> None:
        """As in `EventLog`; the events are still there."""

    def _changed(self, own: _User) -> None:
        self._changes += 1
        own.version = self._changes

    def _expire(self, user: str) -> bool:
        own = self._users.get(user)
        if self.expire_after is None or own is None or not own.events or self.clock() - own.seen <= self.expire_after:
            return False
        own.events.clear()
        self._changed(own)
        self._drop_empty(user)
        return True

    def _drop_empty(self, user: str) -> None:
        own = self._users.get(user)
        if own is not None and not own.events and not own.statements:
            del self._users[user]


def checked_expiry(seconds: float | None) -> float | None:
    """`expire_after` of a log.

    Raises:
        ValueError: If it is not positive.
    """
    if seconds is not None and not seconds > 0:
        raise ValueError(f"expire_after is {seconds}; give a positive number of seconds, or None for no expiry")
    return seconds
