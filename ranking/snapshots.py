"""Requests that read one state of a recommender, while another thread changes its catalogue."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, Self, TypeVar, cast

WRITING = threading.RLock()
"""Changes of all recommenders wait for each other; not an attribute, so that a recommender can be pickled."""
Method = TypeVar("Method", bound=Callable[..., Any])


class Snapshots:
    """An object whose attributes are set together, never changed in place."""

    def snapshot(self) -> Self:
        """This object as it is now; later changes do not change the result."""
        same = object.__new__(type(self))
        vars(same).update(vars(self))  # one step, so all attributes are of one state
        return same

    def _switch(self, new: dict[str, Any]) -> None:
        """Set attributes in one step."""
        before = dict(vars(self))  # keeps the old objects alive, so that none is freed within the step
        vars(self).update(new)
        del before


def of_one_state(method: Method) -> Method:
    """Let a method read one state of its object, whatever is changed while it runs."""

    @wraps(method)
    def call(self: Snapshots, *args: Any, **kwargs: Any) -> Any:
        return method(self.snapshot(), *args, **kwargs)

    return cast("Method", call)
