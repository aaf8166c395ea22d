"""An adapter pushed alone, loaded with its base by repository ids in fresh processes, by this package and by peft."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from xcat_rec.ranking.recommender import XCatRecommender

from ..tiny_shop import events_table, items_table, save_text_encoder, write_shop
from .checkpoints import HISTORIES, save_checkpoint
from .conftest import Client
from .server import Hub

SHAPE = [
    "--hidden-size", "32", "--intermediate-size", "64", "--num-attention-heads", "2", "--max-history", "8",
    "--soft-target-weight", "0", "--temperature", "0.1",
]  # fmt: skip
TRAINING = [
    "--split", "leave-one-out", "--per-device-train-batch-size", "10", "--learning-rate", "5e-3", "--precision",
    "fp32", "--use-cpu", "--num-train-epochs", "1", "--no-card", "--json",
]  # fmt: skip
LOAD = """
import json, sys
from xcat_rec import XCatRecommender

told = []
for revision in (None, "v1"):
    loaded = XCatRecommender.from_pretrained("alice/adapter", revision=revision)
    told.append(loaded.model.score_catalogue(**loaded.processor(json.loads(sys.argv[1])))[:, 2:].tolist())
print(json.dumps(told))
"""
PEFT = """
import json, sys
from peft import PeftConfig, PeftModel
from transformers import AutoModel, AutoProcessor

settings = PeftConfig.from_pretrained("alice/adapter", revision="v1")
place = {"revision": settings.revision, "trust_remote_code": True}
base = AutoModel.from_pretrained(settings.base_model_name_or_path, **place).eval()
processor = AutoProcessor.from_pretrained(settings.base_model_name_or_path, **place)
rows = processor(json.loads(sys.argv[1]))
before = base.score_catalogue(**rows)[:, 2:].tolist()
model = PeftModel.from_pretrained(base, "alice/adapter", revision="v1").eval()
assert "xcat_rec" not in sys.modules
print(json.dumps([before, model.get_base_model().score_catalogue(**rows)[:, 2:].tolist()]))
"""


def scores_of(folder: Path, **place: Path) -> list[list[float]]:
    loaded = XCatRecommender.from_pretrained(folder, **place)
    return loaded.model.score_catalogue(**loaded.processor(HISTORIES))[:, 2:].tolist()


def same(left: list[list[float]], right: list[list[float]]) -> bool:
    return all(a == pytest.approx(b, abs=1e-5) for a, b in zip(left, right, strict=True))


def grown_shop(folder: Path, users: int) -> Path:
    """The tiny shop with an item more, the first of the table."""
    new = {"item_id": "item-new", "title": "maps number 5", "brand": "brand 1", "category": "maps", "price": 2.0}
    folder.mkdir()
    pl.concat([pl.DataFrame([new], schema=items_table().schema), items_table()]).write_csv(folder / "items.csv")
    events_table(users).write_csv(folder / "events.csv")
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_an_adapter_goes_round_alone(hub: Hub, alice: Client, stranger: Client, tmp_path: Path) -> None:
    encoder, work = save_text_encoder(tmp_path / "encoder"), tmp_path / "work"
    base, plain, grown = (work / name for name in ("base", "plain", "grown"))
    fit = ["fit", str(write_shop(tmp_path / "shop", users=20)), *TRAINING]
    on = ["--base", "alice/base", "--peft", "lora", "--lora-rank", "4", "--learning-rate", "2e-2"]
    told = alice.commands(
        [*fit, "--output", str(base), "--text-encoder", str(encoder), *SHAPE],
        ["push", str(base), "alice/base"],
        [*fit, "--output", str(plain), *on],
        ["push", str(plain), "alice/adapter", "--tag", "v1", "--json"],
        ["fit", str(grown_shop(tmp_path / "grown-shop", users=20)), *TRAINING, "--output", str(grown), *on],
        ["push", str(grown), "alice/adapter"],
    )
    assert [said.code for said in told] == [0] * len(told), [said.err[-500:] for said in told]
    adapter, commit = hub.repository("alice/adapter"), hub.repository("alice/base").at("main").oid
    files = adapter.at("v1").files
    assert files.keys() == {".gitattributes", "adapter_config.json", "adapter_model.safetensors"}
    assert sum(file.size for file in files.values()) < 100_000
    assert "items.arrow" in adapter.at("main").files and "model.safetensors" not in adapter.at("main").files
    settings = json.loads(files["adapter_config.json"].content)
    assert (settings["base_model_name_or_path"], settings["revision"]) == ("alice/base", commit)
    expected = [scores_of(grown, base=base), scores_of(plain, base=base)]
    bare = scores_of(base)
    assert not same(bare, expected[1]) and [len(scores[0]) for scores in expected] == [41, 40]
    best = XCatRecommender.from_pretrained(plain, base=base).recommend(HISTORIES[0], 4)
    shutil.rmtree(work)
    histories = json.dumps(HISTORIES)
    online = stranger.tell(LOAD, histories)
    assert same(online[0], expected[0]) and same(online[1], expected[1])
    asked = len(hub.requests)
    use = ["--history", ",".join(HISTORIES[0]), "-k", "4", "--json"]
    (found,) = stranger.commands(["recommend", "alice/adapter", "--revision", "v1", *use], HF_HUB_OFFLINE="1")
    assert len(hub.requests) == asked
    offered = [(item["item_id"], item["score"]) for item in json.loads(found.out)["recommendations"]]
    assert offered == [(item.item_id, pytest.approx(item.score, abs=1e-5)) for item in best]
    before, after = stranger.tell(PEFT, histories, package=False)
    assert same(before, bare) and same(after, expected[1])


PUSH_WHILE_TRAINING = """
import json, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from tests.tiny_shop import QUICK, shop
from xcat_rec import XCatTrainer, XCatTrainingArguments
from xcat_rec.checkpoints.adapters import add_adapter
from xcat_rec.training.preparation.from_base import prepare_from_base
from xcat_rec.training.preparation.options import PreparationOptions

args = XCatTrainingArguments(
    output_dir="out", push_to_hub=True, hub_strategy="checkpoint", hub_model_id="alice/trained", hub_always_push=True,
    **{**QUICK, "num_train_epochs": 1, "metric_ks": [10]},
)

def trainer(base):
    start, _ = prepare_from_base(shop(20), PreparationOptions(), sys.argv[2], recount=False)
    model = add_adapter(start.model, rank=2, base=base)
    return XCatTrainer(model, args, start.splits["train"], start.splits["validation"], start.processor)

told = []
for base in (sys.argv[2], None):
    try:
        trainer(base)
    except ValueError as error:
        told.append(str(error))
going = trainer("alice/base")
going.train()
going.push_to_hub()
print(json.dumps(told))
"""


def test_no_folder_of_this_machine_goes_along(hub: Hub, alice: Client, tmp_path: Path) -> None:
    """Planted: the base's folder in an adapter, and the text encoder's in a configuration."""
    base, adapter = save_checkpoint(tmp_path / "base"), tmp_path / "adapter"
    settings = json.loads((base / "config.json").read_text())
    settings["text_config"]["_name_or_path"] = str(tmp_path / "encoder")  # as older versions saved it
    (base / "config.json").write_text(json.dumps(settings))
    fit = ["fit", str(write_shop(tmp_path / "shop", users=20)), *TRAINING]
    on = ["--base", str(base), "--peft", "lora", "--lora-rank", "2"]
    told, refused = alice.commands_and(
        PUSH_WHILE_TRAINING,
        [*fit, "--output", str(tmp_path / "no"), *on, "--push-to-hub", "--hub-model-id", "alice/no"],
        [*fit, "--output", str(adapter), *on],
        ["push", str(adapter), "alice/no"],
        ["push", str(adapter), "alice/no", "--base-repo", str(base)],
        ["push", str(base), "alice/no", "--base-repo", "alice/base"],
        ["push", str(base), "alice/base"],
        ["push", str(adapter), "alice/adapter", "--base-repo", "alice/base"],
        ["recommend", "alice/adapter", "--history", "item-03", "--json"],
        arguments=[str(Path(__file__).parents[2]), str(base)],
    )
    assert [said.code for said in told] == [2, 0, 2, 2, 2, 0, 0, 0], [said.err[-500:] for said in told]
    assert str(tmp_path) in (adapter / "adapter_config.json").read_text()  # here it is of use
    assert not (adapter / "README.md").exists()
    assert "push the base first and give --base NAMESPACE/NAME" in told[0].err and not (tmp_path / "no").exists()
    assert "has a folder of this machine as its base" in told[2].err and "--base-repo NAMESPACE/NAME" in told[2].err
    assert "is not the name of a repository" in told[3].err and "is not an adapter" in told[4].err
    assert ("model", "alice/no") not in hub.store.repositories
    assert len(refused) == 2 and all("alice/trained has a folder of this machine" in said for said in refused)
    trained = hub.repository("alice/trained").at("main").files
    assert {"adapter_model.safetensors", "last-checkpoint/adapter_model.safetensors"} <= trained.keys()
    for name in ("base", "adapter", "trained"):
        for commit in hub.repository(f"alice/{name}").commits.values():
            leaking = [path for path, file in commit.files.items() if str(tmp_path).encode() in file.content]
            assert not leaking, (name, leaking)
