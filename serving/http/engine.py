"""The engine of the service: checkpoint, users and feedback behind plain calls; it knows no HTTP."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from ...checkpoints.fingerprint import model_fingerprint
from ...modeling_xcat.conditions_xcat import conditions_of
from ...modeling_xcat.recommending_xcat import Recommendations
from ...ranking.recommender import XCatRecommender
from ...ranking.sessions import SessionEvent, Sessions
from ...ranking.sessions.events import read_event
from ..feedback import HIDE, Impression, Reaction, open_feedback
from ..state import open_state
from .chats import Chats
from .errors import InvalidRequestError, UnknownError
from .settings import ServeSettings

_SESSION_OPTIONS = ("history", "event_types", "timestamps")


@dataclass(frozen=True)
class Deployment:
    """A checkpoint that answers requests.

    Args:
        checkpoint: Its folder or name.
        recommender: The recommender.
        fingerprint: Hash of its weights and catalogue.
        index: Folder of its index, where added and deleted items are saved; None for an index in memory.
    """

    checkpoint: str
    recommender: XCatRecommender
    fingerprint: str
    index: Path | None = None


class Engine:
    """Answers requests from one checkpoint, which can be exchanged while it answers.

    A request reads `current` once and uses this deployment to its end, so no answer mixes two checkpoints.

    Args:
        checkpoint: Folder or name of the checkpoint.
        settings: The settings.
        recommender: The loaded checkpoint; None to load it.

    Raises:
        OSError: If the checkpoint or the store cannot be read.
        ValueError: If one of them is no such thing.
    """

    def __init__(self, checkpoint: str, settings: ServeSettings, recommender: XCatRecommender | None = None) -> None:
        self.settings = settings
        self.log = open_state(settings.store, settings.expire_after)
        self.feedback = open_feedback(settings.store)
        self.chats = Chats(settings.support_log)
        self._swapping = threading.Lock()
        self.current = self._deployed(checkpoint, settings.index, recommender)
        if settings.support_log is not None:
            self.chats.catalogue(self.current.recommender)  # a wrong file is an error of the start

    def _deployed(self, checkpoint: str, index: Path | None, recommender: XCatRecommender | None = None) -> Deployment:
        loaded = recommender or XCatRecommender.from_pretrained(checkpoint, index=index)
        loaded.sessions = Sessions(loaded, self.log)
        loaded.recommend([], k=1)  # the first request must not pay for what is computed once
        return Deployment(checkpoint, loaded, model_fingerprint(loaded.model), index)

    def swap(self, checkpoint: str, index: str | None = None) -> Deployment:
        """Load another checkpoint and answer later requests from it; those that run keep theirs.

        Args:
            checkpoint: Its folder or name.
            index: Folder of its index; None for an index in memory.

        Raises:
            InvalidRequestError: If it cannot be loaded; the old one stays.
        """
        with self._swapping:
            try:
                self.current = self._deployed(checkpoint, None if index is None else Path(index))
            except (OSError, ValueError) as error:
                raise InvalidRequestError(f"checkpoint: {error}") from error
            return self.current

    def recommend(self, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Make lists, and log them when all are made.

        Args:
            requests: Fields of `RecommendBody`.

        Raises:
            InvalidRequestError: If a value cannot be used; then no list is logged.
        """
        made = []
        for number, request in enumerate(requests):
            try:
                made.append(self._list(request))
            except InvalidRequestError as error:
                if len(requests) == 1:
                    raise
                raise InvalidRequestError(f"requests.{number}: {error.message}") from error
        for answer, impression in made:
            if impression is not None:
                self.feedback.show(impression)
                answer["impression_id"] = impression.id
        return [answer for answer, _ in made]

    def _list(self, request: dict[str, Any]) -> tuple[dict[str, Any], Impression | None]:
        """The answer to a request, and what is to be logged of it."""
        now, using = self.current, dict(request)
        user, log = using.pop("user_id", None), using.pop("log", True)
        given = {name: using.pop(name, None) for name in _SESSION_OPTIONS}
        if user is not None and given["history"] is not None:
            raise InvalidRequestError("give user_id or history, not both; post events of the user to /events")
        if user is not None and any(value is not None for value in given.values()):
            raise InvalidRequestError("event_types and timestamps belong to history; events of a user have their own")
        k = using.pop("k")
        if k > self.settings.max_k:
            raise InvalidRequestError(f"k is {k}; give {self.settings.max_k} at most")
        if not log and "sample" in (using.get("rerank") or ""):
            raise InvalidRequestError("a list that is drawn at random has to be logged; leave log out")
        try:
            if user is not None:
                found, made = now.recommender.session(user).listed(k, **using)
            else:
                made = {**{name: value for name, value in given.items() if value is not None}, **using}
                found = now.recommender.recommend(k=k, **made)
        except (ValueError, TypeError) as error:
            raise InvalidRequestError(str(error)) from error
        answer = {
            "impression_id": None,
            "checkpoint": now.fingerprint,
            "basis": found.basis,
            "notes": list(found.notes),
            "recommendations": [item.to_dict() for item in found],
        }
        return answer, self._impression(now, user or "", made, found) if log else None

    def _impression(self, now: Deployment, user: str, made: dict[str, Any], found: Recommendations) -> Impression:
        """A list with the arguments that made it, for the log."""
        drawn = tuple(item.propensity for item in found if item.propensity is not None)
        kept = {name: value for name, value in made.items() if value not in (None, [], "") and name != "explain"}
        history = kept.pop("history", ())
        if "filters" in kept:
            kept["filters"] = [[one.column, one.operator, list(one.values)] for one in conditions_of(kept["filters"])]
        return Impression(
            uuid4().hex, user, int(time.time()), now.fingerprint, tuple(item.item_id for item in found),
            drawn or None, tuple(history), kept,
        )  # fmt: skip

    def append(self, events: list[dict[str, Any]]) -> list[bool]:
        """Add events of users; returns which are new. When it returns, they are in every later list.

        Args:
            events: Fields of `EventBody`.

        Raises:
            InvalidRequestError: If a value cannot be used; then no event is added.
        """
        for number, event in enumerate(events):
            try:
                self._check(event)
            except ValueError as error:
                raise InvalidRequestError(f"events.{number}: {error}" if len(events) > 1 else str(error)) from error
        return [self._append(event) for event in events]

    def _check(self, event: dict[str, Any]) -> None:
        """Refuse an event with a value that cannot be used."""
        own = {"user_id", "impression_id"}
        read_event(SessionEvent(**{name: value for name, value in event.items() if name not in own}), int(time.time()))
        if event["impression_id"] is not None:
            self.feedback.check(_reaction(event), event["user_id"])

    def _append(self, event: dict[str, Any]) -> bool:
        """Add an event; returns whether it is new."""
        details = dict(event)
        user, item, impression = details.pop("user_id"), details.pop("item_id"), details.pop("impression_id", None)
        session = self.current.recommender.session(user)
        reaction = None
        try:
            if impression is not None:
                reaction = _reaction(event)
                self.feedback.check(reaction, user)
            if details["event_type"] == HIDE:
                known = item in {value for kind, value in session.stated if kind == "hidden"}
                session.hide(item)
                new = not known
            else:
                new = session.append(item, **details)
        except ValueError as error:
            raise InvalidRequestError(str(error)) from error
        if reaction is not None and new:
            self.feedback.react(reaction)
        return new

    def chat(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a turn of a dialogue, and log its list.

        Args:
            request: Fields of `ChatBody`.

        Raises:
            InvalidRequestError: If a value cannot be used.
        """
        now, k = self.current, request["k"]
        if k > self.settings.max_k:
            raise InvalidRequestError(f"k is {k}; give {self.settings.max_k} at most")
        turn, state, history = self.chats.turn(now.recommender, request)
        told, found = turn.to_dict(), turn.recommendations
        answer = {
            "impression_id": None, "checkpoint": now.fingerprint, "basis": found.basis if found else "none",
            "notes": list(found.notes) if found else [], **told, "state": state.to_dict(),
        }  # fmt: skip
        if found and request["log"]:
            made = {"history": history, "filters": request["filters"], "chat": told["understood"]}
            impression = self._impression(now, request["user_id"] or "", made, found)
            self.feedback.show(impression)
            answer["impression_id"] = impression.id
        return answer

    def explain(self, request: dict[str, Any]) -> dict[str, Any]:
        """Explain an item for a user or a history.

        Raises:
            InvalidRequestError: If a value cannot be used.
        """
        now, user, given = self.current, request["user_id"], request["history"]
        if user is not None and given is not None:
            raise InvalidRequestError("give user_id or history, not both")
        options = {name: request[name] for name in ("language", "words", "exclude_seen")}
        try:
            if user is not None:
                found = now.recommender.session(user).explain(request["item_id"], **options)
            else:
                found = now.recommender.explain(given or [], request["item_id"], **options)
        except ValueError as error:
            raise InvalidRequestError(str(error)) from error
        return {"checkpoint": now.fingerprint, **found.to_dict()}

    def similar(self, item: str, k: int, filters: list[str]) -> dict[str, Any]:
        """Recommend to somebody whose only event is an item.

        Raises:
            UnknownError: If the item is not in the catalogue.
            InvalidRequestError: If a value cannot be used.
        """
        if self.current.recommender.unknown_items([[item]])[0]:
            raise UnknownError("item_id is not in the catalogue")
        return self.recommend([{"history": [item], "k": k, "filters": filters, "explain": False, "log": False}])[0]

    def add_items(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        """Add or change items; they are in the next list.

        Raises:
            InvalidRequestError: If a value cannot be used.
        """
        columns = sorted({name for item in items for name in item})
        table = {name: [item.get(name) for item in items] for name in columns}
        now = self.current
        try:
            added = now.recommender.add_items(table)
        except (ValueError, TypeError) as error:
            raise InvalidRequestError(str(error)) from error
        _save(now)
        size = now.recommender.vocabulary.num_items
        return {"items": len(items), "new": added.new, "catalogue": size, "notes": list(added.notes)}

    def delete_items(self, ids: list[str]) -> int:
        """Leave items out of all later lists; returns how many were in them before.

        Raises:
            UnknownError: If one is not in the catalogue.
        """
        now = self.current
        try:
            deleted = now.recommender.delete_items(ids)
        except ValueError as error:
            raise UnknownError(str(error)) from error
        _save(now)
        return deleted

    def export_user(self, user: str) -> dict[str, Any]:
        """Everything that the service has of a user.

        Raises:
            UnknownError: If it has nothing.
        """
        record = self.log.read(user)
        impressions = [asdict(one) for one in self.feedback.impressions(user)]
        if not record.events and not record.statements and not impressions:
            raise UnknownError("nothing is known of this user")
        return {
            "user_id": user,
            "events": [asdict(event) for event in record.events],
            "stated": [statement._asdict() for statement in record.statements],
            "impressions": impressions,
            "reactions": [asdict(one) for one in self.feedback.reactions(user)],
        }

    def delete_user(self, user: str) -> None:
        """Delete everything of a user.

        Raises:
            UnknownError: If there is nothing.
        """
        events = self.current.recommender.delete(user)
        if not self.feedback.delete(user) and not events:
            raise UnknownError("nothing is known of this user")

    def info(self) -> dict[str, Any]:
        """Facts about checkpoint, catalogue and settings."""
        now = self.current
        return {
            "checkpoint": now.checkpoint,
            "fingerprint": now.fingerprint,
            "items": now.recommender.vocabulary.num_items,
            "index": now.recommender.index.kind,
            "settings": self.settings.public(),
        }

    def close(self) -> None:
        """Close the logs."""
        self.log.close()
        self.feedback.close()


def _reaction(event: dict[str, Any]) -> Reaction:
    return Reaction(event["impression_id"], event["item_id"], event["event_type"] or "event", int(time.time()))


def _save(now: Deployment) -> None:
    """Save added and deleted items, if there is a folder for them."""
    if now.index is not None:
        now.recommender.save_index(now.index)
