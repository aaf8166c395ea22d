"""Pushes of trainers, models and processors."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Client
from .server import Hub

ROOT = Path(__file__).parents[2]
TRAIN = """
import json, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from tests.tiny_shop import QUICK, SMALL, save_text_encoder, shop
from xcat_rec import XCatRecommender, XCatTrainer, XCatTrainingArguments
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

here = Path(sys.argv[2])
encoder = save_text_encoder(here / "encoder")
told = {}

def trained(strategy, **settings):
    start = prepare_training(shop(20), PreparationOptions(text_encoder=str(encoder), config=SMALL))
    quick = {**QUICK, "num_train_epochs": 2, "metric_ks": [10]}
    args = XCatTrainingArguments(
        output_dir=str(here / strategy), push_to_hub=True, hub_strategy=strategy, hub_model_id=f"alice/{strategy}",
        hub_token="hf_alice", hub_always_push=True, save_only_model=strategy == "every_save", **{**quick, **settings},
    )
    trainer = XCatTrainer(start.model, args, start.splits["train"], start.splits["validation"], start.processor)
    trainer.train()
    return trainer, start

for strategy in ("end", "every_save", "checkpoint", "all_checkpoints"):
    revision = "trial" if strategy == "end" else None
    trainer, start = trained(strategy, hub_revision=revision, hub_private_repo=strategy == "end")
    if strategy == "end":
        trainer.save_model()
        trainer.card = lambda: "# A card of my own"
    trainer.push_to_hub()
    rows = start.processor([["item-03", "item-10"]])
    expected = trainer.model.eval().score_catalogue(**rows)[:, 2:]
    loaded = XCatRecommender.from_pretrained(f"alice/{strategy}", revision=revision)
    found = loaded.model.score_catalogue(**loaded.processor([["item-03", "item-10"]]))[:, 2:]
    told[strategy] = float((found - expected).abs().max())
    left = [path.name for path in (here / strategy).iterdir() if path.name.startswith(".")]
    assert not left, left
start.model.push_to_hub("alice/parts", private=True, commit_message="the model")
start.processor.push_to_hub("alice/parts")
parts = XCatRecommender.from_pretrained("alice/parts")
told["parts"] = float((parts.model.score_catalogue(**rows)[:, 2:] - expected).abs().max())
print(json.dumps(told))
"""


@pytest.mark.slow
def test_every_strategy_pushes_loadable_checkpoints(hub: Hub, alice: Client, tmp_path: Path) -> None:
    told = alice.tell(TRAIN, str(ROOT), str(tmp_path))
    assert told.keys() == {"end", "every_save", "checkpoint", "all_checkpoints", "parts"}
    assert max(told.values()) < 1e-5, told
    for name in told:
        repository = hub.repository(f"alice/{name}")
        files = repository.at("trial" if name == "end" else "main").files
        assert files.keys() >= {"config.json", "model.safetensors", "items.arrow", "tokenizer.json", "README.md"}
        assert files.keys() >= {"modeling_xcat.py", "configuration_xcat.py", "processing_xcat.py", "vocabulary.py"}
        assert not [path for path in files if "training_args" in path]
        assert not [path for path, file in files.items() if b"hf_alice" in file.content], "the token"
        assert b"More Information Needed" not in files["README.md"].content
        deep = {path.partition("/")[0] for path in files if "/" in path}
        steps = {"checkpoint": {"last-checkpoint"}, "all_checkpoints": {"checkpoint-2", "checkpoint-4"}}
        assert deep == steps.get(name, set())
    repositories = {name: hub.repository(f"alice/{name}") for name in told}
    assert "last-checkpoint/trainer_state.json" in repositories["checkpoint"].at("main").files
    assert "last-checkpoint/optimizer.pt" in repositories["checkpoint"].at("main").files
    assert "trainer_state.json" not in repositories["checkpoint"].at("main").files
    assert repositories["end"].private and repositories["parts"].private
    assert repositories["end"].at("trial").files["README.md"].content == b"# A card of my own"
    assert set(repositories["end"].at("main").files) == {".gitattributes"}
    titles = [commit.title for commit in repositories["every_save"].commits.values()]
    assert [title for title in titles if title.startswith("Training in progress")] == [
        "Training in progress, step 2", "Training in progress, step 4",
    ]  # fmt: skip
    assert b'from_pretrained("alice/every_save")' in repositories["every_save"].at("main").files["README.md"].content
