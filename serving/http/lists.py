"""Lists of several requests at once, and what is logged of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ...modeling_xcat.conditions_xcat import conditions_of
from ..feedback import Impression
from .errors import InvalidRequestError
from .wording import with_fields

if TYPE_CHECKING:
    from pathlib import Path

    from ...modeling_xcat.recommending_xcat import Recommendations
    from ...ranking.lists import ListRequest
    from ...ranking.recommender import XCatRecommender
    from ...ranking.sessions.session import CachedUser
    from .watched_index import WatchedIndex

OF_HISTORY = ("history", "event_types", "timestamps")
"""Fields of a request about a history that is given with it."""


@dataclass(frozen=True)
class Deployment:
    """A checkpoint that answers requests.

    Args:
        checkpoint: Its folder or name.
        recommender: The recommender.
        fingerprint: Hash of its weights and catalogue.
        index: Folder of its index, where added and deleted items are saved; None for an index in memory.
        watched: The index in this folder; None without one.
    """

    checkpoint: str
    recommender: XCatRecommender
    fingerprint: str
    index: Path | None = None
    watched: WatchedIndex | None = None


@dataclass(frozen=True)
class MadeList:
    """A list.

    Args:
        answer: The body of the answer.
        impression: What is to be logged; None for nothing.
    """

    answer: dict[str, Any]
    impression: Impression | None


def make_lists(now: Deployment, asked: Sequence[dict[str, Any]], max_k: int) -> list[MadeList | Exception]:
    """Make the lists of several requests in one batch; the error of a request does not touch another one.

    Args:
        now: The checkpoint of all answers.
        asked: Fields of `RecommendBody`.
        max_k: Largest list.

    Returns:
        The list of each request, or its error: `InvalidRequestError` if a value cannot be used.
    """
    users = {one["user_id"] for one in asked if one.get("user_id") is not None and one.get("profile", True)}
    try:
        with now.recommender.sessions.cached_users(users) as cached:
            return _made(now, asked, cached, max_k)
    except Exception as error:  # of the store, which may be that of one user only
        return [error] if len(asked) == 1 else [made for one in asked for made in make_lists(now, [one], max_k)]


def _made(
    now: Deployment, asked: Sequence[dict[str, Any]], cached: dict[str, CachedUser], max_k: int
) -> list[MadeList | Exception]:
    found: dict[int, MadeList | Exception] = {}
    read: dict[int, tuple[ListRequest, dict[str, Any]]] = {}
    for number, one in enumerate(asked):
        try:
            read[number] = _read(now.recommender, one, cached, max_k)
        except (ValueError, TypeError) as error:
            found[number] = InvalidRequestError(str(error))
        except InvalidRequestError as error:
            found[number] = error
    lists = now.recommender.recommend_together([request for request, _ in read.values()])
    for (number, (_, given)), listed in zip(read.items(), lists, strict=True):
        profile = asked[number].get("profile", True)
        user = asked[number].get("user_id") if profile else None
        if isinstance(listed, Exception):
            wrong = isinstance(listed, ValueError | TypeError)
            found[number] = InvalidRequestError(str(listed)) if wrong else listed
            continue
        if user is not None:
            now.recommender.session(user).add_notes(listed, cached[user])
        logged = profile and asked[number].get("log", True)
        shown = impression_of(now, user or "", given, listed) if logged else None
        found[number] = MadeList(_answer(now, listed), shown)
    return [found[number] for number in range(len(asked))]


def _read(
    recommender: XCatRecommender, request: dict[str, Any], cached: dict[str, CachedUser], max_k: int
) -> tuple[ListRequest, dict[str, Any]]:
    """A request for the recommender, and the arguments that make its list again."""
    using = dict(request)
    user, log, k = using.pop("user_id", None), using.pop("log", True), using.pop("k")
    given = {name: using.pop(name, None) for name in OF_HISTORY}
    if user is not None and given["history"] is not None:
        raise InvalidRequestError("give user_id or history, not both; post events of the user to /events")
    if user is not None and any(value is not None for value in given.values()):
        raise InvalidRequestError("event_types and timestamps belong to history; events of a user have their own")
    if k > max_k:
        raise InvalidRequestError(f"k is {k}; give {max_k} at most")
    if not log and "sample" in (using.get("rerank") or ""):
        raise InvalidRequestError("a list that is drawn at random has to be logged; leave log out")
    if not using.pop("profile", True):  # the user is not looked up
        return recommender.list_request(k=k, profile=False, **using), {}
    if user is not None:
        return recommender.session(user).list_request(cached[user], k, **using)
    made = {**{name: value for name, value in given.items() if value is not None}, **using}
    return recommender.list_request(k=k, **made), made


def _answer(now: Deployment, found: Recommendations) -> dict[str, Any]:
    return {
        "impression_id": None,
        "checkpoint": now.fingerprint,
        "basis": found.basis,
        "notes": [with_fields(note) for note in found.notes],
        "recommendations": [item.to_dict() for item in found],
    }


def impression_of(now: Deployment, user: str, made: dict[str, Any], found: Recommendations) -> Impression:
    """A list with the arguments that made it, for the log.

    Args:
        now: The checkpoint.
        user: The user; "" for a request without one.
        made: Arguments of `recommend`.
        found: The list.
    """
    drawn = tuple(item.propensity for item in found if item.propensity is not None)
    kept = {name: value for name, value in made.items() if value not in (None, [], "") and name != "explain"}
    history = kept.pop("history", ())
    if "filters" in kept:
        kept["filters"] = [[one.column, one.operator, list(one.values)] for one in conditions_of(kept["filters"])]
    return Impression(
        uuid4().hex, user, int(time.time()), now.fingerprint, tuple(item.item_id for item in found),
        drawn or None, tuple(history), kept,
    )  # fmt: skip
