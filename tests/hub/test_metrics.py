"""Metrics pushed as Spaces and loaded from there by `evaluate`, without the package."""

from __future__ import annotations

import json

from .conftest import Client
from .server import Hub

LOAD = """
import evaluate, json
print(json.dumps(evaluate.load("alice/ndcg-of-mine").compute(predictions=[["a", "b"]], references=[["b"]], ks=[1, 2])))
"""


def test_a_metric_goes_round(hub: Hub, alice: Client, stranger: Client) -> None:
    pushed, again, unknown, lone, both = alice.commands(
        ["push", "--metric", "ndcg", "alice/ndcg-of-mine", "--json"],
        ["push", "--metric", "all", "alice/ndcg-of-mine", "--create-pr"],
        ["push", "--metric", "lift", "alice/lift"],
        ["push", "./checkpoint"],
        ["push", "--metric", "ndcg", "./checkpoint", "alice/ndcg"],
    )
    assert pushed.code == again.code == 0, pushed.err + again.err
    space = hub.repository("alice/ndcg-of-mine", "space")
    assert json.loads(pushed.out)["commit"] == space.at("main").oid and "evaluate.load" in pushed.err
    files = space.at("main").files
    assert files.keys() >= {"app.py", "requirements.txt", "README.md", "ndcg-of-mine.py", "ranking_metrics.py"}
    assert b'evaluate.load("alice/ndcg-of-mine")' in files["README.md"].content
    assert space.at("refs/pr/1").files["ndcg-of-mine.py"].content != files["ndcg-of-mine.py"].content
    assert unknown.code == lone.code == both.code == 2
    assert "no metric 'lift'" in unknown.err and "NAMESPACE/NAME" in lone.err and "--metric takes one" in both.err
    found = stranger.tell(LOAD, package=False)
    assert found == {"ndcg@1": 0.0, "ndcg@2": 0.6309297535714575}
