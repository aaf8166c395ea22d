"""Checkpoints on the hub: fetched at one commit, pushed in one commit, and what a refusal means."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from .saving_xcat import check_readable

LOADED = ("*.json", "*.safetensors", "*.arrow", "*.txt", "*.model")
"""What loading a checkpoint reads: settings, weights, catalogue, tokenizer. No code, nothing pickled."""

CARRIED = (
    "*config.json", "*tokenizer*.json", "*tokens*.json", "*vocab*.json", "*vocab*.txt", "merges.txt",
    "chat_template*", "*.model", "*.safetensors", "*.safetensors.index.json", "items.arrow",
)  # fmt: skip
"""What a checkpoint is made of. Other files beside it stay here: recommendations, tables and notes are private."""


HUB_ARGUMENTS = ("revision", "token", "cache_dir", "force_download", "local_files_only", "subfolder")
"""Arguments of every `from_pretrained` that say where a checkpoint is."""

ORIGINS = ("_name_or_path", "name_or_path")
"""Settings that name the place a part was loaded from; nothing reads them."""

HUB_ERRORS = (HTTPError, HFValidationError, LocalEntryNotFoundError, ConnectionError)
"""What clients of the hub raise."""

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def locate_checkpoint(
    name_or_path: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    subfolder: str = "",
    files: Sequence[str] = LOADED,
) -> Path:
    """The folder of a checkpoint; that of a hub repository is fetched into the cache first, all files of one commit.

    Args:
        name_or_path: A folder, or NAMESPACE/NAME on the hub.
        revision: Branch, tag or commit of the repository; its main branch if None.
        token: Token for the hub; None for `HF_TOKEN` or that of `hf auth login`.
        cache_dir: Where files are kept; the cache in `HF_HOME` if None.
        force_download: Whether files that are in the cache are fetched again.
        local_files_only: Whether to keep to the cache, as `HF_HUB_OFFLINE` does.
        subfolder: Folder within, such as `last-checkpoint`.
        files: Patterns of the files to fetch.

    Raises:
        OSError: If there is no such folder or repository, or it, or one of the files, may not or cannot be read.
        ValueError: If a revision is given for a folder.
    """
    if check_place(name_or_path, revision):
        check_readable(Path(name_or_path) / subfolder, files)
        return Path(name_or_path) / subfolder
    name = str(name_or_path)
    inside = f"{subfolder.strip('/')}/" if subfolder else ""
    try:
        folder = snapshot_download(
            name,
            revision=revision,
            token=token,
            cache_dir=None if cache_dir is None else Path(cache_dir),
            force_download=force_download,
            local_files_only=local_files_only,
            allow_patterns=[inside + pattern for pattern in files],
            ignore_patterns=[f"{inside}[!.]*/*", "*../*"],  # checkpoints of a training have folders of their own
        )
    except HUB_ERRORS as error:
        raise hub_error(error, name, revision) from error
    found = Path(folder) / subfolder
    if not found.is_dir():
        raise OSError(f"{name}{f' in {subfolder}' if subfolder else ''} is no checkpoint: it holds no config.json")
    return found


def check_place(name_or_path: str | os.PathLike[str], revision: str | None = None) -> bool:
    """Whether a checkpoint is a folder; the hub is not asked.

    Args:
        name_or_path: A folder, or NAMESPACE/NAME on the hub.
        revision: Branch, tag or commit of the repository.

    Raises:
        OSError: If there is no such folder and no repository can have the name.
        ValueError: If a revision is given for a folder.
    """
    path = Path(name_or_path)
    if path.is_dir():
        if revision is not None:
            raise ValueError(f"{path} is a folder and has no revision {revision!r}; leave the revision out")
        return True
    if not REPOSITORY.fullmatch(str(name_or_path)):
        raise OSError(f"{name_or_path}: there is no such folder; a repository on the hub is named NAMESPACE/NAME")
    return False


def fetched_commit(name_or_path: str | os.PathLike[str]) -> str | None:
    """The commit of a repository's main branch that `locate_checkpoint` fetched; None for a folder, or if none was."""
    if Path(name_or_path).is_dir():
        return None
    try:
        # The folder of a fetched repository is named by its commit.
        return locate_checkpoint(name_or_path, local_files_only=True).name
    except OSError:
        return None


def is_local(name: str) -> bool:
    """Whether a name is that of a folder rather than of a repository.

    Example:
        >>> [is_local(name) for name in ("me/shop", "bert-base-uncased", "/home/me/shop", "../shop", "a/b/c")]
        [False, False, True, True, True]
    """
    windows = "\\" in name or re.match(r"[A-Za-z]:", name) is not None
    return windows or name.startswith((".", "~", "/")) or name.count("/") > 1 or Path(name).exists()


def without_folders(settings: Any) -> Any:
    """Settings without the folders of this machine that parts were loaded from: a home folder names its owner.

    Args:
        settings: A dictionary of a configuration, with others inside.

    Example:
        >>> without_folders({"text_config": {"_name_or_path": "/home/me/encoder", "hidden_size": 8}})
        {'text_config': {'hidden_size': 8}}
    """
    if not isinstance(settings, dict):
        return settings
    return {
        key: without_folders(value)
        for key, value in settings.items()
        if not (key in ORIGINS and isinstance(value, str) and is_local(value))
    }


def hub_error(error: BaseException, name: str, revision: str | None = None) -> OSError:
    """What a refusal of the hub means and what to do.

    Args:
        error: What a client of the hub raised.
        name: The repository.
        revision: The revision that was asked for.

    Returns:
        An error with that in words; its number is `EIO` where the hub is at fault and a later try may succeed.
    """
    hub = constants.ENDPOINT
    login = "set HF_TOKEN or run `hf auth login`"
    if isinstance(error, GatedRepoError):
        return OSError(f"{name} is gated: ask for access at {hub}/{name}, then {login}")
    if isinstance(error, RevisionNotFoundError):
        return OSError(f"{name} has no revision {revision!r}; give one of its branches, tags or commits")
    if isinstance(error, RepositoryNotFoundError):
        return OSError(f"{name} is no folder, and no repository on {hub} that you may see; check the name, or {login}")
    if isinstance(error, HFValidationError):
        return OSError(f"{name} is no name of a repository: {error}")
    answered = _answered(error)
    if answered is not None:
        return _refusal(answered, name, hub, login)
    if constants.is_offline_mode():
        wanted = name if revision is None else f"{name} at {revision!r}"
        return OSError(
            f"{wanted} is no folder and not whole in the cache, and HF_HUB_OFFLINE is set; unset it to fetch the files"
        )
    cause = str(error.__cause__ or error).strip() or type(error).__name__
    return OSError(errno.EIO, f"{name}: no connection to {hub} ({cause.splitlines()[0]}); try again")


def _answered(error: BaseException | None) -> HfHubHTTPError | None:
    """The hub's own answer, which the client wraps where it looked into the cache or ran threads."""
    while error is not None and not isinstance(error, HfHubHTTPError):
        error = error.__cause__
    return error


def _refusal(error: HfHubHTTPError, name: str, hub: str, login: str) -> OSError:
    status, told = error.response.status_code, (error.server_message or "").strip()
    if status == 401:
        return OSError(f"{name}: {hub} does not know the token; {login}")
    if status == 403:
        return OSError(
            f"{name}: the token may not do this ({told or 'forbidden'}); use one that may, or create_pr=True"
        )
    if status == 412:
        return OSError(errno.EIO, f"{name}: somebody else pushed meanwhile and nothing was changed; push again")
    if status == 429:
        wait = error.response.headers.get("Retry-After")
        when = f"in {wait} s" if wait else "later"
        return OSError(errno.EIO, f"{name}: {hub} asks for fewer requests (429); try again {when}")
    if status >= 500:
        return OSError(errno.EIO, f"{name}: {hub} is out of order ({status}); try again later")
    return OSError(f"{name}: {hub} refused ({status}): {told or error}")
