"""The signature of a forward method; `transformers.Trainer` uses it to keep columns of a data set."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar

ROW_COLUMNS = ("items", "event_types", "ratings", "timestamps", "targets")
"""Columns of prepared rows that collators turn into model inputs."""

Forward = TypeVar("Forward", bound=Callable[..., object])


def names_inputs(encode: Callable[..., object]) -> Callable[[Forward], Forward]:
    """Add passed-on keywords, and columns of prepared rows, to the signature of a forward method.

    `Trainer` removes columns that are not in the signature before a collator sees them. The method accepts all of them
    as keywords; columns that are not inputs are unused.

    Args:
        encode: The method that gets the keywords.
    """

    def named(forward: Forward) -> Forward:
        signature = inspect.signature(forward)
        own = list(signature.parameters.values())
        further = [name for name in inspect.signature(encode).parameters if name != "kwargs"]
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
            for name in dict.fromkeys([*further, *ROW_COLUMNS])
            if name not in signature.parameters
        ]
        parameters = [*own[:-1], *added, own[-1]]
        forward.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return forward

    return named
