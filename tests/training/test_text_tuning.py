"""A trained text encoder: its gradient, its budget, and its stored states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from xcat_rec.catalogue.item_table import refresh_text_states
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.collators import PackingCollator
from xcat_rec.training.preparation.options import PreparationOptions, PreparedTraining
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.training.text_tuning import TextTuningCollator, text_learning_rate, trains_text
from xcat_rec.training.trainer import XCatTrainer

from ..tiny_shop import QUICK, SMALL, save_text_encoder, shop


def prepare(folder: Path, **config: Any) -> PreparedTraining:
    save_text_encoder(folder / "encoder")
    config = {**SMALL, "freeze_text_encoder": False, "hidden_dropout": 0.0, "id_dropout": 0.0, **config}
    options = PreparationOptions(
        text_encoder=str(folder / "encoder"), split="leave-one-out", config=config, cache_dir=folder / "cache"
    )
    return prepare_training(shop(), options)


def trainer_of(start: PreparedTraining, folder: Path, **arguments: Any) -> XCatTrainer:
    args = XCatTrainingArguments(output_dir=str(folder / "out"), **{**QUICK, **arguments})
    return XCatTrainer(start.model, args, start.splits["train"], start.splits["validation"], start.processor)


def stale(start: PreparedTraining) -> float:
    """Largest difference between the stored text states and new ones."""
    items = start.model.model.items
    kept = items.text_states.clone()
    refresh_text_states(start.model, start.processor)
    difference = float((items.text_states - kept).abs().max())
    items.text_states.copy_(kept)
    return difference


@pytest.mark.parametrize("objective", ["softmax", "sampled_softmax"])
@pytest.mark.parametrize("tokens", [1, 3])
def test_the_gradient_is_that_of_encoding_every_text_in_place(objective, tokens, tmp_path):
    start = prepare(tmp_path, objective=objective, num_negatives=200, text_tokens_per_item=tokens)
    model, rows = start.model.train(), list(start.splits["train"])[:6]
    collate = TextTuningCollator(PackingCollator(start.processor), start.processor, budget=1000)
    batch = collate(rows)
    numbers = batch["item_text_numbers"]
    assert len(numbers) > 10 and 0 not in numbers
    torch.manual_seed(5)
    loss = model(**batch).loss
    loss.backward()
    found = {n: p.grad.clone() for n, p in model.model.text.named_parameters() if p.grad is not None}
    assert any(float(g.abs().max()) > 1e-4 for g in found.values())

    model.zero_grad()
    items = model.model.items
    kept = items.text_states.clone().requires_grad_(True)
    items.text_states = kept
    plain = {name: value for name, value in batch.items() if not name.startswith("item_text")}
    torch.manual_seed(5)
    reference = model(**plain).loss
    reference.backward()
    assert loss.item() == pytest.approx(reference.item(), rel=1e-5)
    states = model.model.encode_text(batch["item_text_input_ids"], batch["item_text_attention_mask"])
    states.backward(kept.grad[numbers])
    for name, parameter in model.model.text.named_parameters():
        if parameter.grad is not None:
            assert torch.allclose(found[name], parameter.grad, atol=1e-4, rtol=1e-3), name


def test_the_budget_is_kept_and_sampled_for_every_batch(tmp_path):
    start = prepare(tmp_path)
    collate = TextTuningCollator(PackingCollator(start.processor), start.processor, budget=5)
    rows = list(start.splits["train"])[:10]
    there = {collate.index[item].item() for row in rows for item in row["items"]}
    orders = [rows[n:] + rows[:n] for n in range(len(rows))]
    drawn, again = ([tuple(collate(order)["item_text_numbers"].tolist()) for order in orders] for _ in range(2))
    assert drawn == again, "what was drawn before makes no difference"
    assert {len(numbers) for numbers in drawn} == {5} and len(set(drawn)) > 5
    assert {number for numbers in drawn for number in numbers} <= there


def test_kept_texts_follow_the_encoder(tmp_path):
    start = prepare(tmp_path)
    assert trains_text(start.model)
    before = {n: p.detach().clone() for n, p in start.model.model.text.named_parameters() if "pooler" not in n}
    mean = start.model.model.text.mean.clone()
    trainer = trainer_of(
        start, tmp_path, num_train_epochs=2, trained_texts_per_step=8, text_encoder_learning_rate=1e-3
    )
    was = start.model.model.items.text_states.clone()
    trainer.train()
    changed = [n for n, p in start.model.model.text.named_parameters() if n in before and not p.equal(before[n])]
    assert len(changed) > len(before) / 2
    assert not start.model.model.items.text_states.equal(was)
    assert stale(start) < 1e-4
    assert start.model.model.text.mean.equal(mean), "the adaptor was trained on this whitening"
    weights = load_file(trainer.state.best_model_checkpoint + "/model.safetensors")
    assert torch.allclose(weights["model.items.text_states"], start.model.model.items.text_states, atol=1e-4)
    assert not start.model.model.text.encoder.training


def test_a_run_that_goes_on_within_an_epoch_is_the_unbroken_one(tmp_path):
    arguments = {
        "num_train_epochs": 2, "trained_texts_per_step": 8, "save_strategy": "steps", "save_steps": 2,
        "load_best_model_at_end": False, "save_total_limit": None,
    }  # fmt: skip
    whole = prepare(tmp_path)
    trainer_of(whole, tmp_path, **arguments).train()
    resumed = prepare(tmp_path)
    trainer_of(resumed, tmp_path, **arguments).train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-2"))
    for name, value in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value), name


def test_a_frozen_encoder_is_frozen_after_loading(tmp_path):
    start = prepare(tmp_path, freeze_text_encoder=True)
    start.model.save_pretrained(tmp_path / "frozen")
    loaded = XCatForNextItem.from_pretrained(tmp_path / "frozen")
    learning = {name for name, p in loaded.named_parameters() if p.requires_grad}
    assert learning == {name for name, p in start.model.named_parameters() if p.requires_grad}
    assert not trains_text(loaded) and not any(name.startswith("model.text.encoder") for name in learning)
    prepare(tmp_path).model.save_pretrained(tmp_path / "tuned")
    assert trains_text(XCatForNextItem.from_pretrained(tmp_path / "tuned"))


def test_evaluation_brings_states_up_to_date(tmp_path):
    start = prepare(tmp_path)
    trainer = trainer_of(start, tmp_path, max_steps=2, eval_strategy="no", save_strategy="no")
    trainer.train()
    with torch.no_grad():
        for parameter in start.model.model.text.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    assert stale(start) > 1e-3
    trainer.state.global_step += 1
    trainer.evaluate()
    assert stale(start) < 1e-4


def test_the_encoder_has_a_learning_rate_of_its_own(tmp_path):
    start = prepare(tmp_path)
    assert text_learning_rate(start.model, None) == 5e-5
    assert text_learning_rate(start.model, 3e-4) == 3e-4
    trainer = trainer_of(start, tmp_path, learning_rate=1e-3)
    optimizer = trainer.create_optimizer()
    text = {id(p) for p in start.model.model.text.parameters()}
    rates = {(id(p) in text, group["lr"]) for group in optimizer.param_groups for p in group["params"]}
    assert rates == {(True, 5e-5), (False, 1e-3)}
    assert not any(p.requires_grad for p in start.model.model.text.encoder.pooler.parameters())  # nothing reads it
    counted = sum(len(group["params"]) for group in optimizer.param_groups)
    assert counted == len([p for p in start.model.parameters() if p.requires_grad])


def test_a_frozen_encoder_is_left_alone(tmp_path):
    start = prepare(tmp_path, freeze_text_encoder=True)
    assert not trains_text(start.model)
    trainer = trainer_of(start, tmp_path, max_steps=2, eval_strategy="no", save_strategy="no")
    assert isinstance(trainer.data_collator, PackingCollator)
    was = start.model.model.items.text_states.clone()
    trainer.train()
    assert start.model.model.items.text_states.equal(was)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [("trained_texts_per_step", 0, "trained_texts_per_step is 0; give at least 1"),
     ("text_encoder_learning_rate", 0.0, "text_encoder_learning_rate is 0.0; give a positive number")],
)  # fmt: skip
def test_absurd_settings_are_refused(field, value, told, tmp_path):
    with pytest.raises(ValueError, match=told):
        XCatTrainingArguments(output_dir=str(tmp_path), **{**QUICK, field: value})
