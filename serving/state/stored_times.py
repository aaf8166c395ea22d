"""Times of stored rows, which a damaged or edited store may have as texts."""

from __future__ import annotations

from typing import Any


def check_time(moment: Any, row: str, store: object) -> None:
    """Refuse a time that is not in whole seconds.

    Args:
        moment: The stored time.
        row: Name of its row, such as "event 3".
        store: The file, or host and port of the server.

    Raises:
        OSError: If the time is something else.

    Example:
        >>> check_time("noon", "event 3", "state.db")
        Traceback (most recent call last):
        OSError: the store state.db cannot be read: event 3 has a time that is no whole number; restore it from a copy
    """
    if type(moment) is not int:  # True is an int, too
        raise OSError(
            f"the store {store} cannot be read: {row} has a time that is no whole number; restore it from a copy"
        )
