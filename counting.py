"""Counts with their noun in messages."""

from __future__ import annotations

import re

_FIRST = re.compile(
    r"1 ((?:different|column|unquoted) )?(row|item|user|id|value|line|field|column|name)s\b( of columns)?"
    r"( have| are| were| repeat| lie| hold| look)?"
)
_OF_ONE = {" have": " has", " are": " is", " were": " was"}


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


def counted_of(count: int, total: int, noun: str, verb: str = "", plural: str | None = None) -> str:
    """A part of a total with the total's noun, and a verb that agrees with the part.

    Args:
        count: The part.
        total: The total.
        noun: The noun for one.
        verb: "have", "are" or "were"; empty for none.
        plural: The noun for other numbers; None for the noun with an s.

    Example:
        >>> counted_of(1, 1, "user", "have"), counted_of(1, 2000, "item", "are"), counted_of(2, 3, "row")
        ('1 of 1 user has', '1 of 2,000 items is', '2 of 3 rows')
    """
    after = f" {verb}" if verb else ""
    return f"{count:,} of {counted(total, noun, plural)}{_OF_ONE[after] if after and count == 1 else after}"


def agreed(sentence: str) -> str:
    """A sentence that begins with a count, in the singular if the count is 1.

    Args:
        sentence: The sentence, as it is for several.

    Example:
        >>> agreed("1 rows have no title"), agreed("1 rows repeat an id"), agreed("11 rows are NaN")
        ('1 row has no title', '1 row repeats an id', '11 rows are NaN')
    """
    found = _FIRST.match(sentence)
    if found is None:
        return sentence.replace("1 of its values look", "1 of its values looks") if sentence[:2] == "1 " else sentence
    kind, noun, of, verb = (part or "" for part in found.groups())
    return f"1 {kind}{noun}{of}{_OF_ONE.get(verb, f'{verb}s' if verb else '')}{sentence[found.end() :]}"
