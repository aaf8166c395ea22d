"""The handler of an inference endpoint, pushed beside the weights, in a process without the package."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest

from xcat_rec.ranking.pipelines import pipeline
from xcat_rec.serving.endpoint import endpoint_files

from .checkpoints import HISTORIES, save_checkpoint
from .conftest import Client
from .server import Hub
from .test_pipelines import check_same

SERVE = """
import json, sys
from huggingface_hub import snapshot_download

folder = snapshot_download("alice/shop")
sys.path.insert(0, folder)
from handler import EndpointHandler

handler = EndpointHandler(folder)
print(json.dumps([[handler(data) for data in json.loads(sys.argv[1])], "xcat_rec" in sys.modules]))
"""
REQUESTS = [
    {"inputs": HISTORIES[0], "parameters": {"k": 3}},
    {"inputs": HISTORIES},
    {"inputs": "maps", "parameters": {"k": 2}},
    {"inputs": {"history": HISTORIES[1], "query": "maps"}, "parameters": {"k": 2, "exclude_categories": ["tents"]}},
    {"inputs": []},
]
BAD = {
    "a request is an object with inputs": [None, ["item-03"], {"history": HISTORIES[0]}],
    "parameters is an object with options": [{"inputs": HISTORIES[0], "parameters": [5]}],
    "item-recommendation has no option 'kk'": [{"inputs": HISTORIES[0], "parameters": {"kk": 5}}],
    "k is 0": [{"inputs": HISTORIES[0], "parameters": {"k": 0}}],
    "inputs is a value of type int; give a list": [{"inputs": 7}],
}


@pytest.mark.parametrize("own", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_push_writes_a_handler_that_needs_no_package(
    hub: Hub, alice: Client, stranger: Client, tmp_path: Path, own: bool
) -> None:
    folder = save_checkpoint(tmp_path / "checkpoint", seed=3, reads_queries=True)
    if own:
        (folder / "handler.py").write_text("class EndpointHandler: ...\n")
        (folder / "requirements.txt").write_text("pyarrow\n")
    (done,) = alice.commands(["push", str(folder), "alice/shop", "--json"])
    assert done.code == 0, done.err
    told, files = json.loads(done.out), hub.repository("alice/shop").at("main").files
    assert {"handler.py", "requirements.txt"} < {*files} and sorted(told["files"]) == sorted(
        {*files} - {".gitattributes"}
    )
    if own:
        assert files["handler.py"].content == b"class EndpointHandler: ...\n", "a file of the folder is kept"
        assert files["requirements.txt"].content == b"pyarrow\n"
        return
    lines = files["requirements.txt"].content.decode().splitlines()
    assert [line.partition("==")[0] for line in lines] == ["numpy", "pyarrow", "transformers"]
    assert lines[2].endswith(importlib.metadata.version("transformers"))
    ours = pipeline("item-recommendation", model=str(folder))
    expected = [
        ours(
            {"query": one["inputs"]} if isinstance(one["inputs"], str) else one["inputs"], **one.get("parameters", {})
        )
        for one in REQUESTS
    ]
    assert [len(found) for found in expected] == [3, 3, 2, 2, 10] and expected[2][0]["category"] == "maps"
    bad = [data for group in BAD.values() for data in group]
    answers, imported = stranger.tell(SERVE, json.dumps([*REQUESTS, *bad]), package=False)
    assert not imported
    check_same(answers[: len(REQUESTS)], json.loads(json.dumps(expected)))
    reasons = [reason for reason, group in BAD.items() for _ in group]
    for answer, reason in zip(answers[len(REQUESTS) :], reasons, strict=True):
        assert answer.keys() == {"error", "error_type"} and answer["error_type"] == "validation"
        assert answer["error"].startswith(reason), answer


def test_no_handler_without_a_pipeline_beside_the_weights(tmp_path: Path) -> None:
    assert endpoint_files(tmp_path) == {}
    (tmp_path / "config.json").write_text("{}")
    assert endpoint_files(tmp_path) == {}
    (tmp_path / "config.json").write_text('{"custom_pipelines": {}}')
    assert [*endpoint_files(tmp_path)] == ["handler.py", "requirements.txt"]
