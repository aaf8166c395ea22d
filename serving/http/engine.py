"""The engine of the service: checkpoint, users and feedback behind plain calls; it knows no HTTP."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from polars.exceptions import PolarsError
from pyarrow import ArrowException

from ...checkpoints.fingerprint import model_fingerprint
from ...counting import counted
from ...ranking.recommender import XCatRecommender
from ...ranking.sessions import Sessions
from ...ranking.sessions.session import NO_EVENTS
from ...tokenization.vocabulary import NUM_SPECIAL_ROWS
from ..feedback import open_feedback
from ..state import open_state
from .chats import Chats
from .errors import InvalidRequestError, UnknownError
from .events import append_events
from .lists import OF_HISTORY, Deployment, MadeList, impression_of, make_lists
from .posted_items import check_items
from .settings import ServeSettings, folder_or_url
from .shared_folder import SharedFolder
from .watched_index import WatchedIndex, stamp_of
from .wording import with_fields, with_limits

logger = logging.getLogger(__name__)
_LOOK_EVERY = 0.5
"""Seconds between two looks at the checkpoint that the processes of a service serve."""

Result = TypeVar("Result")


class Engine:
    """Answers requests from one checkpoint, which can be exchanged while it answers.

    A request reads `current` once and uses this deployment to its end, so no answer mixes two checkpoints.

    Args:
        checkpoint: Folder or name of the checkpoint.
        settings: The settings.
        recommender: The loaded checkpoint; None to load it.
        shared: What it shares with other processes of the service; None if there are none.

    Raises:
        OSError: If the checkpoint or the store cannot be read.
        ValueError: If one of them is no such thing.
    """

    def __init__(
        self,
        checkpoint: str,
        settings: ServeSettings,
        recommender: XCatRecommender | None = None,
        shared: SharedFolder | None = None,
    ) -> None:
        self.settings = settings
        self.log = open_state(settings.store, settings.expire_after)
        self.feedback = open_feedback(settings.store)
        self.chats = Chats(settings.support_log)
        self._swapping, self._closed = threading.Lock(), threading.Event()
        self.shared, self._announced = shared, None if shared is None else shared.announced()
        index = settings.index
        if self._announced is not None:
            checkpoint, index = self._announced.checkpoint, _index(self._announced.index_folder)
        self._current = self._deployed(checkpoint, index, recommender)
        if shared is not None:
            threading.Thread(target=self._follow, args=(shared,), daemon=True).start()
        if settings.support_log is not None:
            self.chats.catalogue(self.current.recommender)  # a wrong file is an error of the start

    def _deployed(
        self, checkpoint: str, index: Path | str | None, recommender: XCatRecommender | None = None
    ) -> Deployment:
        folder = index if isinstance(index, Path) else None
        stamp = None if folder is None else stamp_of(folder)
        loaded = recommender or XCatRecommender.from_pretrained(checkpoint, index=index)
        loaded.sessions = Sessions(loaded, self.log)
        _warm(loaded)
        watched = None if folder is None else WatchedIndex(folder, loaded, stamp)
        return Deployment(checkpoint, loaded, model_fingerprint(loaded.model), folder, watched)

    @property
    def current(self) -> Deployment:
        """The checkpoint that answers now, with the items that other processes have added or deleted."""
        now = self._current
        if now.watched is not None:
            now.watched.refresh()
        return now

    def _follow(self, shared: SharedFolder) -> None:
        """Serve the checkpoint that another process of the service has been told to serve."""
        while not self._closed.wait(_LOOK_EVERY):
            with self._swapping:
                told = shared.announced()
                if told == self._announced or told is None:
                    continue
                self._announced = told
                try:
                    self._current = self._deployed(told.checkpoint, _index(told.index_folder))
                except Exception as error:  # whatever it is, the thread goes on
                    logger.error("the checkpoint of the service cannot be loaded, so the old one stays: %s", error)

    def swap(self, checkpoint: str, index: str | None = None) -> Deployment:
        """Load another checkpoint and answer later requests from it; those that run keep theirs.

        Args:
            checkpoint: Its folder or name.
            index: Its index, as of `ServeSettings`; None for an index in memory.

        Raises:
            InvalidRequestError: If it cannot be loaded, or no index is given and the service saves its items in one;
                the old checkpoint stays.
        """
        with self._swapping:
            if index is None and self._current.index is not None:
                raise InvalidRequestError(
                    "index is missing, and the service saves added and deleted items in one; give the folder of an "
                    "index of the new checkpoint, as of xcat index"
                )
            try:
                self._current = self._deployed(checkpoint, _index(index))
            except (OSError, ValueError) as error:
                raise InvalidRequestError(f"checkpoint: {error}") from error
            if self.shared is not None:
                self._announced = self.shared.announce(checkpoint, index)
            return self._current

    def recommend(self, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Make lists, and log them when all are made.

        Args:
            requests: Fields of `RecommendBody`.

        Raises:
            InvalidRequestError: If a value cannot be used; then no list is logged.
        """
        return _only(self.log_lists([_only(self.make_lists([requests]))]))

    def make_lists(self, asked: Sequence[Sequence[dict[str, Any]]]) -> list[list[MadeList] | Exception]:
        """Make the lists of several calls in one batch, all with one checkpoint.

        Args:
            asked: Fields of `RecommendBody`, a list per call.

        Returns:
            Per call its lists, or the error of the first request that has one.
        """
        every = [request for requests in asked for request in requests]
        made = iter(make_lists(self.current, every, self.settings.max_k))
        return [_of_call([next(made) for _ in requests]) for requests in asked]

    def log_lists(self, made: Sequence[Sequence[MadeList]]) -> list[list[dict[str, Any]] | Exception]:
        """Log the lists of several calls in one change; returns the bodies of their answers."""
        every = [one for lists in made for one in lists]
        shown = [one.impression for one in every if one.impression is not None]
        if shown:
            self.feedback.show_many(shown)
        for one in every:
            if one.impression is not None:
                one.answer["impression_id"] = one.impression.id
        return [[one.answer for one in lists] for lists in made]

    def append(self, events: list[dict[str, Any]]) -> list[bool]:
        """Add events of users; returns which are new. When it returns, they are in every later list.

        Args:
            events: Fields of `EventBody`.

        Raises:
            InvalidRequestError: If a value cannot be used; then no event is added.
        """
        return _only(self.append_many([events]))

    def append_many(self, asked: Sequence[Sequence[dict[str, Any]]]) -> list[list[bool] | Exception]:
        """As `append`, for several calls, in one change of the log."""
        return append_events(self.log, self.feedback, asked)

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
            "notes": [with_limits(note) for note in found.notes] if found else [], **told, "state": state.to_dict(),
        }  # fmt: skip
        if found and request["log"]:
            made = {"history": history, "filters": request["filters"], "chat": told["understood"]}
            impression = impression_of(now, request["user_id"] or "", made, found)
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

    def click_probability(self, request: dict[str, Any]) -> dict[str, Any]:
        """Predict clicks on items that are shown to a user, or after a history.

        Args:
            request: Fields of `ClickBody`.

        Raises:
            InvalidRequestError: If a value cannot be used, or the checkpoint predicts no clicks.
        """
        now, user, items, notes = self.current, request["user_id"], request["items"], list[str]()
        given = {name: value for name in OF_HISTORY if (value := request[name]) is not None}
        if user is not None and given:
            raise InvalidRequestError("give user_id, or history with event_types and timestamps, not both")
        try:
            if user is not None:
                session = now.recommender.session(user)
                found = session.click_probability(items, context=request["context"])
                notes = [] if session.events else [NO_EVENTS]
            else:
                history = given.pop("history", [])
                found = now.recommender.click_probability(history, items, context=request["context"], **given)
        except ValueError as error:
            raise InvalidRequestError(with_fields(str(error))) from error
        told = [{"item_id": item, "probability": value} for item, value in zip(items, found.tolist(), strict=True)]
        return {"checkpoint": now.fingerprint, "notes": notes, "predictions": told}

    def similar(self, item: str, k: int, filters: list[str]) -> dict[str, Any]:
        """Recommend to somebody whose only event is an item.

        Raises:
            UnknownError: If the item is not in the catalogue, or deleted.
            InvalidRequestError: If a value cannot be used.
        """
        recommender = self.current.recommender
        if recommender.unknown_items([[item]])[0]:
            raise UnknownError("item_id is not in the catalogue")
        if recommender.is_deleted(item):
            raise UnknownError("item_id is deleted; add the item again with POST /items")
        return self.recommend([{"history": [item], "k": k, "filters": filters, "explain": False, "log": False}])[0]

    def add_items(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        """Add or change items; they are in the next list.

        Raises:
            InvalidRequestError: If a value cannot be used.
        """
        check_items(items, self.current.recommender)
        columns = sorted({name for item in items for name in item})
        table = {name: [item.get(name) for item in items] for name in columns}
        now = self.current
        try:
            with self._changing(now):
                added = now.recommender.add_items(table)
        except (ValueError, TypeError, PolarsError, ArrowException) as error:
            raise InvalidRequestError(str(error)) from error
        notes = [with_fields(note) for note in added.notes]
        if added.untitled:
            untitled = counted(added.untitled, "new item")
            notes.append(f"{untitled} without a title: lists go by the other columns")
        return {"items": len(items), "new": added.new, "catalogue": now.recommender.index.num_items, "notes": notes}

    def delete_items(self, ids: list[str]) -> int:
        """Leave items out of all later lists; returns how many were in them before.

        Raises:
            UnknownError: If one is not in the catalogue.
        """
        now = self.current
        try:
            with self._changing(now):
                return now.recommender.delete_items(ids)
        except ValueError as error:
            raise UnknownError(with_fields(str(error))) from error

    def _changing(self, now: Deployment) -> AbstractContextManager[None]:
        """A block in which the items of a deployment are changed, for all processes of the service.

        Raises:
            InvalidRequestError: If the other processes would not have the change.
        """
        if now.watched is None and self.shared is not None:
            raise InvalidRequestError(
                f"the service has {self.settings.processes} processes and no folder for its index, so the others "
                "would not have the change; start it with index="
            )
        return nullcontext() if now.watched is None else now.watched.changing()

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
            "items": now.recommender.index.num_items,
            "index": now.recommender.index.kind,
            "settings": self.settings.public(),
        }

    def close(self) -> None:
        """Close the logs."""
        self._closed.set()
        self.log.close()
        self.feedback.close()


def _of_call(lists: list[MadeList | Exception]) -> list[MadeList] | Exception:
    """The lists of a call, or its first error, with the number of the request if there are several."""
    for number, one in enumerate(lists):
        if isinstance(one, InvalidRequestError) and len(lists) > 1:
            return InvalidRequestError(f"requests.{number}: {one.message}")
        if isinstance(one, Exception):
            return one
    return [one for one in lists if not isinstance(one, Exception)]


def _warm(recommender: XCatRecommender) -> None:
    """Compute what is computed once, so that the first requests do not wait for it."""
    recommender.recommend([], k=1)
    first = recommender.vocabulary.decode([NUM_SPECIAL_ROWS])
    asks = recommender.model.model.asks
    query = "a" if asks is not None and asks.is_fitted else None
    recommender.recommend(first, k=1, query=query, explain=False, exclude_seen=False)


def _only(results: Sequence[Result | Exception]) -> Result:
    """The result of a single call; its error is raised."""
    (found,) = results
    if isinstance(found, Exception):
        raise found
    return found


def _index(given: str | None) -> Path | str | None:
    return None if given is None else folder_or_url(given)
