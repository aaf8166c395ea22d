"""`transformers.pipeline` on a checkpoint: without the package, with it, and ours, which give the same lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from xcat_rec import pipeline

from .checkpoints import HISTORIES, save_checkpoint
from .conftest import Client

ASK = """
import json, sys
from transformers import pipeline

folder, histories = sys.argv[1], json.loads(sys.argv[2])
recommender = pipeline("item-recommendation", model=folder, trust_remote_code=True, device="cpu")
options = {"top_k": 4, "exclude_seen": False, "exclude_categories": ["maps"]}
told = [
    type(recommender).__module__.partition(".")[0], str(recommender.device),
    recommender(histories), recommender(histories[0], k=3), recommender(histories, batch_size=1, **options),
    list(recommender(iter(histories), k=2)),
]
recommender.save_pretrained(sys.argv[3])
again = pipeline("item-recommendation", model=sys.argv[3], trust_remote_code=True)
assert again(histories) == told[2]
print(json.dumps([*told, "xcat_rec" in sys.modules]))
"""


def test_with_and_without_the_package_the_lists_are_the_same(alice: Client, tmp_path: Path) -> None:
    folder, histories = save_checkpoint(tmp_path / "checkpoint", seed=3), json.dumps(HISTORIES)
    ours = pipeline("item-recommendation", model=folder)
    expected = [
        ours(HISTORIES), ours(HISTORIES[0], k=3),
        ours(HISTORIES, batch_size=1, top_k=4, exclude_seen=False, exclude_categories=["maps"]), ours(HISTORIES, k=2),
    ]  # fmt: skip
    assert [len(one) for one in expected[0]] == [10, 10, 10] and len(expected[1]) == 3
    assert {item["category"] for user in expected[2] for item in user} <= {"tents", "boots", "stoves", None}
    for name, before, package in (
        ("transformers_modules", "", False),  # the code beside the weights
        ("transformers_modules", "", True),  # the package is installed, but not requested
        ("xcat_rec", "import xcat_rec\n", True),
        ("xcat_rec", "import transformers.pipelines, xcat_rec\n", True),
    ):
        code, device, *found, imported = alice.tell(
            before + ASK, str(folder), histories, str(tmp_path / f"{name}-again"), package=package, HF_HUB_OFFLINE="1"
        )
        assert (code, device) == (name, "cpu") and imported == (name == "xcat_rec")
        for lists, wanted in zip(found, expected, strict=True):
            check_same(lists, json.loads(json.dumps(wanted)))


def check_same(found: Any, wanted: Any, unit: float = 1e-6) -> None:
    """Equal, but for one unit in the last place of rounded scores and weights: sums of two processes may differ."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            check_same(found[name], value, 1e-4 if name == "weight" else 1e-6)
    elif isinstance(wanted, list):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            check_same(one, other, unit)
    else:
        assert found == (pytest.approx(wanted, abs=1.5 * unit, rel=0) if isinstance(wanted, float) else wanted)


RATED = """
import json, sys
from transformers import pipeline

recommender = pipeline("item-recommendation", model=sys.argv[1], trust_remote_code=True, device="cpu")
found = [recommender(*call["inputs"], **call["options"]) for call in json.loads(sys.argv[2])]
refused = []
for wrong in json.loads(sys.argv[3]):
    try:
        recommender(["item-03"], **wrong)
    except (TypeError, ValueError) as error:
        refused.append([type(error).__name__, str(error)])
print(json.dumps([found, refused, "xcat_rec" in sys.modules]))
"""


def test_details_of_events_give_the_same_lists_and_errors_without_the_package(alice: Client, tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path / "checkpoint", seed=3)
    ratings = [[5.0, None], [1], [None, 2.5, 4]]
    calls = [
        {"inputs": [HISTORIES], "options": {"ratings": ratings, "k": 4}},
        {"inputs": [HISTORIES[0]], "options": {"ratings": ratings[0], "event_types": ["buy", "buy"]}},
        {"inputs": [HISTORIES[0]], "options": {"timestamps": [1_700_000_000, 1_700_090_000]}},
        {"inputs": [[{"history": HISTORIES[0], "ratings": [1, 5]}, {"history": HISTORIES[1]}]], "options": {"k": 2}},
        {"inputs": [[]], "options": {"ratings": [], "k": 3}},
        {"inputs": [HISTORIES[1]], "options": {"event_types": ["call"]}},
    ]
    wrong = [
        {"ratings": ["five"]}, {"ratings": [5, 4]}, {"ratings": "5"}, {"ratings": [True]}, {"timestamps": ["soon"]},
        {"k": 0}, {"rating": [5]}, {"exclude_seen": "no"}, {"only_categories": ["none"]},
        {"on_unknown": "guess"}, {"cold_boost": "much"},
    ]  # fmt: skip
    ours = pipeline("item-recommendation", model=folder)
    expected = [ours(*call["inputs"], **call["options"]) for call in calls]
    assert expected[0] != ours(HISTORIES, k=4), "ratings make a difference"
    refused = []
    for options in wrong:
        with pytest.raises((TypeError, ValueError)) as caught:
            ours(["item-03"], **options)
        refused.append([type(caught.value).__name__, str(caught.value)])
    found, told, imported = alice.tell(
        RATED, str(folder), json.dumps(calls), json.dumps(wrong), package=False, HF_HUB_OFFLINE="1"
    )
    assert not imported and found == json.loads(json.dumps(expected))
    assert [*wrong[4]] == ["timestamps"] and told.pop(4)[1].startswith(
        "timestamps of history 0: 1 of 1 are not seconds"
    )
    del refused[4]  # with the package more kinds of times are read
    assert told == refused


REGISTERED = """
from transformers import AutoConfig, AutoModel, AutoProcessor, pipeline
import json, sys

for loader, name in ((AutoConfig, "XCatConfig"), (AutoModel, "XCatForNextItem"), (AutoProcessor, "XCatProcessor")):
    found = type(loader.from_pretrained(sys.argv[1]))
    assert found.__name__ == name and found.__module__.startswith("xcat_rec."), found
assert type(AutoModel.from_config(AutoConfig.from_pretrained(sys.argv[1]))).__module__.startswith("xcat_rec.")
print(json.dumps(pipeline("item-recommendation", model=sys.argv[1])([["item-03", "item-10"]])))
"""
ORDERS = {
    "first, and half of transformers by its own way": "import xcat_rec, transformers.modeling_layers",
    "last": "import transformers.models.auto.processing_auto, transformers.pipelines, xcat_rec",
    "between": "from transformers import AutoConfig\nimport xcat_rec",
    "by a name": "from xcat_rec import XCatConfig, XCatTrainer",
}


@pytest.mark.parametrize("before", ORDERS.values(), ids=ORDERS)
def test_importing_the_package_registers_it(before: str, alice: Client, tmp_path: Path) -> None:
    """In every order of imports, without trust in the code of the checkpoint, for old checkpoints too."""
    old = Path(__file__).parent.parent / "golden" / "format-8"
    (found,) = alice.tell(f"{before}\n{REGISTERED}", str(old), HF_HUB_OFFLINE="1")
    assert json.loads((old / "expected.json").read_text())["recommended"][0] == [one["item_id"] for one in found][:5]
