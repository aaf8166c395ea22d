"""A log of sessions on a Redis server."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import astuple
from typing import Any

from ...ranking.sessions.events import SessionEvent
from ...ranking.sessions.log import NewEvent, Statement, UserRecord, checked_expiry, in_order
from .redis_server import answered, connect, place_of
from .stored_times import check_time

_CHANGE = ""
"""Field of a hash with the number of its last change; an event's key and a statement are never empty."""


class RedisLog:
    """A log of sessions on a Redis server, which several machines can share.

    A user has two hashes, of events and of statements. How much of them survives a crash of the server is its own
    setting (`appendfsync`). Its append-only file keeps the bytes of deleted users until it is rewritten
    (`BGREWRITEAOF`).

    Args:
        url: "redis://HOST:PORT/NUMBER", or "rediss:" with TLS.
        expire_after: See `EventLog`; the server deletes expired events itself.
        prefix: First part of the keys.
        **options: Arguments of `redis.Redis.from_url`.

    Raises:
        MissingExtraError: If redis is not installed.
        ConnectionError: If no server answers, also of each method.
    """

    def __init__(self, url: str, expire_after: float | None = None, prefix: str = "xcat", **options: Any) -> None:
        self.expire_after, self.prefix, self.place = checked_expiry(expire_after), prefix, place_of(url)
        self._base = connect(url, **options)

    def append(self, user: str, event: SessionEvent, key: str) -> bool:
        """As in `EventLog`."""
        return self.append_many([NewEvent(user, event, key)])[0]

    @answered
    def append_many(self, events: Sequence[NewEvent]) -> list[bool]:
        """As in `EventLog`, in one transaction of the server."""
        last = int(self._base.incrby(f"{self.prefix}:changes", len(events))) if events else 0
        with self._base.pipeline(transaction=True) as change:
            for number, (user, event, key) in enumerate(events, start=last - len(events) + 1):
                self._put(change, number, self._name("events", user), key, list(astuple(event)), self.expire_after)
            done = change.execute() if events else []
        return [bool(added) for added in done[:: 2 + (self.expire_after is not None)]]

    @answered
    def state(self, user: str, statement: Statement) -> bool:
        """As in `EventLog`."""
        number = int(self._base.incr(f"{self.prefix}:changes"))
        with self._base.pipeline(transaction=True) as change:
            self._put(change, number, self._name("statements", user), _field(statement), [], None)
            return bool(change.execute()[0])

    @answered
    def forget(self, user: str, statement: Statement | None = None) -> int:
        """As in `EventLog`."""
        name = self._name("statements", user)
        known = [field for field in self._base.hkeys(name) if field != _CHANGE]
        gone = known if statement is None else [_field(statement)]
        if not gone:
            return 0
        number = self._base.incr(f"{self.prefix}:changes")
        with self._base.pipeline(transaction=True) as change:
            change.hdel(name, *gone)
            change.hset(name, _CHANGE, number)
            return int(change.execute()[0])

    @answered
    def version(self, user: str) -> Hashable:
        """As in `EventLog`."""
        with self._base.pipeline(transaction=True) as both:
            for kind in ("events", "statements"):
                both.hget(self._name(kind, user), _CHANGE)
            return tuple(both.execute())

    @answered
    def read(self, user: str) -> UserRecord:
        """As in `EventLog`."""
        with self._base.pipeline(transaction=True) as both:
            for kind in ("events", "statements"):
                both.hgetall(self._name(kind, user))
            events, statements = ({k: json.loads(v) for k, v in found.items() if k} for found in both.execute())
        found = [(number, SessionEvent(*values)) for number, values in events.values()]
        for number, event in found:
            check_time(event.timestamp, f"event {number}", self.place)
        ordered = sorted(statements, key=lambda field: statements[field][0])
        return UserRecord(in_order(found), tuple(Statement(*json.loads(field)) for field in ordered))

    @answered
    def delete(self, user: str) -> bool:
        """As in `EventLog`; see the class for the server's files."""
        return bool(self._base.delete(self._name("events", user), self._name("statements", user)))

    def expire(self) -> int:
        """0: the server deletes expired events itself."""
        return 0

    @answered
    def check_writable(self) -> None:
        """Write a key of its own, which a server without memory or with a failed backup refuses."""
        self._base.set(f"{self.prefix}:written", 1)

    def close(self) -> None:
        """As in `EventLog`."""
        self._base.close()

    def _name(self, kind: str, user: str) -> str:
        return f"{self.prefix}:{kind}:{user}"

    def _put(
        self, change: Any, number: int, name: str, key: str, values: list[Any], expire_after: float | None
    ) -> None:
        """Add a field to a hash of a user, in a transaction, if it is not there already."""
        change.hsetnx(name, key, json.dumps([number, values], ensure_ascii=False))
        change.hset(name, _CHANGE, number)
        if expire_after is not None:
            change.pexpire(name, int(1000 * expire_after))


def _field(statement: Statement) -> str:
    return json.dumps(list(statement), ensure_ascii=False)
