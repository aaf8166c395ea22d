"""The log of feedback on a Redis server, which several processes and machines share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from ..state.redis_server import answered, connect, place_of
from ..state.stored_times import check_time
from .feedback_log import HIDE, Impression, Reaction, check_reaction

_AT_ONCE = 1_000
"""Lists that are read in one answer of the server."""


class RedisFeedback:
    """Lists and reactions on a Redis server; the methods are those of `FeedbackLog`.

    A list is a JSON text. Ordered sets have the ids of all lists, those of each user, and the reactions to each list,
    by numbers of arrival. How much survives a crash of the server is its own setting (`appendfsync`).

    Args:
        url: "redis://HOST:PORT/NUMBER", or "rediss:" with TLS.
        prefix: First part of the keys.
        **options: Arguments of `redis.Redis.from_url`.

    Raises:
        MissingExtraError: If redis is not installed.
        ConnectionError: If no server answers.
    """

    def __init__(self, url: str, prefix: str = "xcat", **options: Any) -> None:
        self.place, self.prefix = place_of(url), prefix
        self._base = connect(url, **options)

    def show(self, impression: Impression) -> None:
        """As in `FeedbackLog`."""
        self.show_many([impression])

    @answered
    def show_many(self, impressions: Sequence[Impression]) -> None:
        """Add lists in one change.

        Raises:
            ValueError: If there is a list with one of the ids; then none is added.
        """
        names = [self._list(one.id) for one in impressions]
        if not names:
            return
        last = int(self._base.incrby(f"{self.prefix}:changes", len(names)))
        written = [json.dumps(asdict(one), ensure_ascii=False) for one in impressions]

        def write(change: Any) -> None:
            there = [one.id for one, text in zip(impressions, change.mget(names), strict=True) if text is not None]
            if there:
                raise ValueError(f"impression {there[0]!r} is in the log already")
            change.multi()
            change.mset(dict(zip(names, written, strict=True)))
            for number, one in enumerate(impressions, start=last - len(names) + 1):
                change.zadd(self._lists(), {one.id: number})
                change.zadd(self._lists(one.user), {one.id: number})

        self._base.transaction(write, *names)

    @answered
    def react(self, reaction: Reaction) -> bool:
        """As in `FeedbackLog`."""
        self.check(reaction)
        name = self._reactions(reaction.impression)
        if reaction.type == HIDE and any(
            json.loads(known)[:2] == [reaction.item, HIDE] for known in self._base.zrange(name, 0, -1)
        ):
            return False
        number = int(self._base.incr(f"{self.prefix}:changes"))
        member = json.dumps([reaction.item, reaction.type, reaction.timestamp], ensure_ascii=False)
        return bool(self._base.zadd(name, {member: number}, nx=True))

    @answered
    def check(self, reaction: Reaction, user: str | None = None) -> None:
        """As in `FeedbackLog`."""
        text = self._base.get(self._list(reaction.impression))
        check_reaction(reaction, None if text is None else self._read(text), user)

    def impressions(self, user: str | None = None) -> Iterator[Impression]:
        """As in `FeedbackLog`."""
        found = [one for names in self._ids(user) for one in self._read_lists(names)]
        yield from sorted(found, key=lambda one: one.timestamp)

    def reactions(self, user: str | None = None) -> Iterator[Reaction]:
        """As in `FeedbackLog`."""
        found = [one for names in self._ids(user) for one in self._read_reactions(names)]
        for _, reaction in sorted(found, key=lambda one: one[0]):
            yield reaction

    @answered
    def delete(self, user: str) -> bool:
        """As in `FeedbackLog`; an append-only file of the server has the bytes until it is rewritten."""

        def write(change: Any) -> None:
            names = change.zrange(self._lists(user), 0, -1)
            change.multi()
            if names:
                change.zrem(self._lists(), *names)
                change.delete(*map(self._list, names), *map(self._reactions, names))
            change.delete(self._lists(user))

        return bool(self._base.transaction(write, self._lists(user))[-1])

    def close(self) -> None:
        """Close the connection."""
        self._base.close()

    def _ids(self, user: str | None) -> Iterator[list[str]]:
        """Ids of the lists of a user or of all, in the order in which they came, in parts."""
        names = self._names(user)
        for start in range(0, len(names), _AT_ONCE):
            yield names[start : start + _AT_ONCE]

    @answered
    def _names(self, user: str | None) -> list[str]:
        return list(self._base.zrange(self._lists() if user is None else self._lists(user), 0, -1))

    @answered
    def _read_lists(self, names: Sequence[str]) -> list[Impression]:
        return [self._read(text) for text in self._base.mget(list(map(self._list, names))) if text is not None]

    @answered
    def _read_reactions(self, names: Sequence[str]) -> list[tuple[float, Reaction]]:
        with self._base.pipeline(transaction=False) as asked:
            for name in names:
                asked.zrange(self._reactions(name), 0, -1, withscores=True)
            of_lists = asked.execute()
        found = [
            (number, Reaction(name, *json.loads(member)))
            for name, members in zip(names, of_lists, strict=True)
            for member, number in members
        ]
        for number, reaction in found:
            check_time(reaction.timestamp, f"reaction {number:.0f}", self.place)
        return found

    def _read(self, text: str) -> Impression:
        values = json.loads(text)
        check_time(values["timestamp"], f"list {values['id']!r}", self.place)
        drawn = values["propensities"]
        return Impression(**{
            **values, "items": tuple(values["items"]), "history": tuple(values["history"]),
            "propensities": None if drawn is None else tuple(drawn),
        })  # fmt: skip

    def _list(self, name: str) -> str:
        return f"{self.prefix}:list:{name}"

    def _lists(self, user: str | None = None) -> str:
        return f"{self.prefix}:lists" if user is None else f"{self.prefix}:lists-of:{user}"

    def _reactions(self, name: str) -> str:
        return f"{self.prefix}:reactions:{name}"
