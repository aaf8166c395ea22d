"""Connection to a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..extras import MissingExtraError


def import_ray() -> Any:
    """Import Ray with its data library.

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
    """Connect to Ray if there is no connection yet, and disconnect only in this case.

    The cluster is the one in RAY_ADDRESS, or a new one on this machine.

    Args:
        ray: Result of `import_ray`.
    """
    if ray.is_initialized():
        yield
        return
    # Read by a cluster that is started here; an existing cluster has its own setting.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(include_dashboard=False, log_to_driver=False) if "RAY_ADDRESS" not in os.environ else ray.init()
    try:
        yield
    finally:
        ray.shutdown()
