"""The Ray cluster that work is given to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..extras import MissingExtraError


def import_ray() -> Any:
    """Ray, with its data library.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("engine='ray' needs Ray", "ray") from error
    return ray


@contextmanager
def connect_ray(ray: Any) -> Iterator[None]:
    """Connect where nobody has yet, and part again only from what was connected to here.

    To the cluster that RAY_ADDRESS names, or to one of this machine alone that is started for it.

    Args:
        ray: What `import_ray` gives.
    """
    if ray.is_initialized():
        yield
        return
    # Read by a cluster that is started here; an existing one has decided for itself.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(include_dashboard=False, log_to_driver=False) if "RAY_ADDRESS" not in os.environ else ray.init()
    try:
        yield
    finally:
        ray.shutdown()
