"""Counts with their noun in messages."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A count with thousands separators and its noun.

    Args:
        count: The number.
        noun: The noun for one.
        plural: The noun for other numbers; None for the noun with an s.

    Example:
        >>> counted(1, "item"), counted(2000, "item"), counted(2, "history", "histories")
        ('1 item', '2,000 items', '2 histories')
    """
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
