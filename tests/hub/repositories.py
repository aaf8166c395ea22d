"""State of a hub: repositories with commits, branches, tags and pull requests, and large files by their hash."""

from __future__ import annotations

import base64
import hashlib
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

MAIN = "refs/heads/main"
LFS_SUFFIXES = (".arrow", ".bin", ".parquet", ".pt", ".safetensors")
LFS_SIZE = 10 << 20
GIT_ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES).encode()


class HubError(Exception):
    """An error response: the status, `X-Error-Code` and `X-Error-Message`."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}


@dataclass(frozen=True)
class File:
    """A file of a commit; `sha256` is the hash of the content if it is stored as a large file."""

    content: bytes
    sha256: str | None = None

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def git_oid(self) -> str:
        """The git hash of the blob; for a large file the hash of its pointer."""
        content = self.content
        if self.sha256 is not None:
            content = (
                f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n".encode()
            )
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 or self.git_oid


@dataclass(frozen=True)
class Commit:
    """A state of all files."""

    oid: str
    title: str
    message: str
    author: str
    date: str
    files: dict[str, File]
    parent: Commit | None = None

    def listing(self, folder: str = "", recursive: bool = True) -> list[dict[str, Any]]:
        """Files and folders below a folder, as the tree answers list them."""
        prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
        entries: dict[str, dict[str, Any]] = {}
        for path, file in sorted(self.files.items()):
            if not path.startswith(prefix):
                continue
            parts = path.removeprefix(prefix).split("/")
            for depth in range(1, len(parts) if recursive else min(2, len(parts))):
                name = prefix + "/".join(parts[:depth])
                oid = hashlib.sha1(name.encode()).hexdigest()
                entries.setdefault(name, {"type": "directory", "path": name, "oid": oid, "size": 0})
            if recursive or len(parts) == 1:
                entries[path] = describe(path, file)
        if prefix and not entries:
            raise HubError(404, "EntryNotFound", f"{folder} does not exist on this revision")
        return list(entries.values())


def describe(path: str, file: File) -> dict[str, Any]:
    """One file, as the tree and paths-info answers describe it."""
    entry: dict[str, Any] = {"type": "file", "path": path, "oid": file.git_oid, "size": file.size}
    if file.sha256 is not None:
        entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 130}
    return entry


@dataclass
class Repository:
    """One repository; `kind` is model, dataset or space."""

    kind: str
    name: str
    owner: str
    private: bool = False
    gated: bool = False
    granted: set[str] = field(default_factory=set)
    sdk: str | None = None
    refs: dict[str, Commit] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    pull_requests: int = 0
    created: str = field(default_factory=lambda: now())

    def __post_init__(self) -> None:
        self.add_commit(MAIN, {".gitattributes": File(GIT_ATTRIBUTES)}, "initial commit", "", self.owner)

    def add_commit(self, ref: str, files: dict[str, File], title: str, message: str, author: str) -> Commit:
        """Put a new state of all files at a ref."""
        parent = self.refs.get(ref)
        told = "\0".join([
            parent.oid if parent else "", title, message, str(len(self.commits)), self.kind, self.name,
            *(f"{path}:{file.etag}" for path, file in sorted(files.items())),
        ])  # fmt: skip
        commit = Commit(hashlib.sha1(told.encode()).hexdigest(), title, message, author, now(), dict(files), parent)
        self.refs[ref] = self.commits[commit.oid] = commit
        return commit

    def ref_of(self, revision: str) -> str | None:
        """The full name of a branch, tag or pull request."""
        for name in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"):
            if name in self.refs:
                return name
        return None

    def at(self, revision: str) -> Commit:
        """The commit a revision names."""
        ref = self.ref_of(revision)
        if ref is not None:
            return self.refs[ref]
        if revision in self.commits:
            return self.commits[revision]
        raise HubError(404, "RevisionNotFound", f"Invalid rev id: {revision}")

    def file(self, revision: str, path: str) -> tuple[Commit, File]:
        """A file at a revision."""
        commit = self.at(revision)
        if path not in commit.files:
            headers = {"X-Repo-Commit": commit.oid}
            raise HubError(404, "EntryNotFound", f"{path} does not exist on {revision}", headers)
        return commit, commit.files[path]

    def add_ref(self, name: str, target: Commit) -> None:
        """A new branch or tag."""
        if name in self.refs:
            raise HubError(409, "Conflict", f"Reference already exists: {name}")
        self.refs[name] = target

    def info(self, commit: Commit) -> dict[str, Any]:
        """Response of the repository's page."""
        return {
            "_id": hashlib.sha1(f"{self.kind}:{self.name}".encode()).hexdigest()[:24], "id": self.name,
            "modelId": self.name, "author": self.owner, "sha": commit.oid, "lastModified": commit.date,
            "createdAt": self.created, "private": self.private, "gated": "auto" if self.gated else False,
            "disabled": False, "downloads": 0, "likes": 0, "tags": [], "sdk": self.sdk,
            "siblings": [{"rfilename": path} for path in sorted(commit.files)],
        }  # fmt: skip

    def listed_refs(self) -> dict[str, Any]:
        """Branches, tags and pull requests."""
        groups: dict[str, Any] = {"branches": [], "converts": [], "tags": [], "pullRequests": []}
        for ref, commit in self.refs.items():
            kind = {"heads": "branches", "tags": "tags", "pr": "pullRequests"}[ref.split("/")[1]]
            name = ref.split("/", 2)[2]
            groups[kind].append({"name": name, "ref": ref, "targetCommit": commit.oid})
        return groups


class Store:
    """All repositories and users of a hub.

    Attributes:
        users: Token to user name.
        large: Content of large files by SHA-256; it comes here before the commit that names it.
    """

    def __init__(self) -> None:
        self.users: dict[str, str] = {}
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.large: dict[str, bytes] = {}
        self.lock = threading.RLock()

    def create(self, kind: str, name: str, owner: str, **settings: Any) -> Repository:
        """A new, empty repository."""
        if (kind, name) in self.repositories:
            raise HubError(409, "Conflict", "You already created this repo")
        repository = self.repositories[kind, name] = Repository(kind, name, owner, **settings)
        return repository

    def find(self, kind: str, name: str, user: str | None) -> Repository:
        """A repository that a user may see; another user's private one does not exist for them."""
        repository = self.repositories.get((kind, name))
        if repository is None or (repository.private and user != repository.owner):
            raise HubError(404 if user else 401, "RepoNotFound", "Repository not found")
        return repository

    def commit(
        self, repository: Repository, revision: str, lines: list[dict[str, Any]], author: str, create_pr: bool
    ) -> tuple[Commit, str | None]:
        """Apply the lines of a commit, all or none; the commit, and the ref of the pull request it made."""
        header = next(line["value"] for line in lines if line["key"] == "header")
        base = repository.at(revision)
        ref = repository.ref_of(revision)
        if header.get("parentCommit") not in (None, base.oid) and not create_pr:
            raise HubError(412, "PreconditionFailed", "A commit has happened since. Please refresh and try again.")
        files = dict(base.files)
        for line in lines:
            self._apply(repository, files, line["key"], line["value"])
        request = None
        if create_pr:
            repository.pull_requests += 1
            ref = request = f"refs/pr/{repository.pull_requests}"
            repository.refs[ref] = base
        if ref is None or ref.startswith("refs/tags/"):
            raise HubError(400, "BadRequest", f"{revision} is no branch; commits go to branches")
        return repository.add_commit(ref, files, header["summary"], header.get("description", ""), author), request

    def _apply(self, repository: Repository, files: dict[str, File], key: str, value: dict[str, Any]) -> None:
        path = value.get("path", "")
        if ".." in path.split("/") or path.startswith("/"):
            raise HubError(400, "BadRequest", f"{path} is no path in a repository")
        if key == "file":
            files[path] = File(base64.b64decode(value["content"]))
        elif key == "lfsFile":
            content = self.large.get(value["oid"])
            if content is None or len(content) != value["size"]:
                raise HubError(400, "BadRequest", f"LFS pointer of {path} names an object that was not uploaded")
            files[path] = File(content, value["oid"])
        elif key == "deletedFile":
            if files.pop(path, None) is None:
                raise HubError(404, "EntryNotFound", "A file with this name doesn't exist")
        elif key == "deletedFolder":
            for name in [name for name in files if name.startswith(path.rstrip("/") + "/")]:
                del files[name]
        elif key == "copyFile":
            files[path] = repository.file(value.get("srcRevision") or "main", value["srcPath"])[1]


def now() -> str:
    """This moment as the hub writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
