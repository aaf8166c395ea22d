"""Forget: everything that is stored of users is deleted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..modeling_xcat.arguments_xcat import kind_of
from ..serving.feedback.opening import open_feedback
from ..serving.state.forgetting import FailedFile, Forgotten, forget_in_folder
from ..serving.state.redis_server import is_redis
from ..serving.state.urls import open_state
from .text_lists import list_of_texts


@dataclass(frozen=True)
class ForgetResult:
    """Result of `forget`.

    Args:
        users: Number of users.
        deleted: The files that had something of them.
        left: Files that still have the id of a user as a word: of another kind, or where it is another thing's id.
        failed: Files that could not be changed or searched, with the reasons; call again when they can be.
    """

    users: int
    deleted: list[Forgotten]
    left: list[str] = field(default_factory=list)
    failed: list[FailedFile] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON."""
        return asdict(self)


def forget(users: str | Sequence[str], state: str | os.PathLike[str], *, redact_reviews: bool = False) -> ForgetResult:
    """Delete everything of users: events, what they stated, lists, reactions, and rows of tables.

    A database of the service (SQLite) is overwritten where the rows were, and its write-ahead log is emptied. Parquet
    and CSV files with a column `user_id`, `user` or `customer_id`, and lines of JSON with such a field, also packed
    ones (.gz, .zst), are written again without the user. Then every file of the folder is searched. A file that
    cannot be changed or searched does not keep the others from it: it is in `failed`.

    The log of a review (`review.jsonl`) is the text of other people, and its hashes may be noted elsewhere. So it
    stays as it is, and is in `left` if it has an id.

    Args:
        users: Id of a user, or several.
        state: Folder with the files of the service, or the URL of a Redis server.
        redact_reviews: Whether ids in the reasons of `review.jsonl` become "[forgotten]". The hashes of the log are
            then computed again, so note the new last one.

    Returns:
        What was deleted, the files that still mention a user, and those that failed.

    Raises:
        OSError: If there is no such folder, or the server does not answer.
        ValueError: If an id is empty or not a text.
    """
    names = _names(users)
    if not isinstance(state, str | os.PathLike):
        raise ValueError(f"state is {kind_of(state)}; give the folder with the files of the service")
    place = os.fspath(state)
    if is_redis(place):
        log, lists = open_state(place), open_feedback(place)
        known = {name for name in names if log.delete(name) | lists.delete(name)}
        log.close()
        lists.close()
        return ForgetResult(len(names), [Forgotten(place, "server", len(known))] if known else [])
    folder = Path(place)
    if not folder.is_dir():
        raise NotADirectoryError(f"state is {place!r}, which is no folder; give the one with the files of the service")
    found = forget_in_folder(folder, names, redact_reviews=redact_reviews)
    return ForgetResult(len(names), found.deleted, found.left, found.failed)


def _names(users: Any) -> list[str]:
    """The ids, each once and without surrounding spaces, as the logs store them.

    Raises:
        ValueError: If one is empty or not a text.
    """
    names = list_of_texts("users", users, "ids")
    if not names or any(not name.strip() for name in names):
        raise ValueError("users has an empty id; give the ids of the users to forget")
    return list(dict.fromkeys(name.strip() for name in names))
