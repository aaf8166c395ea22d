"""JSON files of a checkpoint, read without torch."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ..modeling_xcat.hub_xcat import CARRIED

COPY_AGAIN = "copy the checkpoint again"
"""Remedy for a damaged file."""
STATE_FILE = "trainer_state.json"
"""State of an unfinished training; the last file that `Trainer` writes."""
TRAINING_FOLDER = "training"
"""Folder of an unfinished training in the output folder."""


def no_config(folder: Path, name: str) -> OSError:
    """The error for a folder without a config.json; an unfinished training has its own remedy."""
    if any(folder.glob(f"{TRAINING_FOLDER}/checkpoint-*/{STATE_FILE}")):
        return OSError(
            f"{name} is not a checkpoint yet: it holds an unfinished training; continue it with the same data and "
            "settings, and resume=True"
        )
    return OSError(
        f"{name} is not a checkpoint: it has no config.json; give a folder that fit wrote, or NAMESPACE/NAME on "
        "the hub"
    )


def read_json(folder: Path, file: str, name: str, *, mapping: bool = False) -> Any:
    """Read a JSON file of a checkpoint. A file that belongs to checkpoints has to be a mapping.

    Args:
        folder: The checkpoint.
        file: Name of the file.
        name: Name of the checkpoint in messages.
        mapping: Whether a file that does not belong to checkpoints has to be a mapping, too.

    Raises:
        OSError: If the file is missing.
        ValueError: If it is damaged.
    """
    path = folder / file
    if not path.is_file():
        raise (
            no_config(folder, name)
            if file == "config.json"
            else OSError(f"{name} is not a checkpoint: it has no {file}")
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} of {name} is damaged, it is not JSON ({error}); {COPY_AGAIN}") from error
    if not isinstance(content, dict) and (mapping or any(fnmatch(file, pattern) for pattern in CARRIED)):
        raise ValueError(f"{file} of {name} is damaged, it is not a mapping; {COPY_AGAIN}")
    return content
