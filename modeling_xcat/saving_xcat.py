"""Atomic writing of a checkpoint into a folder."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

UNFINISHED, CARD_FILE = ".unfinished", "README.md"
WEIGHTS = ("model*.safetensors", "model*.safetensors.index.json")
"""Files required in a checkpoint folder; without one of them it cannot be loaded."""

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
MODEL = (*WEIGHTS, ADAPTER_CONFIG, ADAPTER_WEIGHTS)
"""Files of a model that are removed when another one is saved; an old adapter would be loaded into it."""


@contextmanager
def written_whole(folder: str | os.PathLike[str], replaced: Sequence[str] = MODEL) -> Iterator[Path]:
    """Write files to a hidden folder, and move them into place when all are complete.

    They get the permissions of a new file, 0666 without the umask; safetensors writes for its user alone.
    An error before that leaves the old files unchanged. During the move the old weights are removed first and the new
    ones come last, so after a kill the folder has the old checkpoint, the new one, or none.

    Args:
        folder: The folder; created if it does not exist.
        replaced: Patterns of files to remove.

    Yields:
        The folder to write to, a hidden one inside.

    Raises:
        OSError: If the disk is full, or the folder is not writable.
    """
    target = Path(folder)
    existed = target.exists()
    unfinished = target / UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)  # from a killed process
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        usual_permissions(path for path in unfinished.rglob("*") if path.is_file())
        _move(unfinished, target, replaced)
    except Exception as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if not existed and not any(target.iterdir()):
            target.rmdir()
        if not _is_full(error):
            raise
        told = (
            f"the disk is full, so nothing was saved into {target}; make room or give another folder, and save again"
        )
        raise OSError(errno.ENOSPC, told) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def code_of_main_left_out(thing: Any) -> Iterator[None]:
    """Save an object without its code if its class is defined in `__main__`, which has no file to copy.

    Transformers would print the whole object in its warning; here the warning is one line, shown once.

    Args:
        thing: A model or a configuration.
    """
    kind: Any = type(thing)
    if kind.__module__ != "__main__" or kind._auto_class is None:
        yield
        return
    from transformers.utils import logging  # other parts of this file are used without transformers

    logging.get_logger(__name__).warning_once(
        f"class {kind.__name__} is defined in __main__, so its code is not saved with the checkpoint; move it to a "
        "module to save it"
    )
    own = vars(kind).get("_auto_class")
    kind._auto_class = None
    try:
        yield
    finally:
        if own is None:
            del kind._auto_class  # falls back to the parent class
        else:
            kind._auto_class = own


def usual_permissions(files: Iterable[Path]) -> None:
    """Give files the permissions of a new file, 0666 without the umask; the umask is read by creating a file."""
    for path in files:
        probe = path.with_name(f".{path.name}.mode")
        probe.touch()
        mode = probe.stat().st_mode
        probe.unlink()
        if path.stat().st_mode != mode:
            path.chmod(stat.S_IMODE(mode))


def unreadable(path: Path) -> PermissionError:
    """The error for an existing file or folder that may not be read.

    Args:
        path: The file or folder.
    """
    found = path.stat()
    try:
        owner = path.owner()
    except (KeyError, NotImplementedError):  # a user without a name on this system
        owner = str(found.st_uid)
    right = "r" if path.is_file() else "rx"
    told = (
        f"may not be read (mode {stat.S_IMODE(found.st_mode):o}, owner {owner}); its owner can allow it with "
        f"chmod a+{right}"
    )
    return PermissionError(errno.EACCES, told, str(path))


def check_readable(folder: Path, patterns: Sequence[str] = ("*",)) -> None:
    """Refuse an unreadable folder, or unreadable files in it; other loaders would report them as missing.

    Args:
        folder: The folder; a missing folder passes.
        patterns: Patterns of the files.

    Raises:
        PermissionError: For the first unreadable file.
    """
    if not folder.is_dir():
        return
    if not os.access(folder, os.R_OK | os.X_OK):
        raise unreadable(folder)
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
        if path.exists() and not os.access(path, os.R_OK):
            raise unreadable(path)


def _move(unfinished: Path, target: Path, replaced: Sequence[str]) -> None:
    new = sorted(path.relative_to(unfinished) for path in unfinished.rglob("*") if path.is_file())
    weights = {path for path in new if any(path.match(pattern) for pattern in MODEL)}
    if weights:
        for pattern in (*MODEL, *replaced):
            for old in target.glob(pattern):
                old.unlink()
    for path in sorted(new, key=lambda path: (path in weights, path)):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        os.replace(unfinished / path, target / path)


def _is_full(error: Exception) -> bool:
    """Whether the disk, a quota or a limit of the process was reached; safetensors states it only in its message."""
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return getattr(error, "errno", None) in codes or any(f"(os error {code})" in str(error) for code in codes)
