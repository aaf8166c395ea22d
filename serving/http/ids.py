"""Ids of users and items as the service takes them."""

from __future__ import annotations

import re
from typing import Any

from ...modeling_xcat.arguments_xcat import kind_of

MOST_OF_ID = 512
"""Maximum characters of an id."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def checked_id(given: Any) -> str:
    """An id without surrounding spaces, as the logs store it.

    Raises:
        ValueError: If it is not a text, is empty or too long, or has control characters, such as NUL.
    """
    if not isinstance(given, str):
        raise ValueError(f"an id is {kind_of(given)}; give a text")
    if not (found := given.strip()):
        raise ValueError("an id is empty; give one")
    if len(found) > MOST_OF_ID:
        raise ValueError(f"an id has {len(found):,} characters; give {MOST_OF_ID} at most")
    if _CONTROL.search(found):
        raise ValueError("an id has control characters, such as NUL; leave them out")
    return found
