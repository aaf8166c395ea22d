"""A training is resumed with the data and settings that it was started with, from a whole checkpoint."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerCallback

import xcat_rec
from xcat_rec.cli.app import main
from xcat_rec.tokenization.text import DEFAULT_TEXT_ENCODER as ENCODER
from xcat_rec.training.trainer import XCatTrainer

from ..tiny_shop import QUICK, SMALL, save_text_encoder, write_shop

FIELDS: dict[str, Any] = {**SMALL, **QUICK, "num_train_epochs": 3, "save_total_limit": 3}
NEWEST, OLDER = "training/checkpoint-12", "training/checkpoint-6"


class Stop(TrainerCallback):
    """Ends a training like a fault of the machine."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 15:
            raise RuntimeError("killed")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two shops, a prepared one, an encoder, and trainings that ended in their third epoch."""
    folder = tmp_path_factory.mktemp("resume")
    write_shop(folder / "shop")
    write_shop(folder / "other", users=59)
    save_text_encoder(folder / "encoder")
    xcat_rec.prepare(folder / "shop", folder / "prepared")
    xcat_rec.prepare(folder / "other", folder / "prepared-other")
    ordinary = XCatTrainer.__init__

    def stopping(self: XCatTrainer, *arguments: Any, **options: Any) -> None:
        ordinary(self, *arguments, **options)
        self.add_callback(Stop())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(XCatTrainer, "__init__", stopping)
        for data, begun in (("shop", "begun"), ("prepared", "begun-prepared")):
            with pytest.raises(RuntimeError, match="killed"):
                xcat_rec.fit(folder / data, folder / begun, text_encoder=str(folder / "encoder"), **FIELDS)
    return folder


@pytest.fixture
def output(place: Path, tmp_path: Path) -> Path:
    return shutil.copytree(place / "begun", tmp_path / "out")


def resume(place: Path, output: Path, data: str = "shop", **changes: Any) -> xcat_rec.FitResult:
    given = {"text_encoder": str(place / "encoder"), **FIELDS, **changes}
    return xcat_rec.fit(place / data, output, resume=True, **{n: v for n, v in given.items() if v is not None})


def test_the_same_data_elsewhere_and_harmless_settings_are_taken(place, output, tmp_path):
    for name in ("shop", "encoder"):
        shutil.copytree(place / name, tmp_path / name)
    harmless = {"save_total_limit": 1, "logging_steps": 3, "per_device_eval_batch_size": 8}
    harmless |= {"per_device_train_batch_size": 5, "gradient_accumulation_steps": 2}  # the same batch
    result = resume(tmp_path, output, **harmless)
    assert result.epochs == 3 and (output / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": "other"}, r"the events table \(hash \w{12}, saved: \w{12}\)\. Give the same data"),
        ({"learning_rate": 1e-3}, r"learning_rate=0\.001 \(saved: 0\.005\)"),
        ({"learning_rate": None}, r"learning_rate= left out \(saved: 0\.005\)"),
        ({"num_train_epochs": 6}, r"num_train_epochs=6 \(saved: 3\)"),  # the learning rate would jump
        ({"per_device_train_batch_size": 20}, r"per_device_train_batch_size over all processes=20 \(saved: 10\)"),
        ({"hidden_size": 64}, r"hidden_size=64 \(saved: 32\)"),
        ({"split": "last-basket"}, r"split='last-basket' \(saved: default\)"),
        ({"text_encoder": ENCODER}, rf"text_encoder='{ENCODER}' .*; the weights of text_encoder="),
        ({"text_fields": ["title"], "seed": 3}, r"seed=3 \(saved: default\); text_fields=\['title'\]"),
    ],
)  # fmt: skip
def test_other_data_and_settings_are_refused(place, output, changes, words):
    before = sorted(output.rglob("*"))
    with pytest.raises(ValueError, match=words) as refused:
        resume(place, output, **changes)
    assert "another output= for a new training" in str(refused.value) and "\n" not in str(refused.value)
    assert sorted(output.rglob("*")) == before


def test_other_items_are_refused(place, output, tmp_path):
    shop = shutil.copytree(place / "shop", tmp_path / "shop")
    items = (shop / "items.csv").read_text()
    (shop / "items.csv").write_text(items.replace("boots number 11", "boots number 12"))
    with pytest.raises(ValueError, match=r"with other data or settings: the items table \(hash"):
        resume(place, output, data=str(shop))


def test_a_prepared_folder_is_compared_too(place, tmp_path):
    output = shutil.copytree(place / "begun-prepared", tmp_path / "out")
    with pytest.raises(ValueError, match="with other data or settings: the events table"):
        resume(place, output, data="prepared-other")
    shutil.copytree(place / "prepared", tmp_path / "moved")
    assert resume(place, output, data=str(tmp_path / "moved")).epochs == 3


def test_the_saved_inputs_name_no_folder(place):
    state = (place / "begun" / NEWEST / "trainer_state.json").read_text()
    inputs = json.loads(state)["stateful_callbacks"]["StartedWith"]["args"]["inputs"]
    assert inputs["settings"]["learning_rate"] == 5e-3 and str(place) not in json.dumps(inputs)


def test_a_training_of_an_older_version_is_resumed_with_a_note(place, output):
    for file in output.glob("training/*/trainer_state.json"):
        state = json.loads(file.read_text())
        del state["stateful_callbacks"]["StartedWith"]
        file.write_text(json.dumps(state))
    told: list[str] = []
    assert resume(place, output, tell=told.append).epochs == 3
    assert any("does not state its data and settings" in line for line in told)


def test_weights_of_other_sizes_are_refused_where_nothing_is_stated(place, output):
    for file in output.glob("training/*/trainer_state.json"):
        state = json.loads(file.read_text())
        del state["stateful_callbacks"]["StartedWith"]
        file.write_text(json.dumps(state))
    with pytest.raises(ValueError, match="checkpoint-12 have other sizes than the model; resume with the data"):
        resume(place, output, hidden_size=64)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "junk": lambda content: os.urandom(300),
}
FILES = (
    "model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json", "config.json",
    "items.arrow", "processor_config.json", "tokenizer.json",
)  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_with_the_older_checkpoint(place, output, name, damage):
    file = output / NEWEST / name
    file.write_bytes(damage(file.read_bytes()))
    words = (
        rf"^resume=True: {re.escape(name)} of .*checkpoint-12 is damaged .*; remove .*checkpoint-12 to resume from "
    )
    with pytest.raises(ValueError, match=words.replace("damaged .*", "damaged.*") + "checkpoint-6$"):
        resume(place, output)


def test_a_lost_file_and_a_damaged_best_checkpoint(place, output):
    (output / NEWEST / "optimizer.pt").unlink()
    with pytest.raises(ValueError, match=r"checkpoint-12 has no optimizer\.pt.*to resume from checkpoint-6"):
        resume(place, output)
    shutil.rmtree(output / NEWEST)
    shutil.copytree(place / "begun" / NEWEST, output / NEWEST)
    file = output / NEWEST / "trainer_state.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "best_model_checkpoint": f"x/{OLDER}"}))
    (output / OLDER / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"checkpoint-6 is damaged.*no older checkpoint is whole.*overwrite=True"):
        resume(place, output)


def test_the_remedies_work(place, output):
    (output / NEWEST / "model.safetensors").write_bytes(b"")
    shutil.rmtree(output / NEWEST)
    assert resume(place, output).epochs == 3


def test_on_the_command_line(place, output, capsys):
    given = ["--text-encoder", str(place / "encoder")]
    for name, value in FIELDS.items():
        shown = ",".join(map(str, value)) if isinstance(value, list) else str(value).lower()
        given += [f"--{name.replace('_', '-')}", shown]
    command = ["fit", str(place / "shop"), "--output", str(output), "--resume", *given]
    with pytest.raises(SystemExit) as stop:
        main([*command, "--learning-rate", "0.002", "--seed", "3"])
    told = capsys.readouterr().err
    assert stop.value.code == 2 and "Traceback" not in told
    assert "xcat: error: --resume: the training in" in told
    assert "--learning-rate 0.002 (saved: 0.005)" in told and "--seed 3 (saved: default)" in told
    assert "or another --output for a new training" in told
    for checkpoint in (NEWEST, OLDER):
        (output / checkpoint / "optimizer.pt").write_bytes(b"")
    with pytest.raises(SystemExit) as stop:
        main(command)
    assert stop.value.code == 2
    assert (
        "no older checkpoint is whole, so start again with --overwrite instead of --resume" in capsys.readouterr().err
    )
