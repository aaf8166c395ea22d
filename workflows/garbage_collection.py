"""Settings of garbage collection for a process that runs one command and ends."""

from __future__ import annotations

import atexit
import gc

GARBAGE_THRESHOLDS = (100_000, 20, 100)
"""Arguments of `gc.set_threshold`. Importing torch and transformers creates millions of permanent objects; scanning
them repeatedly takes a quarter of the time of a short command."""


def spare_garbage_collection() -> None:
    """Collect garbage rarely, and not at all at the end of the process, which frees all memory anyway."""
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    atexit.register(gc.freeze)
