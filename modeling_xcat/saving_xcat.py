"""How a checkpoint comes into a folder: whole, or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

UNFINISHED = ".unfinished"
WEIGHTS = ("model*.safetensors", "model*.safetensors.index.json")
"""What makes a folder a checkpoint: without one of these files nothing loads it."""

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
MODEL = (*WEIGHTS, ADAPTER_CONFIG, ADAPTER_WEIGHTS)
"""Files of a model that may not stay when another one comes; an adapter would be read into it."""


@contextmanager
def written_whole(folder: str | os.PathLike[str], replaced: Sequence[str] = MODEL) -> Iterator[Path]:
    """Let files be written beside those of a folder, and put them in when all of them are there.

    They get the permissions of a new file, 0666 without the umask; safetensors writes for its user alone.
    A fault before that leaves what was there as it was. From then on the old weights are gone and the new ones come
    last, so whenever a process is killed, what is in the folder is the old checkpoint, the new one, or none.

    Args:
        folder: The folder; it is made if there is none.
        replaced: Patterns of files that do not stay.

    Yields:
        The folder to write to, a hidden one inside.

    Raises:
        OSError: If the disk is full, or the folder may not be written to.
    """
    target = Path(folder)
    existed = target.exists()
    unfinished = target / UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
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
    """Save an object whose class is defined in `__main__` without its code, which has no file to copy.

    Transformers would warn with the whole object, which is a page of modules or settings; here it is a line, once.

    Args:
        thing: A model or a configuration.
    """
    kind: Any = type(thing)
    if kind.__module__ != "__main__" or kind._auto_class is None:
        yield
        return
    from transformers.utils import logging  # names of files are read from here without transformers

    logging.get_logger(__name__).warning_once(
        f"class {kind.__name__} is defined in __main__, so its code is not saved with the checkpoint; put it into a "
        "module of its own to have it saved"
    )
    own = vars(kind).get("_auto_class")
    kind._auto_class = None
    try:
        yield
    finally:
        if own is None:
            del kind._auto_class  # it is that of the class above again
        else:
            kind._auto_class = own


def usual_permissions(files: Iterable[Path]) -> None:
    """Give files the permissions of a new one, 0666 without the umask, which can be read only by making a file."""
    for path in files:
        probe = path.with_name(f".{path.name}.mode")
        probe.touch()
        mode = probe.stat().st_mode
        probe.unlink()
        if path.stat().st_mode != mode:
            path.chmod(stat.S_IMODE(mode))


def unreadable(path: Path) -> PermissionError:
    """The error for a file or folder that is there and may not be read.

    Args:
        path: The file or folder.
    """
    found = path.stat()
    try:
        owner = path.owner()
    except (KeyError, NotImplementedError):  # a user that has no name here
        owner = str(found.st_uid)
    right = "r" if path.is_file() else "rx"
    told = (
        f"may not be read (mode {stat.S_IMODE(found.st_mode):o}, owner {owner}); its owner can allow it with "
        f"chmod a+{right}"
    )
    return PermissionError(errno.EACCES, told, str(path))


def check_readable(folder: Path, patterns: Sequence[str] = ("*",)) -> None:
    """Refuse a folder, or files in it, that may not be read; other loaders would call them missing.

    Args:
        folder: The folder; one that does not exist passes.
        patterns: Patterns of the files.

    Raises:
        PermissionError: For the first of them.
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
    """Whether the disk, a quota or a limit of the process was reached; safetensors tells it in words alone."""
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return getattr(error, "errno", None) in codes or any(f"(os error {code})" in str(error) for code in codes)
