"""Files of a dataset on the hub, only those that are asked for."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from pathlib import Path

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
            f"data {name!r} is no folder here, and no dataset of that name could be read from the hub: {reason}"
        ) from error
    return [file.rfilename for file in siblings or []]


def fetch(name: str, patterns: Sequence[str]) -> Path:
    """Download files of a dataset on the hub, into its cache, and give the folder they lie in.

    Args:
        name: Its id.
        patterns: Which files, as `fnmatch` reads them.

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
