"""Users who come, go, and are checked against a plain list of their events and the batch path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xcat_rec.ranking.sessions.log import EventLog, MemoryLog
from xcat_rec.ranking.sessions.session import Sessions
from xcat_rec.serving.state.sqlite_log import SQLiteLog

from .conftest import recommender
from .oracle import START

USERS = ("a", "b", "c")
EXPIRE_AFTER = 1000


class World:
    """Sessions over one log, and what the log should have.

    Args:
        name: Name of the model.
        file: File of the log; None for a log in memory.
        slack: See `XCatPast`.
        max_users: Users whose states are kept.
    """

    def __init__(self, name: str, file: Path | None = None, slack: int = 0, max_users: int = 2) -> None:
        self.name, self.file, self.options = name, file, {"slack": slack, "max_users": max_users}
        self.now = START + 50_000
        self.events: dict[str, dict[Any, tuple[int, int, Any]]] = {user: {} for user in USERS}
        self.seen = dict.fromkeys(USERS, 0)
        self.hidden: dict[str, set[str]] = {user: set() for user in USERS}
        self.arrivals, self.requests, self.largest = 0, 0, 0.0
        self.log: EventLog = self.opened()
        self.sessions = self.started()

    def opened(self) -> EventLog:
        if self.file is None:
            return MemoryLog(EXPIRE_AFTER, self.clock)
        return SQLiteLog(self.file, EXPIRE_AFTER, self.clock)

    def started(self) -> Sessions:
        return Sessions(recommender(self.name), self.log, clock=self.clock, **self.options)

    def clock(self) -> float:
        return self.now

    def append(self, user: str, item: int, kind: int, time: int) -> None:
        """An event, which may be late or a repetition; `time` 0 is none."""
        self._expire(user)
        self.arrivals += 1
        timestamp = START + time if time else None
        event_id = "" if time else f"e{item}"
        event_type, rating = (("", "buy", "purchase")[kind % 3], float(kind) if kind % 2 else None)
        key = (item, event_type, timestamp, event_id)
        new = self.sessions.session(user).append(
            f"item-{item:02d}", event_type=event_type, timestamp=timestamp, rating=rating, event_id=event_id
        )
        assert new == (key not in self.events[user])
        row = (f"item-{item:02d}", event_type, rating, timestamp or self.now)
        self.events[user].setdefault(key, (row[3], self.arrivals, row))
        self.seen[user] = self.now

    def crash(self) -> None:
        """All states are lost; a log in a file is opened again."""
        if self.file is not None:
            self.log.close()
            self.log = self.opened()
        self.sessions = self.started()

    def wait(self, seconds: int) -> None:
        self.now += seconds

    def hide(self, user: str, item: int) -> None:
        self.hidden[user].add(f"item-{item:02d}")
        self.sessions.session(user).hide(f"item-{item:02d}")

    def forget(self, user: str) -> None:
        assert self.sessions.session(user).forget() == len(self.hidden[user])
        self.hidden[user].clear()

    def delete(self, user: str) -> None:
        self._expire(user)
        assert self.sessions.delete(user) == bool(self.events[user] or self.hidden[user])
        self.events[user].clear()
        self.hidden[user].clear()

    def request(self, user: str, discover: bool) -> None:
        """Compare the scores of the whole catalogue with those of the batch path."""
        self._expire(user)
        rows = [row for *_, row in sorted(self.events[user].values(), key=lambda event: event[:2])]
        self.requests += 1
        options: dict[str, Any] = {"exclude_seen": discover, "explain": False}
        found = self.sessions.session(user).recommend(40, **options)
        items, types, ratings, times = map(list, zip(*rows, strict=True)) if rows else ([], [], [], [])
        expected = self.sessions.recommender.recommend(
            items, 40, event_types=types, ratings=ratings, timestamps=times,
            filters=[("item_id", "not in", sorted(self.hidden[user]))] if self.hidden[user] else (), **options,
        )  # fmt: skip
        assert found.basis == expected.basis and len(found) == len(expected)
        scores = {item.item_id: item.score for item in expected}
        for item in found:
            self.largest = max(self.largest, abs(item.score - scores[item.item_id]))
        assert self.largest <= 1e-4

    def _expire(self, user: str) -> None:
        if self.events[user] and self.now - self.seen[user] > EXPIRE_AFTER:
            self.events[user].clear()
