"""Push: upload a checkpoint or an adapter to the hub."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from huggingface_hub import CommitInfo

from ..checkpoints.adapters import is_adapter
from ..checkpoints.check import check_adapter, check_checkpoint
from ..checkpoints.saved_tables import saved_event_settings
from ..checkpoints.stored_weights import with_stored_type
from ..modeling_xcat.hub_xcat import locate_checkpoint
from ..modeling_xcat.pushing_xcat import SHARED, push_folder, shared_files
from ..serving.endpoint import endpoint_files
from ..tokenization.saved_names import check_saved_names


@dataclass(frozen=True)
class PushResult:
    """Result of a push.

    Args:
        commit: The commit on the hub.
        files: Files of the checkpoint.
        left_out: Files and folders that were not uploaded, because they are not part of a checkpoint.
    """

    commit: CommitInfo
    files: list[str]
    left_out: list[str]

    @property
    def url(self) -> str:
        """The pull request, or the commit."""
        return str(self.commit.pr_url or self.commit.commit_url)


def push(
    checkpoint: str | os.PathLike[str], repository: str, *, dtype: str | None = None, **options: Any
) -> PushResult:
    """Upload a checkpoint to the hub in one commit: model, catalogue, tokenizer, code and card. Also uploads adapters.

    A whole checkpoint gets `handler.py` and `requirements.txt` for inference endpoints; see `endpoint_files`.

    Args:
        checkpoint: A folder, or NAMESPACE/NAME on the hub to copy.
        repository: NAMESPACE/NAME; created if it does not exist.
        dtype: "fp16" or "bf16" to upload weights with 16 bits per number; None for those of the checkpoint.
        **options: Arguments of `push_folder`: `private`, `revision`, `create_pr`, `tag`, `message`, `base_repo`, ...

    Raises:
        ValueError: If a file of the checkpoint is damaged, a stored name is personal data, or `repository` is not
            NAMESPACE/NAME.
        OSError: If there is no such checkpoint.

    Example (not run: it writes to the hub):
        push("CKPT", "me/my-shop", private=True).url
    """
    if repository.count("/") != 1:
        raise ValueError(f"repository={repository!r} is not the name of a repository; give NAMESPACE/NAME")
    folder = locate_checkpoint(checkpoint, files=SHARED)
    if (folder / "config.json").is_file() or not is_adapter(folder):
        check_checkpoint(folder, os.fspath(checkpoint))
    else:
        check_adapter(folder, os.fspath(checkpoint))
    check_saved_names(saved_event_settings(folder))
    added = endpoint_files(folder)
    with with_stored_type(folder, shared_files(folder, [*SHARED, *added]), dtype) as place:
        commit = push_folder(place, repository, added=added, **options)
    pushed = sorted({*shared_files(folder), *added})
    left = sorted({path.name for path in folder.iterdir()} - {path.partition("/")[0] for path in pushed})
    return PushResult(commit, pushed, left)
