"""Adapters on a small base: trained and saved parameters; loaded and merged adapters have the same scores."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import AutoPeftModel, LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from torch import nn

from xcat_rec.checkpoints.adapters import (
    GROUPS,
    METHODS,
    add_adapter,
    is_adapter,
    load_adapted,
    parameter_counts,
    target_modules,
)
from xcat_rec.checkpoints.load import bare_model, load_base
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.preparation.options import PreparationOptions, PreparedTraining
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.training.trainer import XCatTrainer

from ..tiny_shop import QUICK, SMALL, save_text_encoder, shop

# peft uses a name that transformers has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

ALL = tuple(GROUPS)


def prepare(folder: Path, **config: Any) -> PreparedTraining:
    if not (folder / "encoder").exists():
        save_text_encoder(folder / "encoder")
    options = PreparationOptions(
        text_encoder=str(folder / "encoder"), split="leave-one-out", config={**SMALL, **config},
        cache_dir=folder / "cache",
    )  # fmt: skip
    return prepare_training(shop(), options)


def train(model: nn.Module, start: PreparedTraining, folder: Path, **arguments: Any) -> XCatTrainer:
    args = XCatTrainingArguments(output_dir=str(folder / "out"), **{**QUICK, **arguments})
    trainer = XCatTrainer(model, args, start.splits["train"], start.splits["validation"], start.processor)
    trainer.train()
    return trainer


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> PreparedTraining:
    return prepare(tmp_path_factory.mktemp("start"))


@pytest.fixture(scope="module")
def base(start: PreparedTraining, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    train(start.model, start, folder, num_train_epochs=3)
    start.model.save_pretrained(folder / "base")
    start.processor.save_pretrained(folder / "base")
    return folder / "base"


@pytest.fixture(scope="module")
def adapted(
    start: PreparedTraining, base: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, torch.Tensor]:
    """An adapter on all parts, saved, and the scores it had."""
    folder = tmp_path_factory.mktemp("adapted")
    torch.manual_seed(3)
    model = add_adapter(load_base(base)[0], rank=4, groups=ALL, base=str(base))
    train(model, start, folder, num_train_epochs=2)
    model.save_pretrained(folder / "adapter")
    return folder / "adapter", scores(bare_model(model), start)


def scores(model: XCatForNextItem, start: PreparedTraining) -> torch.Tensor:
    return XCatRecommender(model, start.processor).score_rows(list(start.splits["test"])[:8])[:, 2:]


@pytest.mark.parametrize("method", METHODS)
def test_only_the_adapter_learns(method, start, base, tmp_path):
    model = add_adapter(load_base(base)[0], method, rank=4, groups=ALL)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    loss = train(model, start, tmp_path, max_steps=3, warmup_steps=0, eval_strategy="no", save_strategy="no")
    assert loss.state.global_step == 3
    loss.save_model(str(tmp_path / "saved"))
    saved = {file.name: file.stat().st_mode for file in (tmp_path / "saved").iterdir() if file.is_file()}
    assert "adapter_model.safetensors" in saved and len(set(saved.values())) == 1  # readable for others too
    kept = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    assert kept and not any("lora_" in name or "hada_" in name for name in kept)
    assert all(torch.equal(before[name], model.state_dict()[name]) for name in kept)
    for group in GROUPS.values():
        learnt = [n for n, p in model.named_parameters() if group in n and p.requires_grad]
        assert any(not torch.equal(before[name], model.state_dict()[name]) for name in learnt), group
    trained, total = parameter_counts(model)
    assert 0 < trained < total / 3
    assert total == trained + sum(p.numel() for p in load_base(base)[0].parameters())


def test_an_adapter_starts_with_the_scores_of_its_base_and_is_small(start, base, adapted):
    fresh = add_adapter(load_base(base)[0], groups=ALL)
    assert torch.allclose(scores(bare_model(fresh), start), scores(load_base(base)[0], start), atol=1e-6)
    folder, _ = adapted
    assert is_adapter(folder) and not is_adapter(base)
    assert {"adapter_config.json", "adapter_model.safetensors"} <= {file.name for file in folder.iterdir()}
    assert not (folder / "model.safetensors").exists()
    weights = load_file(folder / "adapter_model.safetensors")
    assert weights and all("lora_" in name for name in weights)
    assert (folder / "adapter_model.safetensors").stat().st_size < (base / "model.safetensors").stat().st_size / 4
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == str(base.resolve())


def test_a_loaded_adapter_scores_the_same(start, base, adapted):
    folder, expected = adapted
    assert not torch.allclose(expected, scores(load_base(base)[0], start), atol=0.1)
    recommender = XCatRecommender.from_pretrained(folder)
    assert torch.allclose(recommender.score_rows(list(start.splits["test"])[:8])[:, 2:], expected, atol=1e-5)
    assert not recommender.model.training and recommender.recommend(["item-00", "item-07"], k=3)


def test_a_merged_adapter_is_a_whole_checkpoint(start, adapted, tmp_path):
    folder, expected = adapted
    model, processor = load_adapted(folder)
    merged = model.merge_and_unload()
    merged.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert not is_adapter(tmp_path)
    assert not any("lora_" in name for name in load_file(tmp_path / "model.safetensors"))
    assert torch.allclose(scores(load_base(tmp_path)[0], start), expected, atol=1e-5)
    assert torch.allclose(scores(XCatForNextItem.from_pretrained(tmp_path), start), expected, atol=1e-5)


def test_loaders_of_transformers_and_peft_load_a_behaviour_adapter(start, base, tmp_path):
    model = load_base(base)[0]
    model.add_adapter(LoraConfig(r=4, target_modules=target_modules(model), init_lora_weights=False))
    expected = scores(model, start)
    assert not torch.allclose(expected, scores(load_base(base)[0], start), atol=0.1)
    model.save_pretrained(tmp_path)
    assert is_adapter(tmp_path) and not (tmp_path / "model.safetensors").exists()
    for load in (
        lambda: XCatForNextItem.from_pretrained(tmp_path),
        lambda: PeftModel.from_pretrained(load_base(base)[0], tmp_path).get_base_model(),
        lambda: XCatRecommender.from_pretrained(tmp_path, base=base).model,
    ):
        loaded = load()
        assert isinstance(loaded, XCatForNextItem)
        assert torch.allclose(scores(loaded, start), expected, atol=1e-5)


def test_the_auto_class_of_peft_finds_model_and_base(start, base, tmp_path):
    torch.manual_seed(4)
    model = add_adapter(load_base(base)[0], base=str(base))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(tmp_path)
    loaded = AutoPeftModel.from_pretrained(tmp_path, import_allowlist=[XCatForNextItem.__module__])
    assert isinstance(bare_model(loaded), XCatForNextItem)
    assert torch.allclose(scores(bare_model(loaded), start), scores(bare_model(model), start), atol=1e-5)


def test_an_adapter_of_transformers_own_is_loaded_as_it_was_trained(start, base, tmp_path):
    model = load_base(base)[0]
    tuned = model.config.neighbor_weight, model.config.candidate_attention
    model.add_adapter(LoraConfig(r=4, target_modules=target_modules(model)))
    train(model, start, tmp_path, num_train_epochs=1, learning_rate=1e-2, save_strategy="no")
    assert (model.config.neighbor_weight, model.config.candidate_attention) == tuned
    expected = scores(model, start)
    assert not torch.allclose(expected, scores(load_base(base)[0], start), atol=0.1)
    model.save_pretrained(tmp_path / "adapter")
    assert torch.allclose(
        scores(bare_model(load_adapted(tmp_path / "adapter", base=base)[0]), start), expected, atol=1e-5
    )


def test_whole_modules_can_be_trained_and_saved_too(start, base, tmp_path):
    model = load_base(base)[0]
    config = LoraConfig(r=2, target_modules=target_modules(model), modules_to_save=["id_embeddings"])
    adapted = get_peft_model(model, config)
    before = load_base(base)[0].model.items.id_embeddings.weight
    train(adapted, start, tmp_path, num_train_epochs=1)
    adapted.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    loaded, _ = load_adapted(tmp_path / "adapter", base)
    after = bare_model(loaded).model.items.id_embeddings.weight
    assert not torch.equal(before, after)
    assert torch.allclose(scores(bare_model(loaded), start), scores(bare_model(adapted), start), atol=1e-5)


def test_interrupted_training_resumes(start, base, tmp_path):
    def again() -> nn.Module:
        torch.manual_seed(6)
        return add_adapter(load_base(base)[0], rank=4, groups=ALL)

    settings = {"num_train_epochs": 2, "load_best_model_at_end": False, "save_total_limit": 2}
    whole, resumed = again(), again()
    train(whole, start, tmp_path / "whole", **settings)
    first, _ = sorted((tmp_path / "whole" / "out").glob("checkpoint-*"), key=lambda f: int(f.name.rpartition("-")[2]))
    args = XCatTrainingArguments(output_dir=str(tmp_path / "resumed"), **{**QUICK, **settings})
    trainer = XCatTrainer(resumed, args, start.splits["train"], start.splits["validation"], start.processor)
    trainer.train(resume_from_checkpoint=str(first))
    assert trainer.state.epoch == 2
    assert torch.allclose(scores(bare_model(resumed), start), scores(bare_model(whole), start), atol=1e-3)


def test_unknown_methods_ranks_and_parts_are_refused(base, tmp_path):
    model = load_base(base)[0]
    with pytest.raises(ValueError, match="method='prefix' is not an adapter method; give one of lora, dora, loha"):
        add_adapter(model, "prefix")
    with pytest.raises(ValueError, match="rank=0 is too small; give a whole number from 1"):
        add_adapter(model, rank=0)
    with pytest.raises(
        ValueError, match=r"groups=\['head'\] is not a part of the model; give some of behavior, fusion, items, text"
    ):
        add_adapter(model, groups=("behavior", "head"))
    recurrent = prepare(tmp_path, behavior_encoder="gru").model
    assert all(not name.startswith(GROUPS["behavior"]) for name in target_modules(recurrent))
    with pytest.raises(ValueError, match=r"this model has no linear layer there.*gru"):
        target_modules(recurrent, ["behavior"])


def test_an_adapter_without_its_base_is_refused(adapted, tmp_path):
    folder, _ = adapted
    for name, told in (("/nowhere/base", "the base /nowhere/base of the adapter"), (None, "does not name its base")):
        lost = tmp_path / str(name is None)
        shutil.copytree(folder, lost)
        settings = json.loads((lost / "adapter_config.json").read_text()) | {"base_model_name_or_path": name}
        (lost / "adapter_config.json").write_text(json.dumps(settings))
        with pytest.raises(ValueError, match=f"{told}.*give base="):
            XCatRecommender.from_pretrained(lost)
    assert XCatRecommender.from_pretrained(lost, base=json.loads((folder / "adapter_config.json").read_text())[
        "base_model_name_or_path"
    ])  # fmt: skip


def test_an_adapter_on_a_base_of_another_size_is_refused(adapted, tmp_path):
    folder, _ = adapted
    other = prepare(tmp_path, hidden_size=16)
    other.model.save_pretrained(tmp_path / "other")
    other.processor.save_pretrained(tmp_path / "other")
    with pytest.raises(ValueError, match=r"does not fit the base .*other: size mismatch.*give base="):
        load_adapted(folder, tmp_path / "other")
    recurrent = prepare(tmp_path, behavior_encoder="gru")
    recurrent.model.save_pretrained(tmp_path / "gru")
    recurrent.processor.save_pretrained(tmp_path / "gru")
    with pytest.raises(ValueError, match=r"does not fit the base .*gru.*give base="):
        load_adapted(folder, tmp_path / "gru")
