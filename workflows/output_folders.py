"""Checks of a fit's output folder and base folder, without torch."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..checkpoints.adapter_choices import check_method
from ..modeling_xcat.saving_xcat import ADAPTER_CONFIG

TRAINING_FOLDER = "training"


def check_output(output: Path, resume: bool = False, overwrite: bool = False) -> None:
    """Refuse an output folder that holds something else, before any work is done.

    Args:
        output: The folder.
        resume: Whether an unfinished training in it is resumed.
        overwrite: Whether a checkpoint of ours in it may be replaced; anything else is still refused.

    Raises:
        ValueError: If the folder is a file, or not empty; or if there is nothing to resume.
    """
    if int(os.environ.get("RANK", "0")):
        return  # only the first process checks; the others could find its first files
    if output.exists() and not output.is_dir():
        raise ValueError(f"output={str(output)!r} is a file; give a folder")
    unfinished = last_checkpoint(output) is not None
    if resume:
        if not unfinished:
            raise ValueError(
                f"resume=True: {output} holds no unfinished training; leave out resume=True to start again"
            )
    elif output.exists() and any(output.iterdir()):
        if not unfinished and [entry.name for entry in output.iterdir()] == [TRAINING_FOLDER]:
            shutil.rmtree(output / TRAINING_FOLDER)  # from a run that ended before its first checkpoint
            return
        if overwrite and (unfinished or any((output / name).is_file() for name in ("items.arrow", ADAPTER_CONFIG))):
            shutil.rmtree(output / TRAINING_FOLDER, ignore_errors=True)
            return
        remedy = (
            "give resume=True to continue it" if unfinished else "give another folder or overwrite=True, or remove it"
        )
        raise ValueError(f"output={str(output)!r} is not empty; {remedy}")


def last_checkpoint(output: Path) -> Path | None:
    """The newest complete checkpoint of an unfinished training; Trainer writes its state last."""
    whole = [state.parent for state in (output / TRAINING_FOLDER).glob("checkpoint-*/trainer_state.json")]
    return max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)


def check_base_choice(base: str | None, peft: str | None, output: Path) -> None:
    """Refuse an adapter without a base, an unknown method, and an output that is the base.

    Raises:
        ValueError: If it is so.
    """
    if base is None and peft is not None:
        raise ValueError(f"peft={peft!r} trains an adapter on a trained checkpoint; name it: base='CHECKPOINT'")
    if peft is not None:
        check_method(peft)
    if base is not None and Path(base).exists() and output.exists() and Path(base).samefile(output):
        raise ValueError(f"output={str(output)!r} is the base itself; give another folder")


def check_other_folder(checkpoint: str, output: Path) -> None:
    """Refuse an output that is the input checkpoint.

    Raises:
        ValueError: If it is so.
    """
    if output.exists() and Path(checkpoint).exists() and output.samefile(checkpoint):
        raise ValueError(f"output={str(output)!r} is the checkpoint itself; give another folder")
