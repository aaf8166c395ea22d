"""A lock on the folder of an index, for several processes that change it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_FILE = ".lock"
"""Empty file in the folder."""


@contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Wait until no other process has the folder, and keep it for the block; without effect on Windows.

    Args:
        folder: The folder; it is made if it is missing.
        shared: Whether others may read at the same time, who ask in the same way.

    Raises:
        OSError: If the folder cannot be written; reading needs no right to write.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    place = folder / LOCK_FILE
    if shared and not place.exists():  # nobody has changed the folder since it was written
        yield
        return
    if not shared:
        folder.mkdir(parents=True, exist_ok=True)
    with place.open("rb" if shared else "ab") as file:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
