"""Names of a package that are imported on first use, so importing the package is fast."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # importing `typing` would take longer than the rest of this file
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazy_names(package: str, exports: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """The functions `__getattr__` and `__dir__` of a package whose names are imported on first use.

    Args:
        package: The package's `__name__`.
        exports: Public name to the module that defines it, relative to the package, such as ".trainer".
    """
    names = vars(sys.modules[package])

    def find(name: str) -> object:
        if name not in exports:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module

        value: object = getattr(import_module(exports[name], package), name)
        names[name] = value
        return value

    return find, lambda: sorted({*names, *exports})
