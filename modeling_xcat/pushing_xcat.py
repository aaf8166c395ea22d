"""Upload of a checkpoint folder to the hub as one commit."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi

from .hub_xcat import CARRIED, HUB_ERRORS, REPOSITORY, hub_error, is_local, without_folders
from .saving_xcat import ADAPTER_CONFIG, MODEL

SHARED = (*CARRIED, "*.py", "README.md", "LICENSE*", ".eval_results/*")
"""Other files of a repository: code for users without the package, card, results."""

CHECKPOINT = (*MODEL, "config.json", "items.arrow", "policy.json")
"""Files of a checkpoint that a push deletes from the repository if the new one lacks them."""

NOTHING_RECORDED = "Its training data and quality were not recorded."
"""Text in the card of a model without records."""

CARD = f"""---
library_name: xcat-rec
pipeline_tag: other
tags:
- recommendation
---

# {{title}}

A recommender made with xcat-rec. {NOTHING_RECORDED}

```python
from xcat_rec import XCatRecommender

recommender = XCatRecommender.from_pretrained("{{name}}")
```
"""
"""The card of a model without records."""

NO_CARD = "[More Information Needed]"
"""Text in the template that transformers writes without a card."""

_BASE = "base_model_name_or_path"


def push_folder(
    folder: str | os.PathLike[str],
    repository: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    tag: str | None = None,
    message: str = "Upload checkpoint",
    description: str | None = None,
    token: str | bool | None = None,
    path_in_repo: str = "",
    files: Sequence[str] = SHARED,
    replaced: Sequence[str] = CHECKPOINT,
    base_repo: str | None = None,
    added: Mapping[str, bytes] | None = None,
) -> CommitInfo:
    """Upload the files of a checkpoint to a repository, in one commit that replaces the weights.

    One commit, so that nobody loads a partial checkpoint; `HfApi.upload_folder` makes several if Xet is installed. The
    commit names its parent, so the second of two simultaneous pushes is refused. Local folders are removed from
    settings, and an empty card template is not uploaded.

    Args:
        folder: The checkpoint.
        repository: NAMESPACE/NAME; created if it does not exist.
        private: Whether a new repository is private; None for the namespace's default.
        revision: Branch to push to, created from the main branch if needed; None for the main branch.
        create_pr: Whether to open a pull request instead of changing the branch.
        tag: Name to give the commit.
        message: Title of the commit.
        description: Description of the commit.
        token: Token for the hub; None for `HF_TOKEN` or the token of `hf auth login`.
        path_in_repo: Folder of the repository to put the files in.
        files: Patterns of the files to push.
        replaced: Patterns of files to delete from the repository if the folder lacks them.
        base_repo: Repository of the base, for an adapter; None for the base stored in the adapter.
        added: Content of further files by path, unless the folder has a file of that name.

    Returns:
        The commit.

    Raises:
        OSError: If the hub refuses or cannot be reached; then nothing was changed, and a later push uploads only the
            missing files.
        ValueError: If the options exclude each other, the tag is taken, a public repository should be private, or
            an adapter has a local folder as its base.
    """
    if create_pr and (tag is not None or revision is not None):
        raise ValueError("a pull request goes to the main branch and has no tag; leave revision= and tag= out")
    target = _Target(HfApi(token=token), repository, revision, create_pr, tag, message, description)
    place = Path(folder)
    changed = changed_files(place, repository, files, base_repo)
    new = {path: text for path, text in (added or {}).items() if not (place / path).exists()}
    content = _Content(place, path_in_repo, [*files, *(added or ())], replaced, {**changed, **new})
    try:
        return _push(content, target, private)
    except (*HUB_ERRORS, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error, RuntimeError) else error  # from an upload in a thread
        if not isinstance(cause, HUB_ERRORS):
            raise
        raise hub_error(cause, repository, revision) from error


@dataclass(frozen=True)
class _Target:
    api: HfApi
    repository: str
    revision: str | None
    create_pr: bool
    tag: str | None
    message: str
    description: str | None


@dataclass(frozen=True)
class _Content:
    folder: Path
    path_in_repo: str
    files: Sequence[str]
    replaced: Sequence[str]
    changed: dict[str, bytes]


def _push(content: _Content, to: _Target, private: bool | None) -> CommitInfo:
    name = to.api.create_repo(to.repository, private=private, exist_ok=True).repo_id
    if private and not to.api.model_info(name).private:
        raise ValueError(f"{name} exists and is public; make it private in its settings or give another name")
    if to.tag is not None and to.tag in {ref.name for ref in to.api.list_repo_refs(name).tags}:
        raise ValueError(f"{name} has a tag {to.tag!r} already; give another")
    if to.revision is not None and not to.revision.startswith("refs/pr/"):
        to.api.create_branch(name, branch=to.revision, exist_ok=True)
    info = to.api.model_info(name, revision=to.revision)
    with warnings.catch_warnings():
        # The client warns about Arrow files in a model repository, but the catalogue belongs there.
        warnings.filterwarnings("ignore", message="It seems that you are about to commit a data file")
        commit = to.api.create_commit(
            name,
            _operations(content, [file.rfilename for file in info.siblings or ()]),
            commit_message=to.message,
            commit_description=to.description,
            revision=to.revision,
            create_pr=to.create_pr,
            parent_commit=None if to.create_pr else info.sha,
        )
    if to.tag is not None:
        to.api.create_tag(name, tag=to.tag, revision=commit.oid)
    return commit


def shared_files(folder: Path, files: Sequence[str] = SHARED) -> list[str]:
    """Paths of a folder's files to push: files in the folder itself and in `.eval_results`."""
    inside = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path for path in inside if any(_fits(path, pattern) for pattern in files)]


def changed_files(
    folder: Path, repository: str, files: Sequence[str] = SHARED, base_repo: str | None = None
) -> dict[str, bytes]:
    """Content of files that are changed for the hub.

    Args:
        folder: The checkpoint.
        repository: NAMESPACE/NAME of the target.
        files: Patterns of the files to push.
        base_repo: Repository of the base, for an adapter.

    Returns:
        Path to content: settings without local folders, an adapter with the repository of its base, and a card instead
        of an empty template.

    Raises:
        ValueError: If an adapter has a folder as its base, or `base_repo` is given without an adapter.
    """
    if base_repo is not None and not REPOSITORY.fullmatch(base_repo):
        raise ValueError(f"{base_repo} is not the name of a repository; give NAMESPACE/NAME of the base")
    if base_repo is not None and not (folder / ADAPTER_CONFIG).is_file():
        raise ValueError(f"{folder} is not an adapter and has no base; leave base_repo={base_repo!r} out")
    changed: dict[str, bytes] = {}
    for path in shared_files(folder, files):
        name = Path(path).name
        if name == "README.md" and NO_CARD in (text := (folder / path).read_text(encoding="utf-8")):
            changed[path] = CARD.format(title=repository.rpartition("/")[2], name=repository).encode()
        elif name.endswith(".json") and '_or_path"' in (text := (folder / path).read_text(encoding="utf-8")):
            settings = without_folders(json.loads(text))
            if name == ADAPTER_CONFIG:
                settings[_BASE] = base_repo or settings.get(_BASE)
                check_base_name(settings[_BASE], str(folder))
            if settings != json.loads(text):
                changed[path] = (json.dumps(settings, indent=2, ensure_ascii=False) + "\n").encode()
    return changed


def check_base_name(base: str | None, adapter: str) -> None:
    """Refuse to share an adapter whose base others cannot find.

    Args:
        base: The base stored in the adapter.
        adapter: Name of the adapter, for errors.

    Raises:
        ValueError: If it is empty or a folder.
    """
    if not base or is_local(base):
        reason = "has no base" if not base else "has a folder of this machine as its base"
        raise ValueError(
            f"the adapter {adapter} {reason}, which others cannot find; push the base too and name its repository: "
            f"base_repo='NAMESPACE/NAME', or {_BASE} in the adapter's configuration"
        )


def _operations(content: _Content, held: Sequence[str]) -> list[Any]:
    place = content.path_in_repo.strip("/")
    prefix = f"{place}/" if place else ""
    paths = sorted({*shared_files(content.folder, content.files), *content.changed})
    new = {prefix + path for path in paths}
    stale = [
        path for path in held if path not in new and any(_fits(path, prefix + pattern) for pattern in content.replaced)
    ]
    return [
        *(CommitOperationDelete(path) for path in stale),
        *(CommitOperationAdd(prefix + path, content.changed.get(path, str(content.folder / path))) for path in paths),
    ]


def _fits(path: str, pattern: str) -> bool:
    return fnmatch(path, pattern) and path.count("/") == pattern.count("/")
