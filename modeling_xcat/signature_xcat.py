"""The signature of a forward method, by which `transformers.Trainer` keeps columns of a data set."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar

ROW_COLUMNS = ("items", "event_types", "ratings", "timestamps", "targets")
"""Columns of prepared rows that a collator makes the inputs of a model from."""

Forward = TypeVar("Forward", bound=Callable[..., object])


def names_inputs(encode: Callable[..., object]) -> Callable[[Forward], Forward]:
    """Let a forward method that passes keywords on name them, and the columns that its inputs are made from.

    `Trainer` removes columns whose names are not in the signature before a collator sees them. The method takes all of
    them as keywords in any case, and those that are no inputs go unused.

    Args:
        encode: The method that it passes its keywords on to.
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
