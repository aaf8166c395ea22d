"""A card is filled during training, and its errors never stop a run."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerCallback

from xcat_rec import XCatTrainer, XCatTrainingArguments
from xcat_rec.model_cards.callback import ModelCardCallback, attach_card, emissions_of
from xcat_rec.model_cards.card import build_card
from xcat_rec.model_cards.card_data import XCatModelCardData
from xcat_rec.training.preparation.options import PreparationOptions, PreparedTraining
from xcat_rec.training.preparation.prepare import prepare_training

from ..tiny_shop import QUICK, SMALL, save_text_encoder, shop
from .card_pattern import CARD


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_text_encoder(tmp_path_factory.mktemp("encoder"))


def prepared(encoder: Path) -> PreparedTraining:
    return prepare_training(
        shop(), PreparationOptions(text_encoder=str(encoder), split="leave-one-out", config=SMALL), "fp32"
    )


def trainer_of(made: PreparedTraining, folder: Path, epochs: int = 2, **callbacks: Any) -> XCatTrainer:
    arguments = XCatTrainingArguments(output_dir=str(folder), **{**QUICK, "num_train_epochs": epochs})
    return XCatTrainer(
        made.model, arguments, train_dataset=made.splits["train"], eval_dataset=made.splits["validation"],
        processing_class=made.processor, **callbacks,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[XCatTrainer, XCatModelCardData, Path]:
    folder, data = tmp_path_factory.mktemp("trained"), XCatModelCardData(dataset_name="tiny shop")
    trainer = trainer_of(prepared(encoder), folder)
    attach_card(trainer, data)
    trainer.train()
    return trainer, data, folder


def test_the_card_is_filled(trained: tuple[XCatTrainer, XCatModelCardData, Path]) -> None:
    trainer, data, _ = trained
    record = data.training
    assert record.config is trainer.model.config and record.arguments is trainer.args
    assert record.log == trainer.state.log_history
    assert record.best_step == trainer.state.best_global_step
    assert 0 < record.evaluation_seconds < (record.seconds or 0)
    assert "cores" in record.hardware and (record.processes, record.resumed_at, record.emissions) == (1, 0, None)
    assert data.parameters is not None and data.parameters[0] <= data.parameters[1]
    card = build_card(data)
    assert re.fullmatch(CARD, card), card
    losses = [f"{entry['loss']:.4f}" for entry in trainer.state.log_history if "loss" in entry]
    shown = [
        row.replace("*", "").split(" | ")
        for row in card.split("### Training log\n\n")[1].split("\n\n")[0].splitlines()
    ]
    assert [row[2] for row in shown[2:]] == losses and len(losses) == 2
    assert "| `hidden_size` | `32` |" in card and "| `num_train_epochs` | `2` |" in card
    assert str(trained[2]) not in card


def test_a_change_after_training_is_recorded(trained: tuple[XCatTrainer, XCatModelCardData, Path]) -> None:
    trainer, data, _ = trained
    before = trainer.model.config.neighbor_weight
    trainer.model.config.neighbor_weight = 0.125
    assert "weight 0.125 in the score" in build_card(data)
    trainer.model.config.neighbor_weight = before


def test_a_pushed_state_has_the_card_as_it_is_then(trained: tuple[XCatTrainer, XCatModelCardData, Path]) -> None:
    trainer, data, folder = trained
    trainer.create_model_card()
    card = (folder / "README.md").read_text()
    assert card == build_card(data)
    assert "The model was not evaluated on test targets" in card


def test_a_resumed_run_is_marked_and_keeps_the_log(encoder: Path, tmp_path: Path) -> None:
    trainer_of(prepared(encoder), tmp_path, epochs=1).train()
    data = XCatModelCardData()
    trainer = trainer_of(prepared(encoder), tmp_path, epochs=2)
    attach_card(trainer, data)
    trainer.train(resume_from_checkpoint=True)
    assert data.training.resumed_at == 6
    card = build_card(data)
    assert re.fullmatch(CARD, card), card
    assert "; counted from step 6, where the run was resumed." in card
    assert card.split("### Training log")[1].count("| 6 |") + card.split("### Training log")[1].count("| **6** |") == 1


def test_a_fault_of_the_card_does_not_stop_a_run(
    encoder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Untouchable:
        def __setattr__(self, name: str, value: Any) -> None:
            raise RuntimeError("no such thing")

    data = XCatModelCardData(training=Untouchable())  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING):
        trainer = trainer_of(prepared(encoder), tmp_path, epochs=1, callbacks=[ModelCardCallback(data)])
        result = trainer.train()
    assert result.global_step == 6
    assert "the model card lacks the data of on_train_begin: RuntimeError('no such thing')" in caplog.text


def test_emissions_of_other_callbacks() -> None:
    assert emissions_of(TrainerCallback()) is None


def test_emissions_are_those_of_codecarbon(encoder: Path, tmp_path: Path) -> None:
    codecarbon = pytest.importorskip("codecarbon")

    class Measured(TrainerCallback):
        """As in transformers, with the tracker that needs no network."""

        def __init__(self) -> None:
            self.tracker = codecarbon.OfflineEmissionsTracker(
                country_iso_code="FRA", save_to_file=False, log_level="error"
            )

        def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
            self.tracker.start()

        def on_train_end(self, *args: Any, **kwargs: Any) -> None:
            self.tracker.stop()

    measured, data = Measured(), XCatModelCardData()
    trainer = trainer_of(prepared(encoder), tmp_path, epochs=1, callbacks=[measured])
    attach_card(trainer, data)
    trainer.train()
    found = data.training.emissions
    assert found is not None and found["source"] == "codecarbon" and found["geographical_location"] == "France"
    assert found["emissions"] > 0
    assert found["emissions"] == pytest.approx(1000 * measured.tracker.final_emissions, abs=1e-6)
    card = build_card(data)
    assert re.fullmatch(CARD, card), card
    assert "kWh in France, estimated by codecarbon" in card and "co2_eq_emissions:\n" in card
