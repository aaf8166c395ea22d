"""Responses of the hub on loopback: accounts, repositories, refs, commits with large files, downloads."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qs

from .repositories import LFS_SIZE, LFS_SUFFIXES, Commit, HubError, Repository
from .wire import Handler, route

KINDS = r"(?P<kind>model|dataset|space)s"
NAME = r"(?P<name>[^/]+/[^/]+?)"
REVISION = r"(?P<revision>[^/]+)"


class HubApi(Handler):
    """The pages of the hub, each a method of the request's handler."""

    # Accounts and repositories

    @route("GET", "/api/whoami-v2")
    def whoami(self) -> None:
        name = self._writer()
        role = {"accessToken": {"role": "write", "displayName": "test"}}
        self.answer({"type": "user", "name": name, "fullname": name, "orgs": [], "auth": role})

    @route("POST", "/api/validate-yaml")
    def validate_yaml(self) -> None:
        """The hub accepts a card whose metadata, if there is any, names its licence by a plain word."""
        given = self.json()
        licence = re.search(r"^license:[ ]*(\S*)[ ]*$", given["content"], re.MULTILINE)
        bad = licence is not None and not re.fullmatch(r"[\w.-]+", licence[1])
        errors = [{"message": '"license" must be a licence id'}] if bad else []
        self.answer({"errors": errors, "warnings": []}, 400 if errors else 200)

    @route("POST", "/api/repos/create")
    def create_repo(self) -> None:
        given = self.json()
        owner = given.get("organization") or self._writer()
        self._writer(owner=owner)
        kind, name = given.get("type") or "model", f"{owner}/{given['name']}"
        private = given.get("visibility") == "private" or bool(given.get("private"))
        prefix = "" if kind == "model" else f"{kind}s/"
        url = f"{self.hub.endpoint}/{prefix}{name}"
        with self.hub.store.lock:
            if (kind, name) in self.hub.store.repositories:
                self.answer({"error": "You already created this repo", "url": url}, 409)
                return
            self.hub.store.create(kind, name, owner, private=private, sdk=given.get("sdk"))
        self.answer({"url": url, "name": name})

    @route("DELETE", "/api/repos/delete")
    def delete_repo(self) -> None:
        given = self.json()
        key = given.get("type") or "model", f"{given.get('organization') or self._writer()}/{given['name']}"
        with self.hub.store.lock:
            self._writer(self.hub.store.find(*key, self.user))
            del self.hub.store.repositories[key]
        self.answer({})

    @route("POST", "/api/repos/move")
    def move_repo(self) -> None:
        given = self.json()
        with self.hub.store.lock:
            repository = self.hub.store.find(given["type"], given["fromRepo"], self.user)
            self._writer(repository)
            del self.hub.store.repositories[given["type"], given["fromRepo"]]
            repository.name = given["toRepo"]
            self.hub.store.repositories[given["type"], given["toRepo"]] = repository
        self.answer({})

    @route("GET", r"/api/(?P<listed>model|dataset|space)s")
    def list_repos(self, listed: str) -> None:
        author, word = (self.query.get(name, [""])[0] for name in ("author", "search"))
        found = [
            repository.info(repository.at("main"))
            for (kind, name), repository in sorted(self.hub.store.repositories.items())
            if kind == listed and word in name and author in ("", repository.owner)
            and (not repository.private or repository.owner == self.user)
        ]  # fmt: skip
        self.answer(found[: int(self.query.get("limit", ["1000"])[0])])

    @route("PUT", f"/api/{KINDS}/{NAME}/settings")
    def change_settings(self, repository: Repository) -> None:
        self._writer(repository)
        given = self.json()
        repository.private = given.get("visibility", "private" if given.get("private") else "public") == "private"
        repository.gated = bool(given.get("gated", repository.gated))
        self.answer({"private": repository.private, "gated": repository.gated})

    # What is in a repository

    @route("GET", f"/api/{KINDS}/{NAME}(/revision/{REVISION})?")
    def info(self, repository: Repository, revision: str) -> None:
        self.answer(repository.info(repository.at(revision or "main")))

    @route("GET", f"/api/{KINDS}/{NAME}/auth-check(/write)?")
    def auth_check(self, repository: Repository) -> None:
        self._check_gate(repository)
        self.answer({})

    @route("GET", f"/api/{KINDS}/{NAME}/tree/{REVISION}(/(?P<folder>.*))?")
    def tree(self, repository: Repository, revision: str, folder: str) -> None:
        recursive = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        self.answer(repository.at(revision).listing(folder, recursive))

    @route("POST", f"/api/{KINDS}/{NAME}/paths-info/{REVISION}")
    def paths_info(self, repository: Repository, revision: str) -> None:
        form = self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
        paths = parse_qs(self.body.decode()).get("paths", []) if form else self.json()["paths"]
        commit = repository.at(revision)
        known = {entry["path"]: entry for entry in commit.listing()}
        self.answer([known[path.strip("/")] for path in paths if path.strip("/") in known])

    @route("GET", f"/api/{KINDS}/{NAME}/commits/{REVISION}")
    def commits(self, repository: Repository, revision: str) -> None:
        commit: Commit | None = repository.at(revision)
        listed = []
        while commit is not None:
            author = {"user": commit.author, "avatar": ""}
            listed.append({
                "id": commit.oid, "title": commit.title, "message": commit.message, "date": commit.date,
                "authors": [author],
            })  # fmt: skip
            commit = commit.parent
        self.answer(listed)

    @route("GET", f"/api/{KINDS}/{NAME}/refs")
    def refs(self, repository: Repository) -> None:
        self.answer(repository.listed_refs())

    @route("POST", f"/api/{KINDS}/{NAME}/branch/(?P<branch>.+)")
    def add_branch(self, repository: Repository, branch: str) -> None:
        self._writer(repository)
        with self.hub.store.lock:
            repository.add_ref(f"refs/heads/{branch}", repository.at(self.json().get("startingPoint") or "main"))
        self.answer({})

    @route("POST", f"/api/{KINDS}/{NAME}/tag/{REVISION}")
    def add_tag(self, repository: Repository, revision: str) -> None:
        self._writer(repository)
        with self.hub.store.lock:
            repository.add_ref(f"refs/tags/{self.json()['tag']}", repository.at(revision))
        self.answer({})

    @route("DELETE", f"/api/{KINDS}/{NAME}/(?P<group>branch|tag)/(?P<ref>.+)")
    def delete_ref(self, repository: Repository, group: str, ref: str) -> None:
        self._writer(repository)
        name = f"refs/{'heads' if group == 'branch' else 'tags'}/{ref}"
        if repository.refs.pop(name, None) is None:
            raise HubError(404, "RevisionNotFound", f"{name} does not exist")
        self.answer({})

    # Commits

    @route("POST", f"/api/{KINDS}/{NAME}/preupload/{REVISION}")
    def preupload(self, repository: Repository, revision: str) -> None:
        self._committer(repository)
        commit, files = repository.at(revision), []
        for given in self.json()["files"]:
            path, held = given["path"], commit.files.get(given["path"])
            large = path.endswith(LFS_SUFFIXES) or given["size"] > LFS_SIZE
            oid = {} if held is None else {"oid": held.etag}
            mode = "lfs" if large else "regular"
            files.append({"path": path, "uploadMode": mode, "shouldIgnore": False, **oid})
        self.answer({"files": files, "commitOid": commit.oid})

    @route("POST", f"/api/{KINDS}/{NAME}/commit/{REVISION}")
    def commit(self, repository: Repository, revision: str) -> None:
        author = self._committer(repository)
        lines = [json.loads(line) for line in self.body.splitlines() if line]
        create_pr = self.query.get("create_pr", ["0"])[0] == "1"
        with self.hub.store.lock:
            made, request = self.hub.store.commit(repository, revision, lines, author, create_pr)
        base = f"{self.hub.endpoint}/{'' if repository.kind == 'model' else repository.kind + 's/'}{repository.name}"
        answer = {"success": True, "commitOid": made.oid, "commitUrl": f"{base}/commit/{made.oid}"}
        if request is not None:
            answer["pullRequestUrl"] = f"{base}/discussions/{request.rpartition('/')[2]}"
        self.answer(answer)

    def _committer(self, repository: Repository) -> str:
        """Everybody may propose a pull request; other commits are the owner's."""
        return self._writer() if self.query.get("create_pr", ["0"])[0] == "1" else self._writer(repository)

    @route("POST", r"/((?P<kind>dataset|space)s/)?" + NAME + r"\.git/info/lfs/objects/batch")
    def lfs_batch(self, repository: Repository) -> None:
        self._writer()
        objects = []
        for wanted in self.json()["objects"]:
            oid = wanted["oid"]
            entry: dict[str, Any] = {"oid": oid, "size": wanted["size"], "authenticated": True}
            if oid not in self.hub.store.large:
                actions = {"upload": {"href": f"{self.hub.endpoint}/lfs/{oid}", "header": {}}}
                entry["actions"] = {**actions, "verify": {"href": f"{self.hub.endpoint}/lfs/verify", "header": {}}}
            objects.append(entry)
        self.answer({"transfer": "basic", "objects": objects})

    @route("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})")
    def lfs_put(self, oid: str) -> None:
        """Take a large file, whole and with the hash it was announced by."""
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise HubError(400, "BadRequest", "the content does not have the announced hash")
        self.hub.store.large[oid] = self.body
        self.answer(b"", headers={"ETag": f'"{oid}"'})

    @route("POST", "/lfs/verify")
    def lfs_verify(self) -> None:
        given = self.json()
        if len(self.hub.store.large.get(given["oid"], b"")) != given["size"]:
            raise HubError(404, "EntryNotFound", "no such object")
        self.answer({})

    # Downloads

    def _check_gate(self, repository: Repository) -> None:
        if repository.gated and self.user != repository.owner and self.user not in repository.granted:
            status = 403 if self.user else 401
            raise HubError(status, "GatedRepo", f"Access to {repository.name} is restricted; ask for it on its page")

    @route("GET", r"/((?P<kind>dataset|space)s/)?" + NAME + f"/resolve/{REVISION}/(?P<path>.+)")
    def resolve(self, repository: Repository, revision: str, path: str) -> None:
        self._check_gate(repository)
        commit, file = repository.file(revision, path)
        headers = {
            "Content-Type": "application/octet-stream", "ETag": f'"{file.etag}"', "X-Repo-Commit": commit.oid,
            "Accept-Ranges": "bytes",
        }  # fmt: skip
        if file.sha256 is not None:
            headers |= {"X-Linked-ETag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            self.answer(file.content, headers=headers)
            return
        start, end = int(wanted[1]), min(int(wanted[2] or file.size - 1), file.size - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{file.size}"
        self.answer(file.content[start : end + 1], 206, headers)
