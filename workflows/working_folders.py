"""Hidden folders for work that takes long, and the removal of those that killed processes have left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp


@contextmanager
def working_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder for the block. Older ones whose processes have ended are removed first.

    A folder in use is locked by its process, so another process of the same work leaves it alone. Nothing older is
    removed on Windows.

    Args:
        parent: Where it is made.
        prefix: First part of its name, and of the names of those that are removed.
    """
    with _locked(parent):
        for old in sorted(parent.glob(f"{prefix}*")):
            if old.is_dir() and not old.is_symlink():
                _remove_unused(old)
        folder = Path(mkdtemp(prefix=prefix, dir=parent))
        descriptor = _lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def _remove_unused(folder: Path) -> None:
    """Remove a folder that no process has locked."""
    with suppress(OSError):  # in use, of another user, or gone
        descriptor = _lock(folder)
        if descriptor is not None:
            try:
                shutil.rmtree(folder)
            finally:
                os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """A block that one process at a time is in."""
    descriptor = _lock(folder, wait=True)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(folder: Path, wait: bool = False) -> int | None:
    """Lock a folder until the returned descriptor is closed, or the process ends; None on Windows.

    Raises:
        OSError: If another process has it, and there is no waiting.
    """
    try:
        import fcntl
    except ImportError:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
