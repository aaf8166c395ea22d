"""Forget: everything that is stored of users is deleted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..serving.feedback.opening import open_feedback
from ..serving.state.forgetting import Forgotten, files_that_mention, forget_in_folder
from ..serving.state.redis_server import is_redis
from ..serving.state.urls import open_state


@dataclass(frozen=True)
class ForgetResult:
    """Result of `forget`.

    Args:
        users: Number of users.
        deleted: The files that had something of them.
        left: Files that still have the id of a user as a word: of another kind, or where it is another thing's id.
    """

    users: int
    deleted: list[Forgotten]
    left: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON."""
        return asdict(self)


def forget(users: str | Sequence[str], state: str | os.PathLike[str]) -> ForgetResult:
    """Delete everything of users: events, what they stated, lists, reactions, and rows of tables.

    A database of the service (SQLite) is overwritten where the rows were, and its write-ahead log is emptied. Parquet
    and CSV files with a column `user_id`, `user` or `customer_id`, and lines of JSON with such a field, are written
    again without the user. In `review.jsonl` ids become "[forgotten]". Then every byte of the folder is searched.

    Args:
        users: Id of a user, or several.
        state: Folder with the files of the service, or the URL of a Redis server.

    Returns:
        What was deleted, and the files that still mention a user.

    Raises:
        OSError: If there is no such folder, or the server does not answer.
        ValueError: If an id is empty.
        TimeoutError: If another process keeps a database from being emptied; call it again.
        ReviewLogError: If the log of a review was changed.
    """
    names = [users] if isinstance(users, str) else [str(user) for user in users]
    if not names or any(not name.strip() for name in names):
        raise ValueError("users has an empty id; give the ids of the users to forget")
    place = os.fspath(state)
    if is_redis(place):
        log, lists = open_state(place), open_feedback(place)
        known = {name for name in names if log.delete(name) | lists.delete(name)}
        log.close()
        lists.close()
        return ForgetResult(len(names), [Forgotten(place, "server", len(known))] if known else [], [])
    folder = Path(place)
    if not folder.is_dir():
        raise NotADirectoryError(f"state is {place!r}, which is no folder; give the one with the files of the service")
    return ForgetResult(len(names), forget_in_folder(folder, names), files_that_mention(folder, names))
