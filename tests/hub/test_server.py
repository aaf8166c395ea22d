"""The hub on loopback works with the real clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Client
from .repositories import File
from .server import Hub
from .wire import Fault

REPOSITORIES = """
import json
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

api = HfApi()
assert api.whoami()["name"] == "alice"
for kind, sdk in (("model", None), ("dataset", None), ("space", "gradio")):
    name = f"alice/{kind}"
    url = api.create_repo(name, repo_type=kind, space_sdk=sdk)
    assert url.repo_id == name and url.repo_type == kind
    assert api.create_repo(name, repo_type=kind, space_sdk=sdk, exist_ok=True).repo_id == name
    try:
        api.create_repo(name, repo_type=kind, space_sdk=sdk)
        raise SystemExit("created twice")
    except HfHubHTTPError as error:
        assert error.response.status_code == 409
    first = api.create_commit(
        name,
        [
            CommitOperationAdd("README.md", b"# hello"),
            CommitOperationAdd("deep/er/weights.safetensors", b"w" * 1000),
            CommitOperationAdd("deep/note.txt", b"first"),
        ],
        commit_message="first", repo_type=kind,
    )
    api.create_tag(name, tag="v1", repo_type=kind)
    second = api.create_commit(
        name,
        [
            CommitOperationAdd("deep/note.txt", b"second"),
            CommitOperationCopy("README.md", "copy.md"),
            CommitOperationDelete("deep/er/", is_folder=True),
        ],
        commit_message="second", repo_type=kind, parent_commit=first.oid,
    )
    read = lambda path, revision=None: open(hf_hub_download(name, path, repo_type=kind, revision=revision)).read()
    assert read("deep/note.txt") == "second" and read("deep/note.txt", "v1") == "first"
    assert read("deep/er/weights.safetensors", first.oid) == "w" * 1000 and read("copy.md") == "# hello"
    assert api.list_repo_files(name, repo_type=kind) == [".gitattributes", "README.md", "copy.md", "deep/note.txt"]
    tree = {f.path: f for f in api.list_repo_tree(name, "deep", recursive=True, repo_type=kind, revision="v1")}
    assert tree["deep/er/weights.safetensors"].lfs.size == 1000 and "deep/er" in tree
    found = api.get_paths_info(name, ["deep", "README.md", "nothing"], repo_type=kind)
    assert [f.path for f in found] == ["deep", "README.md"]
    assert [c.title for c in api.list_repo_commits(name, repo_type=kind)] == ["second", "first", "initial commit"]
    api.create_branch(name, branch="trial", revision="v1", repo_type=kind)
    request = api.create_commit(
        name, [CommitOperationAdd("new.txt", b"?")], commit_message="ask", repo_type=kind, create_pr=True
    )
    assert request.pr_revision == "refs/pr/1" and read("new.txt", "refs/pr/1") == "?"
    refs = api.list_repo_refs(name, repo_type=kind, include_pull_requests=True)
    assert {ref.name for ref in refs.branches} == {"main", "trial"} and refs.tags[0].target_commit == first.oid
    assert refs.pull_requests[0].ref == "refs/pr/1"
    for wrong, kind_of_error in (
        (lambda: read("nothing.txt"), EntryNotFoundError),
        (lambda: read("README.md", "v9"), RevisionNotFoundError),
        (lambda: api.repo_info("alice/nobody", repo_type=kind), RepositoryNotFoundError),
    ):
        try:
            wrong()
            raise SystemExit("no error")
        except kind_of_error:
            pass
    try:
        api.create_commit(
            name, [CommitOperationAdd("late.txt", b"late")], commit_message="late", repo_type=kind,
            parent_commit=first.oid,
        )
        raise SystemExit("a commit on an old parent")
    except HfHubHTTPError as error:
        assert error.response.status_code == 412
    api.delete_branch(name, branch="trial", repo_type=kind)
    api.delete_tag(name, tag="v1", repo_type=kind)
    assert not api.list_repo_refs(name, repo_type=kind).tags
api.update_repo_settings("alice/model", private=True)
assert [m.id for m in api.list_models(author="alice")] == ["alice/model"]
assert [d.id for d in api.list_datasets(search="data")] == ["alice/dataset"]
api.move_repo("alice/model", "alice/renamed")
assert api.model_info("alice/renamed").private
api.delete_repo("alice/space", repo_type="space")
assert not list(api.list_spaces())
print(json.dumps("done"))
"""


def test_repositories_of_all_kinds(alice: Client) -> None:
    assert alice.tell(REPOSITORIES) == "done"


ACCESS = """
import json
from huggingface_hub import HfApi, hf_hub_download

told = {}
for name in ("alice/private", "alice/gated", "alice/open"):
    try:
        told[name] = open(hf_hub_download(name, "a.txt")).read()
    except Exception as error:
        told[name] = type(error).__name__
try:
    HfApi().upload_file(path_or_fileobj=b"mine", path_in_repo="b.txt", repo_id="alice/open")
    told["write"] = "done"
except Exception as error:
    told["write"] = str(error.response.status_code)
told["listed"] = [m.id for m in HfApi().list_models()]
print(json.dumps(told))
"""


@pytest.mark.slow
def test_private_and_gated_repositories(hub: Hub, alice: Client, stranger: Client, tmp_path: Path) -> None:
    for name in ("private", "gated", "open"):
        made = hub.store.create("model", f"alice/{name}", "alice", private=name == "private", gated=name == "gated")
        made.add_commit("refs/heads/main", {"a.txt": File(name.encode())}, "add", "", "alice")
    open_to_all = {"alice/open": "open", "listed": ["alice/gated", "alice/open"]}
    refused = {"alice/private": "RepositoryNotFoundError", "alice/gated": "GatedRepoError"}
    assert stranger.tell(ACCESS) == {**open_to_all, **refused, "write": "401"}
    bob = Client(hub, tmp_path / "bob", hub.add_user("bob"))
    assert bob.tell(ACCESS) == {**open_to_all, **refused, "write": "403"}
    hub.repository("alice/gated").granted.add("bob")
    assert Client(hub, tmp_path / "bob-again", bob.token).tell(ACCESS)["alice/gated"] == "gated"
    told = alice.tell(ACCESS)
    assert told == {
        "alice/private": "private", "alice/gated": "gated", "alice/open": "open", "write": "done",
        "listed": ["alice/gated", "alice/open", "alice/private"],
    }  # fmt: skip


UPLOAD = """
import json, sys
from huggingface_hub import HfApi, hf_hub_download

api = HfApi()
api.create_repo("alice/large", exist_ok=True)
api.upload_file(path_or_fileobj=b"x" * 3_000_000, path_in_repo="model.safetensors", repo_id="alice/large")
print(json.dumps(len(open(hf_hub_download("alice/large", "model.safetensors"), "rb").read())))
"""


FAULTS = [
    {"method": "PUT", "path": "/lfs/", "status": 500},
    {"method": "PUT", "path": "/lfs/", "status": 429, "retry_after": 1},
    {"method": "PUT", "path": "/lfs/", "after_bytes": 1_000_000},
    {"method": "POST", "path": "/preupload/", "status": 503},
    {"method": "GET", "path": "/resolve/.*safetensors", "after_bytes": 1_000_000},
]
"""An error, a demand to wait, a dropped upload, an error elsewhere, a dropped download."""


@pytest.mark.slow
def test_passing_faults_are_survived(hub: Hub, alice: Client) -> None:
    met = [Fault(**fault) for fault in FAULTS]
    hub.faults += met
    assert alice.tell(UPLOAD) == 3_000_000
    assert [fault.times for fault in met] == [0] * len(met)


DATASETS = """
import json
from datasets import Dataset, load_dataset

Dataset.from_dict({"item_id": ["a", "b"], "title": ["tent", "boots"]}).push_to_hub("alice/shop", private=True)
told = load_dataset("alice/shop", split="train")
print(json.dumps(told["title"][:] if not isinstance(told["title"], list) else told["title"]))
"""


def test_the_datasets_client(hub: Hub, alice: Client) -> None:
    assert alice.tell(DATASETS) == ["tent", "boots"]
    assert hub.repository("alice/shop", "dataset").private
