"""Checks of output folders and files before any work is done, without torch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

from ..checkpoints.adapter_choices import check_method
from ..checkpoints.json_files import STATE_FILE, TRAINING_FOLDER
from ..counting import counted
from ..modeling_xcat.saving_xcat import ADAPTER_CONFIG, CARD_FILE

PAGE = "report.html"
"""The page of a report on tables, and of an audit."""
AUDIT_FILES = ("audit.json", PAGE)
ATTACK_FILES = ("attack.json", "table.md")


def check_folder_to_write(folder: Path, named: str) -> None:
    """Refuse a folder that cannot be made or written into. Parents may be missing; nothing is created.

    Args:
        folder: The folder.
        named: Its name in messages, such as `output='x'`.

    Raises:
        ValueError: If it is a file, or below one; or if nothing can be written there.
    """
    if folder.is_file():
        raise ValueError(f"{named} is a file; give a folder")
    _check_place(_nearest(folder), folder, named)


def check_file_to_write(file: Path, named: str, suffix: str = "") -> None:
    """Refuse a file that cannot be written. Its folder has to exist; nothing is created.

    Args:
        file: The file; an existing one is to be replaced.
        named: Its name in messages, such as `output='x.json'`.
        suffix: Required ending of its name; any if empty.

    Raises:
        ValueError: If its name has another ending, it is a folder, its folder does not exist, or nothing can be
            written there.
    """
    if suffix and file.suffix != suffix:
        raise ValueError(f"{named} is written as {suffix[1:]}; give a name that ends in {suffix}")
    if file.is_dir():
        raise ValueError(f"{named} is a folder; give a file in it")
    there = _nearest(file.parent)
    _check_place(there, file, named)
    if there != file.parent.absolute():
        raise ValueError(f"{named}: there is no folder {file.parent}; make it first")
    if os.path.lexists(file) and not os.access(file, os.W_OK):
        raise ValueError(f"{named} may not be written; give another file, or allow it with chmod u+w")


def refuse_earlier(place: Path, named: str, overwrite: bool, names: Sequence[str] = ()) -> None:
    """Refuse to replace the result of an earlier run.

    Args:
        place: The file, or the folder of the files `names`.
        named: Its name in messages, such as `output='x.json'`.
        overwrite: Whether an earlier result may be replaced.
        names: Names of the files in a folder.

    Raises:
        ValueError: If there is an earlier result, and it may not be replaced.
    """
    if not overwrite and any(os.path.lexists(file) for file in ([place / name for name in names] or [place])):
        kind = "folder" if names else "file"
        raise ValueError(f"{named} holds an earlier result; give another {kind} or overwrite=True, or remove it")


def _nearest(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    whole = folder.absolute()
    return next(place for place in (whole, *whole.parents) if os.path.lexists(place))


def _check_place(there: Path, given: Path, named: str) -> None:
    """Refuse a place where no file can be made; it is shown relative to here if the output was given so."""
    here = Path.cwd()
    shown = there.relative_to(here) if not given.is_absolute() and there.is_relative_to(here) else there
    if not there.is_dir():
        raise ValueError(f"{named}: {shown} is not a folder; give a place elsewhere")
    try:
        with TemporaryFile(dir=there):  # permissions alone would let the superuser pass, and a read-only disk too
            pass
    except OSError as error:
        raise ValueError(
            f"{named}: nothing can be written into {shown} ({error.strerror}); give a place elsewhere"
        ) from error


def check_output(output: Path, resume: bool = False, overwrite: bool = False) -> None:
    """Refuse an output folder that holds something else, before any work is done.

    Args:
        output: The folder.
        resume: Whether an unfinished training in it is resumed.
        overwrite: Whether a checkpoint of ours in it may be replaced; anything else is still refused.

    Raises:
        ValueError: If the folder cannot be written, or is not empty; or if there is nothing to resume.
    """
    if int(os.environ.get("RANK", "0")):
        return  # only the first process checks; the others could find its first files
    check_folder_to_write(output, f"output={str(output)!r}")
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
            "give resume=True to continue its training, or another folder"
            if unfinished
            else "give another folder or overwrite=True, or remove it"
        )
        raise ValueError(f"output={str(output)!r} is not empty; {remedy}")


def check_results(file: Path, resume: bool, overwrite: bool = False) -> None:
    """Refuse a result file of a benchmark that cannot be written or would be replaced.

    Args:
        file: The JSON file; the values per user are written beside it.
        resume: Whether its runs are kept.
        overwrite: Whether it may be replaced.

    Raises:
        ValueError: If it is so.
    """
    check_file_to_write(file, f"output={str(file)!r}", ".json")
    users = file.with_suffix(".users.npz")
    check_file_to_write(users, f"output={str(users)!r}")
    if file.exists() and not (resume or overwrite):
        raise ValueError(
            f"output={str(file)!r} holds an earlier result; give resume=True to continue it, overwrite=True to "
            "replace it, or another file"
        )


def last_checkpoint(output: Path) -> Path | None:
    """The newest complete checkpoint of an unfinished training."""
    return next(iter(complete_checkpoints(output)), None)


def complete_checkpoints(output: Path) -> list[Path]:
    """Complete checkpoints of an unfinished training, the newest first; Trainer writes its state last."""
    whole = [state.parent for state in (output / TRAINING_FOLDER).glob(f"checkpoint-*/{STATE_FILE}")]
    return sorted(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), reverse=True)


def check_report_folder(output: Path) -> None:
    """Check that the page and the card of a report on tables can be written to a folder; earlier ones are replaced.

    Raises:
        ValueError: If it cannot be written, or holds a README.md of something else.
    """
    check_folder_to_write(output, f"output={str(output)!r}")
    if (output / CARD_FILE).exists() and not (output / PAGE).exists():
        raise ValueError(f"output={str(output)!r} has a README.md that is not from a report; give another folder")
    for file in (output / PAGE, output / CARD_FILE):
        if file.exists():
            check_file_to_write(file, f"output={str(output)!r}: {file.name}")


def check_files_of_folder(output: Path, names: Sequence[str], purpose: str, overwrite: bool) -> None:
    """Refuse a folder for results that cannot be written, or holds other files or earlier results.

    Args:
        output: The folder.
        names: Names of the files that are written.
        purpose: Purpose of the folder, for the message.
        overwrite: Whether earlier results may be replaced.

    Raises:
        ValueError: If it is so.
    """
    check_folder_to_write(output, f"output={str(output)!r}")
    others = sorted(entry.name for entry in output.iterdir() if entry.name not in names) if output.exists() else []
    if others:
        raise ValueError(
            f"output={str(output)!r} has {counted(len(others), 'other file')}, such as {others[0]}; give a folder for "
            f"{purpose}"
        )
    for name in names:
        if output.exists():
            check_file_to_write(output / name, f"output={str(output)!r}: {name}")
    refuse_earlier(output, f"output={str(output)!r}", overwrite, names)


def check_preparation_folder(output: Path) -> None:
    """Check that a preparation can be written to a folder, before its tables are read.

    Raises:
        ValueError: If the folder cannot be written, or holds something else than a preparation.
    """
    from ..tokenization.out_of_core.prepared_folder import check_content

    check_folder_to_write(output, f"output={str(output)!r}")
    check_content(output)


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
    """Refuse an output that is the input checkpoint, or inside of it.

    Raises:
        ValueError: If it is so.
    """
    if output.exists() and Path(checkpoint).exists() and output.samefile(checkpoint):
        raise ValueError(f"output={str(output)!r} is the checkpoint itself; give another folder")
    if Path(checkpoint).is_dir() and output.resolve().is_relative_to(Path(checkpoint).resolve()):
        raise ValueError(f"output={str(output)!r} is inside of the checkpoint {checkpoint}; give another folder")
