"""Users without an item of the catalogue."""

from __future__ import annotations

from typing import Literal, get_args

OnUnknown = Literal["popular", "skip", "error"]
"""Result for a user without an item of the catalogue: popular items, an empty list, or an error."""


def why_unknown(events: int, profile: bool = True) -> str:
    """Why a list does not go by known items of the history.

    Args:
        events: Events of the history; none of them has an item of the catalogue.
        profile: Whether the history was to be read.

    Example:
        >>> why_unknown(2)
        'none of the 2 events has an item of the catalogue'
    """
    if events == 1:
        return "its only event has no item of the catalogue"
    if events:
        return f"none of the {events} events has an item of the catalogue"
    return "the history is empty" if profile else "without a profile, the same for everybody"


def unknown_note(unknown: int, events: int) -> str:
    """The note on events without an item of the catalogue.

    Args:
        unknown: Their number.
        events: Events of the history.

    Example:
        >>> print(unknown_note(1, 3), unknown_note(2, 3), sep="; ")
        1 of 3 events has an item that is not in the catalogue; 2 of 3 events have items that are not in the catalogue
    """
    of = f"{unknown:,} of {events:,} event{'s' * (events != 1)}"
    what = "has an item that is" if unknown == 1 else "have items that are"
    return f"{of} {what} not in the catalogue"


def check_unknown(unknown: int, users: int, on_unknown: str) -> None:
    """Refuse an invalid choice, and users without a known item if the choice is "error".

    Args:
        unknown: Users without an item of the catalogue.
        users: Number of users.
        on_unknown: See `OnUnknown`.

    Raises:
        ValueError: If that is so.
    """
    if on_unknown not in get_args(OnUnknown):
        raise ValueError(f"on_unknown is {on_unknown!r}; give one of {', '.join(get_args(OnUnknown))}")
    if on_unknown == "error" and unknown:
        raise ValueError(
            f"histories: {unknown:,} of {users:,} user{'s' * (users != 1)} ha{'s' if unknown == 1 else 've'} no item "
            "of the catalogue; give item ids of the items table, on_unknown='popular' for popular items, or "
            "on_unknown='skip' to leave these users out"
        )
