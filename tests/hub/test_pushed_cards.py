"""The card of a checkpoint or of a run goes with what Python pushes, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from .checkpoints import save_checkpoint
from .conftest import Client
from .server import Hub

ROOT = Path(__file__).parents[2]
MODELS = """
import json, sys
import torch
import xcat_rec
from transformers import AutoModel
from xcat_rec import XCatForNextItem, XCatProcessor, XCatRecommender

folder = sys.argv[1]
model = XCatForNextItem.from_pretrained(folder)
model.push_to_hub("alice/kept")
XCatProcessor.from_pretrained(folder).push_to_hub("alice/kept")
XCatRecommender.from_pretrained(folder).model.push_to_hub("alice/served")
AutoModel.from_pretrained("alice/kept").push_to_hub("alice/again")
XCatRecommender.from_pretrained("alice/kept").model.push_to_hub("alice/fetched")
model.config.neighbor_weight += 1
model.push_to_hub("alice/settings")
model = XCatForNextItem.from_pretrained(folder)
with torch.no_grad():
    model.model.items.id_embeddings.weight[5, 0] += 1
model.push_to_hub("alice/weights")
model.push_to_hub("alice/kept")
print("1")
"""
TRAIN = """
import json, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from tests.tiny_shop import QUICK, SMALL, save_text_encoder, shop
from xcat_rec import XCatTrainer, XCatTrainingArguments
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

here = Path(sys.argv[2])
encoder = save_text_encoder(here / "encoder")

def trainer_of(name):
    start = prepare_training(shop(20), PreparationOptions(text_encoder=str(encoder), config=SMALL))
    args = XCatTrainingArguments(
        output_dir=str(here / name), hub_model_id=f"alice/{name}", hub_token="hf_alice",
        **{**QUICK, "num_train_epochs": 2, "metric_ks": [10]},
    )
    return XCatTrainer(start.model, args, start.splits["train"], start.splits["validation"], start.processor), start

trainer, start = trainer_of("run")
trainer.train()
test = trainer.evaluate(start.splits["test"], metric_key_prefix="test")
trainer.push_to_hub()
start.model.push_to_hub("alice/model")
trainer.save_model(str(here / "saved"))
other, _ = trainer_of("untrained")
other.push_to_hub()
own, _ = trainer_of("own")
(here / "own").mkdir(exist_ok=True)
(here / "own" / "README.md").write_text("# Mine")
own.train()
own.push_to_hub()
best = [entry["eval_ndcg@10"] for entry in trainer.state.log_history if "eval_ndcg@10" in entry]
print(json.dumps([test["test_ndcg@10"], best]))
"""


def card_of(hub: Hub, name: str) -> str:
    return hub.repository(f"alice/{name}").at("main").files["README.md"].content.decode()


@pytest.mark.slow
def test_a_model_that_is_still_its_checkpoint_keeps_the_card(hub: Hub, alice: Client, tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path / "checkpoint")
    card = (folder / "README.md").read_text()
    alice.tell(MODELS, str(folder))
    for name in ("kept", "served", "again", "fetched"):
        assert card_of(hub, name) == card, name
    for name in ("settings", "weights"):
        assert "were not recorded" in card_of(hub, name) and "Seed" not in card_of(hub, name), name


def test_a_run_pushes_its_measurements(hub: Hub, alice: Client, tmp_path: Path) -> None:
    test, best = alice.tell(TRAIN, str(ROOT), str(tmp_path))
    card = card_of(hub, "run")
    assert "were not recorded" not in card and 'from_pretrained("alice/run")' in card
    assert all(f"{value:.4f}" in card for value in best) and len(best) == 2
    assert "Evaluated after training: `test` Recall@10" in card and f"NDCG@10 {test:.4f}" in card
    assert "| Split | leave-one-out |" in card and "| `learning_rate` | `0.005` |" in card
    assert card_of(hub, "model") == card == (tmp_path / "saved" / "README.md").read_text()
    assert "were not recorded" in card_of(hub, "untrained")
    assert card_of(hub, "own") == "# Mine"
