"""The arguments of a request: containers of common libraries become plain lists; others raise an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from numbers import Integral, Real
from typing import Any

from ..modeling_xcat.arguments_xcat import is_missing, kind_of, listed, whole_text
from ..tokenization.packing import ratings_of
from ..tokenization.tables.event_times import read_call_times
from ..tokenization.user_texts import valid_text

_EXACT_FLOATS = 2.0**53
_PER_EVENT: dict[str, Any] = {
    "histories": "", "event_types": "", "ratings": None, "timestamps": None, "event_texts": None,
}  # fmt: skip
"""Fields of `Requests` with one value per event, and the value for an unknown event."""


@dataclass(frozen=True)
class Requests:
    """Histories of users with the details of their events, as plain lists of the same shape.

    Args:
        histories: Item ids of each user, oldest first.
        event_types: Type of each event, or None.
        ratings: Rating of each event, or None.
        timestamps: Whole seconds since 1970 of each event, or None.
        event_texts: Text written at each event, or None.
        texts: The texts of each user.
        queries: What each user asks for, "" for nothing; None if nobody asks.
        sorted_by_time: Numbers of the users whose events had to be sorted.
    """

    histories: list[list[str]]
    event_types: list[list[str]] | None = None
    ratings: list[list[float | None]] | None = None
    timestamps: list[list[int | None]] | None = None
    event_texts: list[list[str | None]] | None = None
    texts: list[list[str]] | None = None
    queries: list[str] | None = None
    sorted_by_time: frozenset[int] = field(default_factory=frozenset)

    def __len__(self) -> int:
        return len(self.histories)

    def times(self, user: int, last: int) -> list[int | None]:
        """The times of the last events of a user; empty if no times were given."""
        return [] if self.timestamps is None else self.timestamps[user][-last:]

    @property
    def given(self) -> tuple[bool, ...]:
        """Which details are given; requests that give the same ones can be joined."""
        named = (*_PER_EVENT, "texts", "queries")
        return tuple(getattr(self, name) is not None for name in named)

    def without_profile(self) -> Requests:
        """The same requests without anything about the users: only what they ask for is left."""
        return Requests([[] for _ in self.histories], queries=self.queries)

    def without_item(self, item_id: str) -> Requests:
        """The same requests without the events of an item."""
        kept = [[place for place, one in enumerate(history) if one != item_id] for history in self.histories]
        changed: dict[str, Any] = {}
        for name in _PER_EVENT:
            lists = getattr(self, name)
            if lists is not None:
                changed[name] = [[row[place] for place in places] for row, places in zip(lists, kept, strict=True)]
        return replace(self, **changed)

    def of(self, users: Sequence[int]) -> Requests:
        """The requests of some users; an empty history gets one event of an unknown item."""
        taken: dict[str, Any] = {
            name: [getattr(self, name)[user] or [empty] for user in users]
            for name, empty in _PER_EVENT.items()
            if getattr(self, name) is not None
        }
        for name in ("texts", "queries"):
            values = getattr(self, name)
            taken[name] = None if values is None else [values[user] for user in users]
        return Requests(**taken)


def one_history(history: Any) -> list[Any]:
    """The history of one user, in any container; refuses a plain string, whose letters would be ids.

    Raises:
        ValueError: If it is a string, or not a container.
    """
    return listed("history", history, "item ids")


def joined_requests(parts: Sequence[Requests]) -> Requests:
    """The requests of several users in one; all parts give the same details.

    Example:
        >>> joined_requests([Requests([["tent"]], queries=["red"]), Requests([[]], queries=["warm"])]).queries
        ['red', 'warm']
    """
    joined: dict[str, Any] = {}
    for name in (*_PER_EVENT, "texts", "queries"):
        lists = [getattr(part, name) for part in parts]
        joined[name] = None if lists[0] is None else [one for part in lists for one in part]
    starts = accumulate(map(len, parts), initial=0)
    sorted_users = frozenset(
        start + user for start, part in zip(starts, parts, strict=False) for user in part.sorted_by_time
    )
    return Requests(**joined, sorted_by_time=sorted_users)


def read_requests(
    histories: Any,
    *,
    texts: Any = None,
    event_types: Any = None,
    ratings: Any = None,
    timestamps: Any = None,
    event_texts: Any = None,
    queries: Any = None,
) -> Requests:
    """Read the arguments of `recommend_many`.

    Args:
        histories: Item ids, one list per user.
        texts: One text, several or None per user.
        event_types: One list per user.
        ratings: One list per user.
        timestamps: One list per user, of any type that `read_call_times` reads.
        event_texts: One list per user.
        queries: One text or None per user.

    Returns:
        The request. If the times of a user do not ascend, the events are sorted by time.

    Raises:
        ValueError: If an argument has another shape than `histories`, or a value that cannot be read. The message
            names the argument and the place, but no value that may be about a customer.
    """
    users = [_history(history, number) for number, history in enumerate(listed("histories", histories, "histories"))]
    readers: dict[str, tuple[Any, Callable[[list[Any], int], list[Any]]]] = {
        "event_types": (event_types, _types),
        "ratings": (ratings, ratings_of),
        "timestamps": (timestamps, lambda row, _: row),
        "event_texts": (
            event_texts,
            lambda row, _: [None if is_missing(value) else valid_text(str(value)) for value in row],
        ),
    }
    details: dict[str, Any] = {
        name: _details(name, given, users, read) for name, (given, read) in readers.items() if given is not None
    }
    if "timestamps" in details:
        flat = read_call_times("timestamps", [time for times in details["timestamps"] for time in times])
        values = iter(flat)
        details["timestamps"] = [[next(values) for _ in history] for history in users]
    if texts is not None:
        details["texts"] = _texts(texts, len(users))
    if queries is not None:
        details["queries"] = _queries(queries, len(users))
    return _sorted_by_time(Requests(users, **details))


def _history(history: Any, number: int) -> list[str]:
    return [
        _item_id(value, number, place) for place, value in enumerate(listed(f"history {number}", history, "item ids"))
    ]


def _item_id(value: Any, number: int, place: int) -> str:
    """Normalise an item id as tables do: whole floats become integers, blanks around are removed."""
    if isinstance(value, str):
        return whole_text(f"history {number}: the item id at place {place}", value.strip())
    where = f"history {number} has no item id at place {place}"
    if is_missing(value):
        raise ValueError(f"{where}: the value is missing; leave the event out")
    if type(value) is not bool and isinstance(value, Real):
        if isinstance(value, Integral):
            return str(int(value))
        if float(value).is_integer() and abs(float(value)) < _EXACT_FLOATS:
            return str(int(float(value)))
    raise ValueError(f"{where} but {kind_of(value)}; give ids as text")


def _types(row: list[Any], number: int) -> list[str]:
    named = f"event_types of history {number}: a type"
    return ["" if is_missing(value) else whole_text(named, str(value)) for value in row]


def _details(
    name: str, given: Any, users: list[list[str]], read: Callable[[list[Any], int], list[Any]]
) -> list[list[Any]]:
    lists = listed(name, given, "lists, one per history")
    if len(lists) != len(users):
        raise ValueError(f"{name} must have one list per history: {len(users)}, got {len(lists)}")
    details = []
    for number, (values, history) in enumerate(zip(lists, users, strict=True)):
        row = listed(f"{name} of history {number}", values, "values, one per event")
        if len(row) != len(history):
            raise ValueError(f"{name} of history {number} has {len(row)} entries for {len(history)} events")
        details.append(read(row, number))
    return details


def _texts(given: Any, users: int) -> list[list[str]]:
    entries = listed("texts", given, "entries, one per history")
    if len(entries) != users:
        raise ValueError(f"texts must have one entry per history: {users}, got {len(entries)}")
    found = []
    for number, entry in enumerate(entries):
        texts = [entry] if isinstance(entry, str) else [] if entry is None else listed("texts", entry, "texts")
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"texts of history {number} holds a value that is not text; give strings")
        found.append([valid_text(text) for text in texts if text.strip()])
    return found


def _queries(given: Any, users: int) -> list[str] | None:
    entries = listed("queries", given, "texts, one per history")
    if len(entries) != users:
        raise ValueError(f"queries must have one text per history: {users}, got {len(entries)}")
    for number, entry in enumerate(entries):
        if not (is_missing(entry) or isinstance(entry, str)):
            raise ValueError(f"query of history {number} is {kind_of(entry)}; give a text")
    queries = [entry.strip() if isinstance(entry, str) else "" for entry in entries]
    return queries if any(queries) else None


def _sorted_by_time(requests: Requests) -> Requests:
    """Sort the events of each user by time.

    Raises:
        ValueError: If times do not ascend and others are missing, so that the order is unknown.
    """
    falling = {}
    for user, times in enumerate(requests.timestamps or ()):
        known = [time for time in times if time is not None]
        if any(later < earlier for earlier, later in pairwise(known)):
            if len(known) < len(times):
                raise ValueError(
                    f"timestamps of history {user} do not ascend and {len(times) - len(known)} of {len(times)} are "
                    "missing, so the order of its events is unknown; give all times, or the events oldest first"
                )
            falling[user] = sorted(range(len(times)), key=known.__getitem__)
    if not falling:
        return requests
    ordered: dict[str, Any] = {}
    for name in _PER_EVENT:
        lists = getattr(requests, name)
        if lists is not None:
            ordered[name] = [[row[i] for i in falling[n]] if n in falling else row for n, row in enumerate(lists)]
    return replace(requests, **ordered, sorted_by_time=frozenset(falling))
