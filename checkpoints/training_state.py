"""Check that a checkpoint of an unfinished training can be resumed, before anything is loaded from it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from ..tokenization.vocabulary import VOCABULARY_FILE
from .check import check_catalogue, check_weights
from .json_files import STATE_FILE, read_json

_OPTIMIZER, _SCHEDULER = "optimizer.pt", "scheduler.pt"


def check_training_state(folder: Path, name: str) -> dict[str, Any]:
    """Refuse a checkpoint of `Trainer` with a damaged file, or whose best checkpoint is damaged. Nothing is unpickled.

    Args:
        folder: The checkpoint, such as `training/checkpoint-24`; its best checkpoint is beside it.
        name: Its name in messages.

    Returns:
        The content of `trainer_state.json`.

    Raises:
        OSError: If a file is missing.
        ValueError: If a file is damaged.
    """
    state: dict[str, Any] = read_json(folder, STATE_FILE, name, mapping=True)
    if not isinstance(state.get("global_step"), int):
        raise ValueError(f"{STATE_FILE} of {name} is damaged, it has no global_step")
    _check_files(folder, name)
    for one, other in ((_OPTIMIZER, _SCHEDULER), (_SCHEDULER, _OPTIMIZER)):
        if (folder / one).is_file() and not (folder / other).is_file() and not _sharded(folder):
            raise OSError(f"{name} has no {other}, which was saved with its {one}")
    best = state.get("best_model_checkpoint")
    if best and (place := folder.parent / Path(best).name) != folder:
        _check_files(place, str(place))
    return state


def _check_files(folder: Path, name: str) -> None:
    for path in sorted(folder.glob("*.json")):
        read_json(folder, path.name, name)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights and not _sharded(folder):
        raise OSError(f"{name} has no model.safetensors")
    check_weights(folder, weights, name)
    if (folder / VOCABULARY_FILE).is_file():
        check_catalogue(folder / VOCABULARY_FILE, name)
    for path in sorted((*folder.glob("*.pt"), *folder.glob("*.pth"))):
        try:
            with zipfile.ZipFile(path) as archive:  # the format of torch.save
                wrong = archive.testzip()
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            raise ValueError(f"{path.name} of {name} is damaged ({error})") from error
        if wrong is not None:
            raise ValueError(f"{path.name} of {name} is damaged (wrong checksum in {wrong})")


def _sharded(folder: Path) -> bool:
    """Whether FSDP saved the weights as a folder of shards."""
    return any(path.is_dir() for path in folder.glob("*fsdp*"))
