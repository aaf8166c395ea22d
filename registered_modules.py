"""Modules of other packages that register parts, imported by the name of a part."""

from __future__ import annotations

import importlib
from typing import Any

from .modeling_xcat.registry_xcat import Registry


def import_registered(registry: Registry[Any], name: str) -> None:
    """Import the module of a part "MODULE:NAME", which registers it; a name without a module is left alone.

    Call it for names that a person gave, not for names in a checkpoint: importing runs the module's code.

    Args:
        registry: The registry of the part.
        name: Name of the part.

    Raises:
        ValueError: If there is no such module, or it does not register the name.
    """
    module, colon, _ = name.rpartition(":")
    if not colon or name in registry:
        return
    import_module_of(registry.field, name)
    if name not in registry:
        raise ValueError(
            f"{registry.field} is {name!r}, which {module} does not register; decorate its class or function with the "
            f"name {name!r}"
        )


def import_module_of(field: str, name: str) -> None:
    """Import the module of "MODULE:NAME".

    Args:
        field: The field or argument that has the name, for errors.
        name: The name.

    Raises:
        ValueError: If there is no such module.
    """
    module = name.rpartition(":")[0]
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ValueError(
            f"{field} is {name!r}, and there is no module {error.name}; install its package, or add its folder to "
            "PYTHONPATH"
        ) from error
