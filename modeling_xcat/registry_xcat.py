"""Choices of a configuration field by name; other packages can add their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Registry(dict[str, T]):
    """Mapping from a name in a field of `XCatConfig` to its class or function.

    A checkpoint stores only the name, so the package that registers it must be imported before the checkpoint is
    loaded.

    Args:
        field: The field, for errors.
        names: List of names for checks without torch; see `limits_xcat`.

    Example:
        >>> colours: Registry[type] = Registry("colour")
        >>> @colours.register("red")
        ... class Red: ...
        >>> colours.find("red") is Red
        True
    """

    def __init__(self, field: str, names: list[str] | None = None) -> None:
        super().__init__()
        self.field = field
        self.names = [] if names is None else names

    def register(self, name: str) -> Callable[[T], T]:
        """Add the decorated class or function under a name.

        Raises:
            ValueError: If the name is taken.
        """

        def add(part: T) -> T:
            # A module that is executed twice (a notebook cell, a reload) replaces its own part.
            taken = self.get(name)
            if taken is not None and _home(taken) != _home(part):
                raise ValueError(f"{self.field} {name!r} is {_home(taken)} already; give another name")
            self[name] = part
            if name not in self.names:
                self.names.append(name)
            return part

        return add

    def find(self, name: str) -> T:
        """Find the part with a name.

        Raises:
            ValueError: If nothing is registered under it; the error lists the names.
        """
        if name not in self:
            raise ValueError(
                f"XCatConfig.{self.field} is {name!r}; give one of {', '.join(self)}, or import the package that "
                "registers it"
            )
        return self[name]


def _home(part: object) -> str:
    return f"{getattr(part, '__module__', '')}.{getattr(part, '__qualname__', part)}"
