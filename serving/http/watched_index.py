"""The index of a service in a folder, which other processes may change, too."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...ranking.index.folder import MANIFEST, IndexFilesError
from ...ranking.index.locking import locked
from ...ranking.recommender import XCatRecommender

logger = logging.getLogger(__name__)
Stamp = tuple[int, int, int]


def stamp_of(folder: Path) -> Stamp | None:
    """A value that changes with each change of an index; None without one."""
    try:
        found = (folder / MANIFEST).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


class WatchedIndex:
    """An index that is read again when another process has changed its folder, and saved after a change of this one.

    Args:
        folder: The folder.
        recommender: The recommender that searches in it.
        stamp: `stamp_of` the folder before the recommender read it.
    """

    def __init__(self, folder: Path, recommender: XCatRecommender, stamp: Stamp | None) -> None:
        self.folder, self._recommender, self._stamp = folder, recommender, stamp
        self._reading = threading.RLock()

    def refresh(self) -> None:
        """Read the folder if it has changed; an index that cannot be read is logged, and the old one stays."""
        if stamp_of(self.folder) == self._stamp:
            return
        with self._reading, locked(self.folder, shared=True):
            self._read()

    def _read(self) -> None:
        stamp = stamp_of(self.folder)
        if stamp in (self._stamp, None):
            return
        self._stamp = stamp
        try:
            self._recommender.load_index(self.folder)
        except (IndexFilesError, OSError) as error:
            logger.error("the index of the service was changed and cannot be read, so the old one stays: %s", error)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change the items of the recommender in the block; then the index is saved, with the changes of others.

        Raises:
            OSError: If it cannot be saved.
        """
        with self._reading, locked(self.folder):
            self._read()
            yield
            self._recommender.save_index(self.folder)
            self._stamp = stamp_of(self.folder)
