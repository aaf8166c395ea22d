"""Arguments that are one text or several."""

from __future__ import annotations

import os
from typing import Any

from ..modeling_xcat.arguments_xcat import kind_of, listed


def list_of_texts(name: str, given: Any, what: str) -> list[str]:
    """One text or path, or several of them.

    Args:
        name: Name of the argument, for errors.
        given: A text or path, or any container of them.
        what: Name of the texts, for errors.

    Raises:
        ValueError: If it is something else.

    Example:
        >>> list_of_texts("users", "anna", "ids"), list_of_texts("users", ("anna", "bo"), "ids")
        (['anna'], ['anna', 'bo'])
    """
    if isinstance(given, str | os.PathLike):
        return [os.fspath(given)]
    values = sorted(given) if isinstance(given, set | frozenset) else listed(name, given, what)
    for value in values:
        if not isinstance(value, str | os.PathLike):
            raise ValueError(f"{name} has {kind_of(value)}; give {what} as texts")
    return [os.fspath(value) for value in values]
