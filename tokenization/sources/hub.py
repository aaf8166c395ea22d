"""Files of a dataset on the hub; downloads only the files that are needed."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

HUB_SCHEME = "hf://"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def list_files(name: str) -> list[str]:
    """Paths of the files of a dataset on the hub.

    Args:
        name: Its id, "namespace/name".

    Raises:
        FileNotFoundError: If there is no such dataset, or the hub cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled

    try:
        siblings = HfApi().dataset_info(name).siblings
    except (HTTPError, OfflineModeIsEnabled, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise FileNotFoundError(
            f"data {name!r} is not a folder here, and no dataset with this name could be read from the hub: {reason}"
        ) from error
    return [file.rfilename for file in siblings or []]


def fetch(name: str, patterns: Sequence[str]) -> Path:
    """Download files of a dataset on the hub into its cache, and return their folder.

    Args:
        name: Its id.
        patterns: Patterns of the files, for `fnmatch`.

    Raises:
        FileNotFoundError: If there is no such dataset, it has no such file, or the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download

    files = list_files(name)
    wanted = [file for file in files if any(fnmatch.fnmatch(file, pattern) for pattern in patterns)]
    if not wanted:
        raise FileNotFoundError(
            f"dataset {name} on the hub has no file {' or '.join(patterns)}; it has {', '.join(files[:10])}"
        )
    return Path(snapshot_download(name, repo_type="dataset", allow_patterns=wanted))


@dataclass(frozen=True)
class HubLog:
    """A dataset on the hub whose events are streamed.

    Args:
        small: Small tables by name, with their downloaded files.
        events: Addresses of the parquet files of the events at one commit, in order; `open_parquet_file` opens them.
        hashes: Content hashes of all files, by a name without the commit.
    """

    small: dict[str, Path]
    events: list[str]
    hashes: dict[str, str]


def find_log(name: str) -> HubLog | None:
    """Tables of a dataset with `items.*` and events in parquet; None if it has another layout.

    Args:
        name: Its id; None is returned for a dataset that does not exist.
    """
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled
    from huggingface_hub.hf_api import RepoFile

    try:
        commit = HfApi().dataset_info(name).sha
        tree = HfApi().list_repo_tree(name, repo_type="dataset", revision=commit, recursive=True)
        files = {PurePosixPath(file.path): file for file in tree if isinstance(file, RepoFile)}
    except (HTTPError, OfflineModeIsEnabled, OSError):
        return None  # load_shop reports the error
    log = sorted(path for path in files if path.suffix.lower() == ".parquet" and _folder_of_log(path) is not None)
    folders = {_folder_of_log(path) for path in log}
    if len(folders) != 1:
        return None
    (folder,) = folders
    beside = {label: [path for path in files if path.parent == folder and path.name.split(".")[0] == label]
              for label in ("items", "users", "promotions")}  # fmt: skip
    if len(beside["items"]) != 1 or any(len(found) > 1 for found in beside.values()):
        return None
    small = {
        label: Path(hf_hub_download(name, str(found[0]), repo_type="dataset", revision=commit))
        for label, found in beside.items()
        if found
    }
    used = [*log, *(path for found in beside.values() for path in found)]
    hashes = {f"{HUB_SCHEME}datasets/{name}/{path}": _content_hash(files[path]) for path in used}
    return HubLog(small, [f"{HUB_SCHEME}datasets/{name}@{commit}/{path}" for path in log], hashes)


def _folder_of_log(path: PurePosixPath) -> PurePosixPath | None:
    """The folder of `events.parquet`, or the parent folder of `events/*.parquet`."""
    if path.stem == "events":
        return path.parent
    return path.parent.parent if path.parent.name == "events" else None


def _content_hash(file: Any) -> str:
    return str(file.blob_id if file.lfs is None else file.lfs.sha256)


def open_parquet_file(path: str | Path) -> Any:
    """Input for `pyarrow.parquet`: a path, or a file on the hub of which only the needed parts are fetched."""
    if not str(path).startswith(HUB_SCHEME):
        return path
    from huggingface_hub import HfFileSystem

    return HfFileSystem().open(str(path).removeprefix(HUB_SCHEME), "rb")
