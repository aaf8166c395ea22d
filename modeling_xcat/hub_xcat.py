"""Checkpoints on the hub: download at one commit, upload in one commit, and clear errors."""

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

from .arguments_xcat import kind_of
from .saving_xcat import check_readable

LOADED = ("*.json", "*.safetensors", "*.arrow", "*.txt", "*.model")
"""Files read to load a checkpoint: settings, weights, catalogue, tokenizer. No code, nothing pickled."""

CARRIED = (
    "*config.json", "*tokenizer*.json", "*tokens*.json", "*vocab*.json", "*vocab*.txt", "merges.txt",
    "chat_template*", "*.model", "*.safetensors", "*.safetensors.index.json", "items.arrow",
    "policy.json",
)  # fmt: skip
"""Files of a checkpoint. Other files in its folder are not uploaded: recommendations, tables and notes are private."""


HUB_ARGUMENTS = ("revision", "token", "cache_dir", "force_download", "local_files_only", "subfolder")
"""Arguments of every `from_pretrained` that locate a checkpoint."""

ORIGINS = ("_name_or_path", "name_or_path")
"""Settings that name the place a part was loaded from; nothing reads them."""

HUB_ERRORS = (HTTPError, HFValidationError, LocalEntryNotFoundError, ConnectionError)
"""Errors raised by hub clients."""

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
    """Find the folder of a checkpoint; a hub repository is downloaded into the cache first, all files of one commit.

    Args:
        name_or_path: A folder, or NAMESPACE/NAME on the hub.
        revision: Branch, tag or commit of the repository; its main branch if None.
        token: Token for the hub; None for `HF_TOKEN` or the token of `hf auth login`.
        cache_dir: Folder for downloaded files; the cache in `HF_HOME` if None.
        force_download: Whether to download files again that are in the cache.
        local_files_only: Whether to use only the cache, like `HF_HUB_OFFLINE`.
        subfolder: Folder within, such as `last-checkpoint`.
        files: Patterns of the files to download.

    Raises:
        OSError: If the folder or repository does not exist, or a file cannot be read.
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
            ignore_patterns=[f"{inside}[!.]*/*", "*../*"],  # training checkpoints have their own folders
        )
    except HUB_ERRORS as error:
        raise hub_error(error, name, revision) from error
    found = Path(folder) / subfolder
    if not found.is_dir():
        raise OSError(f"{name}{f' in {subfolder}' if subfolder else ''} is not a checkpoint: it has no config.json")
    return found


def check_place(name_or_path: str | os.PathLike[str], revision: str | None = None) -> bool:
    """Whether a checkpoint is a folder, without a request to the hub.

    Args:
        name_or_path: A folder, or NAMESPACE/NAME on the hub.
        revision: Branch, tag or commit of the repository.

    Raises:
        OSError: If the folder does not exist and the name cannot be a repository.
        ValueError: If a revision is given for a folder, or it is neither a text nor a path.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        raise ValueError(
            f"checkpoint is {kind_of(name_or_path)}; give a folder, or NAMESPACE/NAME for a repository on the hub"
        )
    path = Path(name_or_path)
    if path.is_dir():
        if revision is not None:
            raise ValueError(f"{path} is a folder and has no revision {revision!r}; leave revision= out")
        return True
    if not REPOSITORY.fullmatch(str(name_or_path)):
        raise OSError(f"{name_or_path}: there is no such folder; a repository on the hub is named NAMESPACE/NAME")
    return False


def fetched_commit(name_or_path: str | os.PathLike[str]) -> str | None:
    """The main-branch commit that `locate_checkpoint` downloaded of a repository; None for a folder or without one."""
    if Path(name_or_path).is_dir():
        return None
    try:
        # The folder of a downloaded repository is named after its commit.
        return locate_checkpoint(name_or_path, local_files_only=True).name
    except OSError:
        return None


def is_local(name: str) -> bool:
    """Whether a name is a folder rather than a repository.

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
    """Translate an error of the hub into its meaning and a remedy.

    Args:
        error: Error raised by a hub client.
        name: The repository.
        revision: The requested revision.

    Returns:
        An error with this text; its number is `EIO` if the hub is at fault and a later try may succeed.
    """
    hub = constants.ENDPOINT
    login = "set HF_TOKEN or run `hf auth login`"
    if isinstance(error, GatedRepoError):
        return OSError(f"{name} is gated: request access at {hub}/{name}, then {login}")
    if isinstance(error, RevisionNotFoundError):
        return OSError(f"{name} has no revision {revision!r}; give one of its branches, tags or commits")
    if isinstance(error, RepositoryNotFoundError):
        return OSError(
            f"{name} is neither a folder nor a repository on {hub} that you can access; check the name, or {login}"
        )
    if isinstance(error, HFValidationError):
        return OSError(f"{name} is not the name of a repository: {error}")
    answered = _answered(error)
    if answered is not None:
        return _refusal(answered, name, hub, login)
    if constants.is_offline_mode():
        wanted = name if revision is None else f"{name} at {revision!r}"
        return OSError(
            f"{wanted} is not a folder and not complete in the cache, and HF_HUB_OFFLINE is set; unset it to "
            "download the files"
        )
    cause = str(error.__cause__ or error).strip() or type(error).__name__
    return OSError(errno.EIO, f"{name}: no connection to {hub} ({cause.splitlines()[0]}); try again")


def _answered(error: BaseException | None) -> HfHubHTTPError | None:
    """The hub's response, which the client may wrap in errors of the cache or of threads."""
    while error is not None and not isinstance(error, HfHubHTTPError):
        error = error.__cause__
    return error


def _refusal(error: HfHubHTTPError, name: str, hub: str, login: str) -> OSError:
    status, told = error.response.status_code, (error.server_message or "").strip()
    if status == 401:
        return OSError(f"{name}: {hub} does not accept the token; {login}")
    if status == 403:
        return OSError(
            f"{name}: the token has no permission for this ({told or 'forbidden'}); use a token with "
            "write permission, or create_pr=True"
        )
    if status == 412:
        return OSError(errno.EIO, f"{name}: another push came first and nothing was changed; push again")
    if status == 429:
        wait = error.response.headers.get("Retry-After")
        when = f"in {wait} s" if wait else "later"
        return OSError(errno.EIO, f"{name}: too many requests to {hub} (429); try again {when}")
    if status >= 500:
        return OSError(errno.EIO, f"{name}: {hub} has a server error ({status}); try again later")
    return OSError(f"{name}: {hub} refused ({status}): {told or error}")
