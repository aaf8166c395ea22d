"""Requests that read one state of a recommender, while another thread changes its catalogue."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Self, TypeVar, cast

Method = TypeVar("Method", bound=Callable[..., Any])


class Snapshots:
    """An object whose attributes are set together, never changed in place."""

    def snapshot(self) -> Self:
        """This object as it is now; later changes do not change the result."""
        same = object.__new__(type(self))
        vars(same).update(vars(self))  # one step, so all attributes are of one state
        return same


def of_one_state(method: Method) -> Method:
    """Let a method read one state of its object, whatever is changed while it runs."""

    @wraps(method)
    def call(self: Snapshots, *args: Any, **kwargs: Any) -> Any:
        return method(self.snapshot(), *args, **kwargs)

    return cast("Method", call)
