"""Faults of the hub and of the pusher: nothing half-written loads, the error states a remedy, and a retry succeeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from xcat_rec.modeling_xcat.pushing_xcat import changed_files

from .checkpoints import save_checkpoint
from .conftest import Client
from .server import Hub
from .wire import Fault

WITHOUT_WAITING = "import time; time.sleep = lambda seconds: None\n"
"""The client waits 23 s in all between its six attempts."""
ATTEMPTS = 6


def test_a_hub_out_of_order(hub: Hub, alice: Client, tmp_path: Path) -> None:
    folder = str(save_checkpoint(tmp_path / "checkpoint"))
    large = 2 * ATTEMPTS  # the weights and the catalogue
    hub.faults += [
        Fault("PUT", "/lfs/[0-9a-f]+", after_bytes=5000, times=large),
        Fault("POST", "/alice/broken/preupload/", status=500, times=ATTEMPTS),
        Fault("POST", "/alice/busy/preupload/", status=429, retry_after=7, times=ATTEMPTS),
        Fault("GET", "/models/alice/late/revision/|/models/alice/late$", status=503, times=99),
    ]
    names = ("dropped", "broken", "busy")
    use = ("--history", "item-03")
    told = alice.commands(
        *(arguments for name in names for arguments in (
            ["push", folder, f"alice/{name}"],
            ["recommend", f"alice/{name}", *use],
            ["push", folder, f"alice/{name}"],
            ["recommend", f"alice/{name}", *use],
        )),
        ["recommend", "alice/late", *use],
        before=WITHOUT_WAITING,
    )  # fmt: skip
    words = {"dropped": "no connection to http", "broken": "server error (500)", "busy": "(429); try again in 7 s"}
    for number, name in enumerate(names):
        failed, nothing, pushed, found = told[4 * number : 4 * number + 4]
        last = failed.err.splitlines()[-1]  # earlier lines report the attempts
        assert failed.code == 1 and words[name] in last and "try again" in last, failed.err
        assert nothing.code == 2 and f"alice/{name} is not a checkpoint" in nothing.err, nothing.err
        assert pushed.code == found.code == 0, pushed.err + found.err
        states = [set(commit.files) for commit in hub.repository(f"alice/{name}").commits.values()]
        assert len(states) == 2 and states[0] == {".gitattributes"} and states[1] >= {"items.arrow", "README.md"}
    assert told[-1].code == 1 and "server error (503)" in told[-1].err


TWO_PUSHERS = """
import json, sys, threading
from xcat_rec.modeling_xcat.pushing_xcat import push_folder

told = {}

def push(folder):
    try:
        told[folder] = push_folder(folder, "alice/both").oid
    except OSError as error:
        told[folder] = str(error)

pushers = [threading.Thread(target=push, args=(folder,)) for folder in sys.argv[1:]]
for pusher in pushers:
    pusher.start()
for pusher in pushers:
    pusher.join()
print(json.dumps(told))
"""


@pytest.mark.slow
def test_two_pushers_at_once(hub: Hub, alice: Client, tmp_path: Path) -> None:
    folders = [save_checkpoint(tmp_path / name, seed) for seed, name in enumerate(("one", "other"))]
    hub.store.create("model", "alice/both", "alice")
    with hub.fault(method="POST", path="/alice/both/commit/", delay=1.0, times=2) as met:
        told = alice.tell(TWO_PUSHERS, *map(str, folders))
    assert met.times == 0  # both had reached their commit
    repository = hub.repository("alice/both")
    (winner,) = [folder for folder in folders if told[str(folder)] == repository.at("main").oid]
    (loser,) = [folder for folder in folders if folder != winner]
    assert "another push came first and nothing was changed; push again" in told[str(loser)]
    held = {path: file.content for path, file in repository.at("main").files.items() if path != ".gitattributes"}
    here = {path.name: path.read_bytes() for path in winner.iterdir() if path.is_file()}
    here |= changed_files(winner, "alice/both")  # less the folder of the text encoder
    assert held == here
    (again,) = alice.commands(["push", str(loser), "alice/both"])
    assert again.code == 0
    weights = repository.at("main").files["model.safetensors"].content
    assert weights == (loser / "model.safetensors").read_bytes()


WITHOUT_TOKEN = """
import os

del os.environ["HF_TOKEN"]
err = io.StringIO()
with contextlib.redirect_stderr(err):
    try:
        main(["push", sys.argv[1], "alice/new"])
    except SystemExit as stop:
        print(json.dumps([stop.code, err.getvalue()]))
"""


def test_reasons_to_refuse_a_push(hub: Hub, alice: Client, tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path / "checkpoint")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.json").write_bytes((folder / "config.json").read_bytes())
    hub.store.create("model", "alice/public", "alice")
    hub.store.create("model", "bob/theirs", "bob")
    whole, half = str(folder), str(tmp_path / "half")
    wrong = {
        "no name": (["push", whole, "shop"], ["shop", "NAMESPACE/NAME"]),
        "no folder": (["push", str(tmp_path / "nowhere"), "alice/shop"], ["nowhere", "no such folder"]),
        "half a checkpoint": (["push", half, "alice/shop"], ["half", "model.safetensors"]),
        "a public repository": (["push", whole, "alice/public", "--private"], ["alice/public", "is public"]),
        "somebody else's": (["push", whole, "bob/theirs"], ["bob/theirs", "token has no permission", "--create-pr"]),
        "a tagged pull request": (["push", whole, "alice/shop", "--create-pr", "--tag", "v1"], ["pull request"]),
        "a bad name": (["push", whole, "alice/sh..op"], ["alice/sh..op"]),
    }
    told, nobody = alice.commands_and(
        WITHOUT_TOKEN,
        *(arguments for arguments, _ in wrong.values()),
        ["push", whole, "bob/theirs", "--create-pr"],
        ["push", whole, "alice/shop", "--private", "--revision", "trial"],
        arguments=[whole],
    )
    for (name, (_, words)), said in zip(wrong.items(), told[:-2], strict=True):
        assert said.code == 2 and said.err.count("\n") == 1, (name, said.err)
        assert all(word in said.err for word in words), (name, said.err)
    assert told[-2].code == told[-1].code == 0, told[-2].err + told[-1].err
    assert set(hub.repository("bob/theirs").at("main").files) == {".gitattributes"}
    assert "model.safetensors" in hub.repository("bob/theirs").at("refs/pr/1").files
    shop = hub.repository("alice/shop")
    assert shop.private and "model.safetensors" in shop.at("trial").files
    assert set(shop.at("main").files) == {".gitattributes"}
    assert nobody[0] == 2 and "HF_TOKEN" in nobody[1], nobody
