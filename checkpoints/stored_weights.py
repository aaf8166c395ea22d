"""A checkpoint with weights of another type, for an upload."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ..modeling_xcat.dtypes_xcat import stored_type, stored_weights
from ..modeling_xcat.saving_xcat import WEIGHTS


@contextmanager
def with_stored_type(folder: Path, files: Iterable[str], dtype: str | torch.dtype | None) -> Iterator[Path]:
    """A temporary folder with files of a checkpoint, in which the weights have another type.

    Args:
        folder: The checkpoint; not changed.
        files: Paths of its files, in the folder.
        dtype: As of `stored_type`; None for the checkpoint itself.

    Yields:
        The folder.

    Raises:
        ValueError: If the type is unknown, or the folder has no weights of a model.
    """
    if dtype is None:
        yield folder
        return
    wanted = stored_type(dtype)
    weights = {path.name for path in folder.glob(WEIGHTS[0])}
    if not weights:
        raise ValueError(f"{folder} is an adapter, whose weights are few; leave dtype={dtype!r} out")
    with tempfile.TemporaryDirectory() as place:
        for path in files:
            target = Path(place, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path not in weights:
                os.symlink((folder / path).resolve(), target)
                continue
            with safe_open(folder / path, framework="pt") as stored:
                tensors, about = {key: stored.get_tensor(key) for key in stored.keys()}, stored.metadata()  # noqa: SIM118
            save_file(stored_weights(tensors, wanted), target, metadata=about)
        _correct_index(Path(place), weights)
        yield Path(place)


def _correct_index(folder: Path, weights: Iterable[str]) -> None:
    """The size that the index of several files states."""
    index = folder / WEIGHTS[1].replace("*", "")
    if index.exists():
        content = json.loads(index.read_text(encoding="utf-8"))
        index.unlink()
        content["metadata"]["total_size"] = sum((folder / name).stat().st_size for name in weights)
        index.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
