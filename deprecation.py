"""Names and arguments on their way out: they work for two minor versions, with a warning that names the new one."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")


def deprecated(
    since: str, removed_in: str, *, use: str, renamed: dict[str, str] | None = None
) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """Mark a function, or some of its arguments, as deprecated.

    Args:
        since: Version that warns first.
        removed_in: Version that removes it.
        use: What to use instead.
        renamed: Old to new names of keyword arguments; a call with an old name warns and goes on with the new one.
            None if the function itself is deprecated.

    Returns:
        The decorator.

    Raises:
        TypeError: In a call that gives both the old and the new name of an argument.

    Example:
        >>> @deprecated("0.2", "0.4", use="size=", renamed={"length": "size"})
        ... def ruler(*, size):
        ...     return size
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as seen:
        ...     warnings.simplefilter("always")
        ...     ruler(length=3), str(seen[0].message)
        (3, 'ruler(length=) is deprecated since 0.2 and will be removed in 0.4; use size=')
    """

    def decorate(function: Callable[Given, Result]) -> Callable[Given, Result]:
        end = f"is deprecated since {since} and will be removed in {removed_in}; use {use}"

        @functools.wraps(function)
        def call(*args: Given.args, **kwargs: Given.kwargs) -> Result:
            if renamed is None:
                warnings.warn(f"{function.__name__} {end}", FutureWarning, stacklevel=2)
            for old, new in (renamed or {}).items():
                if old not in kwargs:
                    continue
                if new in kwargs:
                    raise TypeError(f"{function.__name__} got both {old}= and {new}=; give {new}=")
                warnings.warn(f"{function.__name__}({old}=) {end}", FutureWarning, stacklevel=2)
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate
