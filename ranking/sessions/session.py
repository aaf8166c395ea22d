"""Sessions: events of a user are appended, and every list is that of the whole history."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from ...modeling_xcat.arguments_xcat import is_missing, kind_of, whole_number, whole_text
from ...modeling_xcat.conditions_xcat import EXCLUDING, Condition, conditions_of
from ...modeling_xcat.past_xcat import XCatPast
from ...modeling_xcat.recommending_xcat import Recommendations
from ..requests import Requests
from .events import SessionEvent, history_events, read_event
from .log import EventLog, MemoryLog, Statement, UserRecord

if TYPE_CHECKING:
    from ..explanation.explanation import Explanation
    from ..lists import ListRequest
    from ..recommender import XCatRecommender

logger = logging.getLogger(__name__)

_EVENT_DETAILS = ("event_types", "ratings", "timestamps", "event_texts")
_OF_EVENTS = ("history", *_EVENT_DETAILS, "past")
NO_EVENTS = "no event of this user is stored; a checkpoint keeps no users, so add their events of training, too"
UNREAD_TEXT = "this model reads no texts of users, so what the user stated has no effect; state filters= instead"


class CachedUser:
    """Cached states and record of one user.

    Args:
        slack: See `XCatPast`.
    """

    def __init__(self, slack: int) -> None:
        self.lock = threading.RLock()
        self.past = XCatPast(slack)
        self.version: Hashable = None
        self.record = UserRecord()
        self._read: tuple[UserRecord, Requests] | None = None

    @property
    def events(self) -> Requests:
        """The events of the record, as the log has them in order."""
        if self._read is None or self._read[0] is not self.record:
            events = self.record.events
            details: dict[str, Any] = {name: [values] for name, values in _details(events).items()}
            self._read = self.record, Requests([[event.item_id for event in events]], **details)
        return self._read[1]


class Sessions:
    """The users of a recommender: their log, and cached states of those who came last.

    The log is the truth. States are computed from it, stay in this process, and are computed again when they are
    missing: after a start, or for a user who has not come for a while. Can be used from several threads.

    Args:
        recommender: The recommender.
        log: The log; None for one in memory.
        slack: See `XCatPast`.
        max_users: Users whose states are kept, the latest ones.
        clock: Returns the seconds since 1970, the time of events without one.

    Raises:
        ValueError: If `slack` is negative or `max_users` is not positive.
    """

    def __init__(
        self,
        recommender: XCatRecommender,
        log: EventLog | None = None,
        *,
        slack: int = 0,
        max_users: int = 1000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.recommender, self.log, self.clock = recommender, MemoryLog() if log is None else log, clock
        self.slack, self.max_users = whole_number("slack", slack, 0), whole_number("max_users", max_users)
        self._cached: OrderedDict[str, CachedUser] = OrderedDict()
        self._lock = threading.Lock()

    def session(self, user: str) -> Session:
        """The session of a user, known or new.

        Raises:
            ValueError: If the id is missing or empty, or has a NUL character.
        """
        if "\0" in (name := _user_id(user)):
            raise ValueError("user has a NUL character; leave it out")
        return Session(self, name)

    def delete(self, user: str) -> bool:
        """Delete everything of a user from the log, and the cached states; returns whether there was anything."""
        user = _user_id(user)
        with self._lock:
            self._cached.pop(user, None)
        return self.log.delete(user)

    def record(self, user: str) -> UserRecord:
        """What the log has of a user, with the events of histories alone (`history_events`)."""
        found = self.log.read(user)
        settings = self.recommender.processor.event_settings
        return found._replace(events=history_events(found.events, settings))

    def expire(self) -> int:
        """Delete the events of users that have expired; returns the number of users."""
        return self.log.expire()

    @contextmanager
    def cached(self, user: str) -> Iterator[CachedUser]:
        """The record of a user as the log has it now, and the cached states; no other thread changes them."""
        with self._lock:
            own = self._cached.setdefault(user, CachedUser(self.slack))
            self._cached.move_to_end(user)
            while len(self._cached) > self.max_users:
                self._cached.popitem(last=False)
        with own.lock:
            version = self.log.version(user)
            if version != own.version:
                own.record, own.version = self.record(user), version
            yield own

    @contextmanager
    def cached_users(self, users: Iterable[str]) -> Iterator[dict[str, CachedUser]]:
        """As `cached`, for several users at once."""
        with ExitStack() as stack:  # in one order, so that threads do not wait for each other in a circle
            yield {user: stack.enter_context(self.cached(user)) for user in sorted(set(users))}


class Session:
    """A user: events are appended, and lists are those of the whole history.

    `recommend` gives the list of `XCatRecommender.recommend` for the events of the log, in the order of their times,
    and costs one step of the encoder per new event.

    Args:
        sessions: The users of the recommender.
        user: Id of the user.

    Example (not run: it needs a checkpoint):
        session = recommender.session("user-7")
        session.append("1082185", event_type="view")
        session.hide("995242")
        print(session.recommend(k=10))
    """

    def __init__(self, sessions: Sessions, user: str) -> None:
        self.sessions, self.user = sessions, user

    def append(self, event: str | SessionEvent, **details: Any) -> bool:
        """Add an event to the log; when it returns, the event is in every later list.

        Events are ordered by time, and those of one second by arrival. An event that arrives late is inserted at its
        place. An event that arrives twice counts once: see `read_event`.

        Args:
            event: An item id, or a `SessionEvent`.
            **details: With an item id, the other fields of `SessionEvent`: `timestamp`, `event_type`, ...

        Returns:
            Whether the event is new.

        Raises:
            ValueError: If a value cannot be read.
            TypeError: If a detail is unknown, or given besides a `SessionEvent`.
        """
        if isinstance(event, SessionEvent) and details:
            raise TypeError(f"append: {', '.join(details)} and a SessionEvent; give them as fields of the event")
        given = event if isinstance(event, SessionEvent) else SessionEvent(event, **details)
        stored, key = read_event(given, int(self.sessions.clock()))
        return self.sessions.log.append(self.user, stored, key)

    def recommend(self, k: int = 10, **options: Any) -> Recommendations:
        """Recommend items to the user.

        Args:
            k: Number of recommendations.
            **options: Arguments of `XCatRecommender.recommend` but those of events: `query`, `texts`, `exclude_seen`,
                `filters`, `rerank`, `explore`, `explain`, ... Filters and texts are added to what the user stated.

        Returns:
            As of `XCatRecommender.recommend`.

        Raises:
            ValueError: As `XCatRecommender.recommend`.
            TypeError: If an option is unknown, or has details of events.
        """
        return self.listed(k, **options)[0]

    def listed(self, k: int = 10, **options: Any) -> tuple[Recommendations, dict[str, Any]]:
        """As `recommend`, and the arguments with which `XCatRecommender.recommend` gives the same list, for logs."""
        if options.get("profile") is False:  # the log of events is not even read
            return self.sessions.recommender.recommend(k=k, **options), options
        with self.sessions.cached(self.user) as own:
            request, given = self.list_request(own, k, **options)
            (found,) = self.sessions.recommender.recommend_together([request])
        if isinstance(found, Exception):
            raise found
        self.add_notes(found, own)
        return found, given

    def list_request(self, own: CachedUser, k: int = 10, **options: Any) -> tuple[ListRequest, dict[str, Any]]:
        """The request for a list, for `recommend_together`, and its arguments of `XCatRecommender.recommend`.

        Args:
            own: The user as `Sessions.cached` has it.
            k: As in `recommend`.
            **options: As in `recommend`.
        """
        for name in _OF_EVENTS:
            if name in options:
                raise TypeError(f"recommend: {name} is an argument of events, which the session has; append them")
        using = self.sessions.recommender
        stated, texts = _stated(own.record.statements)
        stated = [*filter(self._applies, stated)]
        options["filters"] = [*conditions_of(options.get("filters", ())), *stated]
        if texts and self._reads_texts:
            given = options.get("texts") or ()
            options["texts"] = [*texts, *([given] if isinstance(given, str) else given)]
        events = own.events if using.text_columns else replace(own.events, event_texts=None)
        request = using.list_request(k=k, past=own.past, events=events, **options)
        details = {name: lists[0] for name in _EVENT_DETAILS if (lists := getattr(events, name)) is not None}
        return request, options | {"history": events.histories[0], **details}

    @property
    def _reads_texts(self) -> bool:
        using = self.sessions.recommender
        return bool(using.text_columns) or bool(using.model.model.reads_user_texts)

    def add_notes(self, found: Recommendations, own: CachedUser) -> None:
        """Add the notes about what the user stated to a list of `recommend_together`."""
        if any(one.kind == "text" for one in own.record.statements) and not self._reads_texts:
            found.text_notes.append(UNREAD_TEXT)
        if found.basis in ("popular", "none") and not found.events:
            found.text_notes.append(NO_EVENTS)

    def explain(self, item: str, **options: Any) -> Explanation:
        """Explain why an item is recommended to the user, or at which place it is.

        Args:
            item: External id of the item.
            **options: Arguments of `XCatRecommender.explain` but those of events.

        Raises:
            ValueError: As `XCatRecommender.explain`; or if the user hid the item.
        """
        events, using = self.sessions.record(self.user).events, self.sessions.recommender
        if Statement("hidden", str(item).strip()) in self.stated:
            raise ValueError("item was hidden by the user, so no list of the user has it")
        details = _details(events)
        if not using.text_columns:
            details.pop("event_texts", None)
        return using.explain([event.item_id for event in events], item, **details, **options)

    def click_probability(self, items: Sequence[str], *, context: Mapping[str, Any] | None = None) -> np.ndarray:
        """Calibrated probabilities that the user clicks items that are shown now.

        Args:
            items: External ids of the shown items.
            context: As of `XCatRecommender.click_probability`, and so are results and errors.
        """
        record, using = self.sessions.record(self.user), self.sessions.recommender
        details = _details(record.events)
        if not using.text_columns:
            details.pop("event_texts", None)
        texts = _stated(record.statements)[1] if using.text_columns else []
        history = [event.item_id for event in record.events]
        return using.click_probability(history, items, context=context, texts=texts or None, **details)

    def _applies(self, condition: Condition) -> bool:
        """Whether a stated condition is evaluated: not if it excludes a value that no item of a new catalogue has."""
        try:
            self.sessions.recommender.ranker.filter.check(condition)
        except ValueError:
            if condition.operator not in EXCLUDING:
                raise
            return False
        return True

    @property
    def filters(self) -> list[Condition]:
        """What the user stated as conditions on items; hidden items are one."""
        return [*filter(self._applies, _stated(self.stated)[0])]

    @property
    def events(self) -> tuple[SessionEvent, ...]:
        """The events of the user, by time."""
        return self.sessions.log.read(self.user).events

    def remember(self, text: str | None = None, *, filters: str | Sequence[Any] = ()) -> None:
        """Keep what the user stated, for all later lists.

        Args:
            text: A text about the user, such as "vegetarian". A model that reads texts of users reads it.
            filters: Conditions that every item has to keep, such as `["brand!=Acme"]`; see `Condition`.

        Raises:
            ValueError: If there is neither, the text is empty, a condition cannot be read, or its column or value is
                not in the catalogue.
        """
        conditions = conditions_of(filters)
        if text is None and not conditions:
            raise ValueError("remember: there is nothing to remember; give a text, or filters=")
        if text is not None and (not isinstance(text, str) or not text.strip()):
            raise ValueError(f"remember: text is {text!r}; give a text that is not empty")
        whole_text("remember: text", text or "")
        for condition in conditions:
            self.sessions.recommender.ranker.filter.check(condition)
        for statement in _statements(text, conditions):
            self.sessions.log.state(self.user, statement)

    def hide(self, item: str) -> None:
        """Leave an item out of all later lists.

        Args:
            item: Its external id; it need not be in the catalogue yet, and is then noted in the log of the program.
        """
        name = _user_id(item, "item")
        if self.sessions.recommender.unknown_items([[name]])[0]:
            logger.warning(
                "item is hidden, but the catalogue does not have it; check its id, unless it is added later"
            )
        self.sessions.log.state(self.user, Statement("hidden", name))

    def forget(self, text: str | None = None, *, filters: str | Sequence[Any] = (), item: str | None = None) -> int:
        """Forget what the user stated; without arguments everything of it, but no events.

        Args:
            text: A text that was given to `remember`.
            filters: Conditions that were given to `remember`.
            item: An item that was hidden.

        Returns:
            Number of statements that were forgotten.
        """
        gone = _statements(text, conditions_of(filters))
        if item is not None:
            gone.append(Statement("hidden", _user_id(item, "item")))
        if not gone:
            return self.sessions.log.forget(self.user)
        return sum(self.sessions.log.forget(self.user, one) for one in gone)

    @property
    def stated(self) -> tuple[Statement, ...]:
        """What the user stated, in order."""
        return self.sessions.log.read(self.user).statements


def _statements(text: str | None, conditions: Sequence[Condition]) -> list[Statement]:
    found = [] if text is None else [Statement("text", text.strip())]
    written = (json.dumps([one.column, one.operator, one.values], ensure_ascii=False) for one in conditions)
    return found + [Statement("filter", condition) for condition in written]


def _stated(statements: Sequence[Statement]) -> tuple[list[Condition], list[str]]:
    """Conditions and texts of what a user stated."""
    conditions = []
    for kind, value in statements:
        if kind == "filter":
            column, operator, values = json.loads(value)
            conditions.append(Condition(column, operator, tuple(values)))
    hidden = tuple(value for kind, value in statements if kind == "hidden")
    if hidden:
        conditions.append(Condition("item_id", "not in", hidden))
    return conditions, [value for kind, value in statements if kind == "text"]


def _details(events: Sequence[SessionEvent]) -> dict[str, Any]:
    """Arguments of `XCatRecommender.recommend` with the details of events, if there are any."""
    details: dict[str, Any] = {"timestamps": [event.timestamp for event in events]}
    if any(event.event_type for event in events):
        details["event_types"] = [event.event_type for event in events]
    if any(event.rating is not None for event in events):
        details["ratings"] = [event.rating for event in events]
    if any(event.text for event in events):
        details["event_texts"] = [event.text or None for event in events]
    return details


def _user_id(user: Any, name: str = "user") -> str:
    if is_missing(user) or not str(user).strip():
        raise ValueError(f"{name} is {kind_of(user)} without a value; give an id")
    if not isinstance(user, str | Real):
        raise ValueError(f"{name} is {kind_of(user)}; give one id, as text")
    return whole_text(name, str(user).strip())
