"""Load a whole checkpoint, to write a changed one."""

from __future__ import annotations

from pathlib import Path

from ..checkpoints.adapters import is_adapter
from ..checkpoints.load import load_base
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.processing_xcat import XCatProcessor


def load_whole(folder: Path, name: str) -> tuple[XCatForNextItem, XCatProcessor]:
    """Model and processor of a checkpoint that is not an adapter.

    Args:
        folder: Its folder on this machine.
        name: Its name in errors.

    Raises:
        ValueError: If it is an adapter.
    """
    if not (folder / "config.json").is_file() and is_adapter(folder):
        raise ValueError(
            f"{name} is an adapter; merge it with its base first (load_adapted, merge_and_unload) and save that"
        )
    return load_base(folder)
