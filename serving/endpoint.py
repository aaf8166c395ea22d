"""The files of an inference endpoint of Hugging Face."""

from __future__ import annotations

import json
from pathlib import Path

from . import endpoint_handler
from .space import REQUIRED, pinned

HANDLER, REQUIREMENTS = "handler.py", "requirements.txt"


def endpoint_files(folder: Path) -> dict[str, bytes]:
    """`handler.py` and `requirements.txt` for a checkpoint; nothing without a pipeline beside the weights.

    Torch is not among the requirements, because an endpoint has one for its device.

    Args:
        folder: The checkpoint.
    """
    config = folder / "config.json"
    if not config.is_file() or "custom_pipelines" not in json.loads(config.read_text(encoding="utf-8")):
        return {}
    return {
        HANDLER: Path(endpoint_handler.__file__).read_bytes(),
        REQUIREMENTS: "".join(f"{line}\n" for line in pinned(REQUIRED)).encode(),
    }
