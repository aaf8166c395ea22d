"""Push, delete what is here, load by repository id elsewhere, and recommend the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xcat_rec.ranking.recommender import XCatRecommender

from .checkpoints import HISTORIES, save_checkpoint
from .conftest import Client
from .repositories import File
from .server import Hub

WITHOUT_PACKAGE = """
import json, sys
from transformers import AutoConfig, AutoModel, AutoProcessor

name, histories, told = sys.argv[1], json.loads(sys.argv[2]), []
for revision in sys.argv[3:]:
    settings = {"revision": revision, "trust_remote_code": True}
    config = AutoConfig.from_pretrained(name, **settings)
    model = AutoModel.from_pretrained(name, **settings).eval()
    processor = AutoProcessor.from_pretrained(name, **settings)
    assert config.model_type == "xcat" and "xcat_rec" not in sys.modules
    assert type(model).__module__.startswith("transformers_modules") and type(model).__name__ == "XCatForNextItem"
    assert processor.vocabulary.item(5)["title"] == "tents number 3"
    arrays = processor(histories, return_tensors="np", padding="max_length", padding_side="right")
    assert type(arrays["item_ids"]).__name__ == "ndarray" and arrays["item_ids"].shape == (len(histories), 8)
    told.append(model.score_catalogue(**processor(histories))[:, 2:].tolist())
print(json.dumps(told))
"""
RECOMMEND = """
import json, shutil, sys
from xcat_rec import XCatRecommender, pipeline

for folder in sys.argv[2:]:
    shutil.rmtree(folder)
recommender = XCatRecommender.from_pretrained("alice/shop", revision="v1")
found = recommender.recommend(["item-03", "item-10"], 4)
again = pipeline("item-recommendation", model="alice/shop", revision="v1")(["item-03", "item-10"], k=4)
assert [item.item_id for item in found] == [item["item_id"] for item in again]
scores = recommender.model.score_catalogue(**recommender.processor(json.loads(sys.argv[1])))[:, 2:]
print(json.dumps([scores.tolist(), [item.item_id for item in found]]))
"""


def scores_of(folder: Path) -> list[list[float]]:
    recommender = XCatRecommender.from_pretrained(folder)
    return recommender.model.score_catalogue(**recommender.processor(HISTORIES))[:, 2:].tolist()


def same(left: list[list[float]], right: list[list[float]]) -> bool:
    return all(a == pytest.approx(b, abs=1e-5) for a, b in zip(left, right, strict=True))


def test_a_checkpoint_goes_round(hub: Hub, alice: Client, stranger: Client, tmp_path: Path) -> None:
    folder, second = save_checkpoint(tmp_path / "first", seed=1), save_checkpoint(tmp_path / "second", seed=2)
    expected, other = scores_of(folder), scores_of(second)
    assert not same(expected, other)
    best = [item.item_id for item in XCatRecommender.from_pretrained(folder).recommend(HISTORIES[0], 4)]
    (folder / "notes.xlsx").write_bytes(b"mine")
    (folder / "training_args.bin").write_bytes(b"a pickle")
    histories = json.dumps(HISTORIES)
    (done, _, request, again), (scores, items) = alice.commands_and(
        RECOMMEND,
        ["push", str(folder), "alice/shop", "--tag", "v1", "--message", "first", "--json"],
        ["push", str(second), "alice/shop"],
        ["push", str(folder), "alice/shop", "--create-pr", "--json"],
        ["push", str(folder), "alice/shop", "--tag", "v1"],
        arguments=[histories, str(folder), str(second)],
    )
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 1 and "not uploaded" in done.err and "notes.xlsx" in done.err
    told, repository = json.loads(done.out), hub.repository("alice/shop")
    assert told["commit"] == repository.at("v1").oid and told["tag"] == "v1" and repository.at("v1").title == "first"
    files = repository.at("v1").files
    assert files.keys() >= {"config.json", "model.safetensors", "items.arrow", "processor_config.json", "README.md"}
    assert files.keys() >= {"tokenizer.json", "modeling_xcat.py", "processing_xcat.py", "vocabulary.py"}
    assert not [path for path in files if path.endswith((".bin", ".pt", ".xlsx"))]
    assert files["model.safetensors"].sha256 is not None
    assert json.loads(request.out)["revision"] == "refs/pr/1"
    assert repository.at("refs/pr/1").files == files != repository.at("main").files
    assert again.code == 2 and "has a tag 'v1' already" in again.err
    assert same(scores, expected) and items == best
    assert not folder.exists() and not second.exists()
    online = stranger.tell(WITHOUT_PACKAGE, "alice/shop", histories, "v1", "main", package=False)
    assert same(online[0], expected) and same(online[1], other)
    asked = len(hub.requests)
    (offline,) = stranger.tell(WITHOUT_PACKAGE, "alice/shop", histories, "v1", package=False, HF_HUB_OFFLINE="1")
    assert same(offline, expected) and len(hub.requests) == asked
    asked = len(hub.requests)
    arguments = ["--history", ",".join(HISTORIES[0]), "-k", "4", "--json"]
    found, missing = alice.commands(
        ["recommend", "alice/shop", "--revision", "v1", *arguments],
        ["recommend", "alice/other", *arguments],
        HF_HUB_OFFLINE="1",
    )
    assert [item["item_id"] for item in json.loads(found.out)["recommendations"]] == best
    assert missing.code == 2 and "not complete in the cache" in missing.err and "HF_HUB_OFFLINE" in missing.err
    assert len(hub.requests) == asked


def test_no_code_of_a_repository_is_run(hub: Hub, alice: Client, tmp_path: Path) -> None:
    """With the package, code beside a checkpoint is neither fetched nor run; without, only where one agrees to it."""
    folder = save_checkpoint(tmp_path / "checkpoint")
    trace = tmp_path / "trace"
    evil = f"open({str(trace)!r}, 'w').write('ran')\n"
    for file in folder.glob("*.py"):
        file.write_text(evil + file.read_text())
    load = "from transformers import AutoModel\nAutoModel.from_pretrained('alice/shop'{})\n"
    agreed = f"""
from pathlib import Path
found = [Path({str(trace)!r}).exists(), *map(str, Path({str(alice.home)!r}).rglob("*.py"))]
{load.format(", trust_remote_code=True")}
print(json.dumps(found))
"""
    (pushed, done), found = alice.commands_and(
        agreed, ["push", str(folder), "alice/shop"], ["recommend", "alice/shop", "--history", "item-03", "--json"]
    )
    assert pushed.code == done.code == 0, pushed.err + done.err
    assert evil.encode() in hub.repository("alice/shop").at("main").files["modeling_xcat.py"].content
    assert found == [False] and not trace.exists()
    done = alice.run(load.format(""), package=False)
    assert done.returncode and "trust_remote_code=True" in done.stderr and not trace.exists()


REFUSED = {
    "no such folder": (["./nowhere"], ["./nowhere", "no such folder", "NAMESPACE/NAME"]),
    "no such repository": (["alice/nothing"], ["alice/nothing", "nor a repository on http://127.0.0.1"]),
    "private": (["alice/private"], ["alice/private", "HF_TOKEN"]),
    "gated": (["alice/gated"], ["gated", "request access at http://127.0.0.1"]),
    "no such revision": (["alice/open", "--revision", "v9"], ["alice/open", "no revision 'v9'"]),
    "no checkpoint": (["alice/open"], ["alice/open", "config.json"]),
    "a revision of a folder": ([".", "--revision", "v1"], ["folder", "'v1'"]),
}


def test_errors_of_loading_state_the_reason(hub: Hub, stranger: Client) -> None:
    for name in ("private", "gated", "open"):
        made = hub.store.create("model", f"alice/{name}", "alice", private=name == "private", gated=name == "gated")
        made.add_commit("refs/heads/main", {"notes.json": File(b"{}")}, "add", "", "alice")
    told = stranger.commands(*(["recommend", *arguments, "--history", "item-03"] for arguments, _ in REFUSED.values()))
    for (name, (_, words)), said in zip(REFUSED.items(), told, strict=True):
        assert said.code == 2 and said.err.count("\n") == 1, (name, said.err)
        assert all(word in said.err for word in words), (name, said.err)
