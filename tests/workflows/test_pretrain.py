"""Pretraining: the base is a checkpoint of texts alone that others start from, resumes, and refuses bad input."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from transformers import TrainerCallback

import xcat_rec
from xcat_rec.checkpoints.load import load_base
from xcat_rec.cli.app import main
from xcat_rec.modeling_xcat.modeling_pretraining_xcat import LOSSES
from xcat_rec.tokenization.tables.schema import validate_tables
from xcat_rec.tokenization.text_language import ENCODERS, MULTILINGUAL
from xcat_rec.training.tasks.pretraining import PretrainingTask
from xcat_rec.training.trainer import XCatTrainer
from xcat_rec.workflows import pretrain as workflow

from ..model_cards.card_pattern import CARD
from ..tiny_shop import QUICK, SMALL, events_table, items_table, save_text_encoder, shop, write_shop

FIELDS: dict[str, Any] = {**SMALL, **QUICK, "num_train_epochs": 2, "split": "leave-one-out"}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two datasets, whose items and users have the same ids, and a text encoder."""
    folder = tmp_path_factory.mktemp("pretrain")
    write_shop(folder / "camp")
    write_shop(folder / "hike")
    events_table(30, seed=3).write_csv(folder / "hike" / "events.csv")
    save_text_encoder(folder / "encoder")
    return folder


def run(places: Path, output: Path, **changes: Any) -> xcat_rec.FitResult:
    fields = {**FIELDS, "text_encoder": str(places / "encoder"), **changes}
    return xcat_rec.pretrain([places / "camp", places / "hike"], output, **fields)


@pytest.fixture(scope="module")
def pretrained(places: Path, tmp_path_factory: pytest.TempPathFactory) -> xcat_rec.FitResult:
    return run(places, tmp_path_factory.mktemp("base") / "base")


def test_the_base_depends_on_texts_alone(pretrained):
    model, processor = load_base(pretrained.output)
    assert model.config.architectures == ["XCatForNextItem"] and type(model).__name__ == "XCatForNextItem"
    assert not model.model.items.id_embeddings.weight.any() and model.model.items.id_embeddings.weight.requires_grad
    assert not model.config.item_features and not model.model.neighbors.similarities.any()
    assert processor.catalogue.column("shop").to_pylist() == ["camp"] * 40 + ["hike"] * 40
    camp, hike = (model.model.items().detach()[part] for part in (slice(2, 42), slice(42, 82)))
    assert torch.allclose(camp, hike)  # equal texts
    found = xcat_rec.load(pretrained.output).recommend(["camp/item-01", "camp/item-08"], k=3)
    assert len(found) == 3


def test_every_loss_is_logged(pretrained):
    logs = [entry for entry in pretrained.card.training.log if "loss" in entry]
    assert len(logs) == 2
    for entry in logs:
        assert {f"{name}_loss" for name in LOSSES} <= set(entry)
        config = pretrained.model.config
        parts = sum(getattr(config, weight) * entry[f"{name}_loss"] for name, weight in LOSSES.items())
        assert entry["loss"] == pytest.approx(parts, rel=0.05)  # batches of unequal numbers of labels
    assert logs[1]["loss"] < logs[0]["loss"]


def test_the_card_names_the_losses_and_what_the_base_is_for(pretrained):
    card = (pretrained.output / "README.md").read_text()
    assert re.fullmatch(CARD, card)
    for words in ("Masked item: events behind masks", "weight 0.5", "zhou2020s3rec", "`fit(new_data, base=BASE)`"):
        assert words in card
    assert set(pretrained.reports) > {"XCat", "popularity", "item-knn"}


def test_a_fit_starts_from_the_base(places, pretrained, tmp_path):
    other = shop(40)
    told: list[str] = []
    result = xcat_rec.fit(
        other, tmp_path / "tuned", base=str(pretrained.output), tell=told.append, split="leave-one-out",
        **{**QUICK, "num_train_epochs": 1},
    )  # fmt: skip
    assert any("40 of 40 items are new to the base; 80 of the base's are dropped" in line for line in told)
    assert result.model.model.items.id_embeddings.weight.any()
    assert result.model.model.neighbors.similarities.any()


def test_a_new_catalogue_is_recommended_without_training(pretrained, tmp_path):
    items_table().with_columns(pl.format("new-{}", "item_id").alias("item_id")).write_csv(tmp_path / "new.csv")
    grown = xcat_rec.add_items(pretrained.output, tmp_path / "new.csv", tmp_path / "new", replace=True)
    assert grown.added.new == 40
    found = xcat_rec.load(tmp_path / "new").recommend(["new-item-01", "new-item-08"], k=5)
    assert len(found) == 5 and all(item.item_id.startswith("new-") for item in found)


@pytest.mark.parametrize("encoder", ["gru", "lstm"])
def test_recurrent_encoders(places, tmp_path, encoder):
    result = run(places, tmp_path / "base", behavior_encoder=encoder, max_steps=2, card=None)
    assert load_base(result.output)[0].config.behavior_encoder == encoder
    assert not (result.output / "README.md").exists()


def test_batches_have_one_dataset(places, tmp_path, monkeypatch):
    seen: list[set[int]] = []
    ordinary = XCatTrainer.training_step

    def step(self: XCatTrainer, model: Any, inputs: dict[str, Any], *more: Any) -> Any:
        seen.append({int(row >= 42) for row in inputs["item_ids"].unique() if row > 1})
        return ordinary(self, model, inputs, *more)

    monkeypatch.setattr(XCatTrainer, "training_step", step)
    run(places, tmp_path / "base", num_train_epochs=1, card=None)
    assert len(seen) == 9 and all(len(shops) == 1 for shops in seen)  # 60 and 30 users, 10 in a batch
    assert seen.count({1}) == 3 and seen[:6] != [{0}] * 6


def test_it_is_resumed_after_a_kill(places, pretrained, tmp_path, monkeypatch):
    class Stop(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 12:
                raise RuntimeError("killed")

    ordinary = XCatTrainer.__init__

    def stopping(self: XCatTrainer, *arguments: Any, **options: Any) -> None:
        ordinary(self, *arguments, **options)
        self.add_callback(Stop())

    with monkeypatch.context() as patch:
        patch.setattr(XCatTrainer, "__init__", stopping)
        with pytest.raises(RuntimeError, match="killed"):
            run(places, tmp_path / "base")
    state = json.loads((tmp_path / "base" / "training" / "checkpoint-9" / "trainer_state.json").read_text())
    assert state["global_step"] == 9
    with pytest.raises(ValueError, match=r"resume=True: .*masked_item_weight=0 \(saved: default\)"):
        run(places, tmp_path / "base", resume=True, masked_item_weight=0)
    result = run(places, tmp_path / "base", resume=True)
    whole = pretrained.model.state_dict()
    for name, value in result.model.state_dict().items():
        assert torch.allclose(value.float(), whole[name].float(), atol=1e-5), name


def test_bad_input_is_refused_before_training(places, tmp_path):
    output = tmp_path / "out"
    camp, hike = places / "camp", places / "hike"
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "notes.txt").write_text("mine")
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (camp, {}, "several datasets, and got 1; give two or more"),
        ([camp], {}, "several datasets, and got 1"),
        ([camp, camp], {}, "has the same tables as"),
        ([camp, hike], {"item_features": ["brand"]}, "item_features is .*belong to one catalogue; leave it out"),
        ([camp, hike], {"interests": "words"}, "interests is 'words', and interest profiles are of users"),
        ([camp, hike], {"objective": "gbce"}, "XCatConfig.objective is 'gbce'"),
        ([camp, hike], {"use_text": False}, "use_text is False"),
        ([camp, hike], {"masked_weight": 1}, "masked_weight is not a field .*did you mean masked_item_weight"),
        ([camp, hike], {"drop_probability": 1.5}, "XCatConfig.drop_probability is 1.5"),
        ([camp, hike], {"max_tokens_per_batch": 400, "text_encoder": str(places / "encoder")}, "batches by dataset"),
    ]
    for data, fields, message in cases:
        with pytest.raises(ValueError, match=message):
            xcat_rec.pretrain(data, output, **fields)
        assert not output.exists(), message
    with pytest.raises(ValueError, match="taken' is not empty"):
        xcat_rec.pretrain([camp, hike], taken)


def test_one_dataset_cannot_have_the_task(places, tmp_path):
    with pytest.raises(ValueError, match="task is 'pretraining', and camp is one dataset; call pretrain"):
        xcat_rec.fit(
            places / "camp", tmp_path / "out", task="pretraining", text_encoder=str(places / "encoder"), **FIELDS
        )


def test_different_languages_get_the_multilingual_encoder_and_a_note(places, monkeypatch, tmp_path):
    chinese = items_table().with_columns(pl.lit("户外双人帐篷登山").alias("title"), pl.lit("帐篷").alias("category"))
    asked: list[Any] = []
    monkeypatch.setattr(workflow, "fit_shop", lambda request, tell: asked.append(request))
    told: list[str] = []
    other = validate_tables(chinese.with_columns(brand=pl.lit(None, pl.String())), events_table(30), name="zh")
    xcat_rec.pretrain([shop(), other], tmp_path / "out", tell=told.append)
    assert "different languages (tiny shop: English, zh: Chinese)" in told[0]
    assert asked[0].preparation["text_encoder"] == ENCODERS[MULTILINGUAL]
    xcat_rec.pretrain([shop(), other], tmp_path / "out", tell=told.append, text_encoder=str(places / "encoder"))
    assert len(told) == 2 and asked[1].preparation["text_encoder"] == str(places / "encoder")
    assert asked[0].task == "pretraining" and isinstance(asked[0].shop.name, str)


def test_on_the_command_line(places, tmp_path, capsys):
    shown = ["--text-encoder", str(places / "encoder")]
    for name, value in {**FIELDS, "max_steps": 2}.items():
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value).lower()
        shown += [f"--{name.replace('_', '-')}", text]
    command = ["pretrain", str(places / "camp"), str(places / "hike"), "--output", str(tmp_path / "base"), *shown]
    with pytest.raises(SystemExit) as stop:
        main([*command, "--json"])
    shell = capsys.readouterr()
    assert not stop.value.code, shell.err
    answer = json.loads(shell.out.splitlines()[-1])
    assert answer["checkpoint"] == str(tmp_path / "base") and np.isfinite(answer["metrics"]["ndcg@10"])
    assert "to train on another dataset: xcat fit NEW_DATA --base" in " ".join(shell.err.split())
    card = (tmp_path / "base" / "README.md").read_text()
    assert "xcat pretrain DATA DATA --output checkpoint --text-encoder TEXT_ENCODER" in card
    with pytest.raises(SystemExit) as stop:
        main(command)
    assert stop.value.code == 2 and "--output" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["pretrain", str(places / "camp"), "--output", str(tmp_path / "other")])
    assert stop.value.code == 2 and "got 1; give two or more" in capsys.readouterr().err


def test_the_task_is_named():
    assert PretrainingTask().head.__name__ == "XCatForPreTraining" and not PretrainingTask.counts_events
