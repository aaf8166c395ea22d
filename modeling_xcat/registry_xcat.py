"""Classes and functions by name; other packages can add their own."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class Registry(dict[str, T]):
    """Mapping from a name to its class or function, for example from a name in a field of `XCatConfig`.

    A checkpoint stores only the name, so the package that registers it must be imported before the checkpoint is
    loaded.

    Args:
        field: The field or argument that has the name, for errors.
        names: List of names for checks without torch; see `limits_xcat`.
        also: Other values of the field, for errors.

    Example:
        >>> colours: Registry[type] = Registry("colour")
        >>> @colours.register("red")
        ... class Red: ...
        >>> colours.find("red") is Red
        True
        >>> colours.find("rad")
        Traceback (most recent call last):
        ValueError: colour is 'rad' (did you mean 'red'?); give one of red, or import the package that registers it
    """

    def __init__(self, field: str, names: list[str] | None = None, also: Sequence[str] = ()) -> None:
        super().__init__()
        self.field = field
        self.names = [] if names is None else names
        self.also = also
        self._sources: dict[str, str] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Add the decorated class or function under a name.

        Raises:
            ValueError: If the name is taken.
        """

        def add(part: T) -> T:
            self.add(name, part, part)
            return part

        return add

    def add(self, name: str, part: T, source: object) -> None:
        """Add a part under a name.

        Args:
            name: The name.
            part: The part.
            source: The class or function that the part was made from.

        Raises:
            ValueError: If the name is taken.
        """
        # A module that is executed twice (a notebook cell, a reload) replaces its own part.
        taken = self._sources.get(name)
        if name in self and taken != _home(source):
            raise ValueError(f"{self.field} {name!r} is {taken} already; give another name")
        self[name] = part
        self._sources[name] = _home(source)
        if name not in self.names:
            self.names.append(name)

    def find(self, name: str) -> T:
        """Find the part with a name.

        Raises:
            ValueError: If nothing is registered under it; the error lists the names.
        """
        if name not in self:
            near = difflib.get_close_matches(name, [*self.also, *self], n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            others = "".join(f"{value} or " for value in self.also)
            raise ValueError(
                f"{self.field} is {name!r}{hint}; give {others}one of {', '.join(self)}, or import the package that "
                "registers it"
            )
        return self[name]


def _home(part: object) -> str:
    return f"{getattr(part, '__module__', '')}.{getattr(part, '__qualname__', part)}"
