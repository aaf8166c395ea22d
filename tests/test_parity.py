"""Python and the command line train the same model: same arguments, same metrics, for data of different sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import transformers
from transformers import TrainerCallback

import xcat_rec
from xcat_rec import PreparationOptions, XCatTrainer, XCatTrainingArguments, load_shop, prepare_training
from xcat_rec.training.data_defaults import SIZED

from .cli.commands import run
from .tiny_shop import CATEGORIES, save_text_encoder

MODEL: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_neighbors": 8}
STEPS: dict[str, Any] = {"max_steps": 2, "use_cpu": True, "precision": "fp32"}
SHOPS = {
    "ordinary": ((40, 60, 6), [128, 2e-3, 10, 5]),
    "dense": ((12, 20, 40), [28, 2e-3, 20, 10]),
    "large catalogue": ((16_400, 20, 6), [256, 2e-3 * 2**0.5, 10, 5]),
}
"""(items, users, events per user), and the batch size, learning rate, epochs and patience for them."""


def write(folder: Path, items: int, users: int, length: int) -> None:
    """Users walk through the catalogue from a random item on, in steps of seven items."""
    first = np.random.default_rng(0).integers(items, size=users)
    names = pl.DataFrame({
        "item_id": [f"i{n}" for n in range(items)],
        "title": [f"{CATEGORIES[n % 4]} number {n % 40} {n // 40 % 40} {n // 1600}" for n in range(items)],
        "category": [CATEGORIES[n % 4] for n in range(items)],
    })  # fmt: skip
    rows = [(f"u{user}", f"i{(start + 7 * n) % items}", n) for user, start in enumerate(first) for n in range(length)]
    folder.mkdir()
    names.write_csv(folder / "items.csv")
    pl.DataFrame(rows, schema=["user_id", "item_id", "order"], orient="row").write_csv(folder / "events.csv")


@pytest.fixture
def trained_with(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of every training that a test begins, without its folder."""
    seen: list[dict[str, Any]] = []

    class Recorder(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, args: Any, *rest: Any, **kwargs: Any) -> None:
            skipped = ("output_dir", "run_name")
            seen.append({name: value for name, value in args.to_dict().items() if name not in skipped})

    usual = transformers.trainer.DEFAULT_CALLBACKS
    monkeypatch.setattr(transformers.trainer, "DEFAULT_CALLBACKS", [*usual, Recorder])
    return seen


@pytest.mark.parametrize("size", [*list(SHOPS)[:2], pytest.param("large catalogue", marks=pytest.mark.slow)])
def test_fit_and_the_example_in_python_train_the_same_model(size, tmp_path, trained_with, capsys):
    (measures, sizes), shop, encoder = SHOPS[size], tmp_path / "shop", str(save_text_encoder(tmp_path / "encoder"))
    write(shop, *measures)

    line = ["fit", str(shop), "--output", str(tmp_path / "by-command"), "--text-encoder", encoder, "--json"]
    options = {**MODEL, **STEPS}
    for name, value in options.items():
        line += [f"--{name.replace('_', '-')}", str(value)]
    by_command = run(line, capsys)

    start = prepare_training(load_shop(str(shop)), PreparationOptions(text_encoder=encoder, config=MODEL), "fp32")
    splits, args = start.splits, XCatTrainingArguments(output_dir=str(tmp_path / "by-python"), **STEPS)
    trainer = XCatTrainer(start.model, args, splits["train"], splits["validation"], start.processor)
    trainer.train()
    trainer.save_model()
    by_python = xcat_rec.evaluate_checkpoint(str(tmp_path / "by-python"), str(shop)).report

    assert trained_with[0] == trained_with[1]
    assert [trained_with[0][name] for name in SIZED] == pytest.approx(sizes)
    shared = {name: by_command["metrics"][name] for name in by_python.metrics}
    assert "ndcg@10" in shared
    assert shared == pytest.approx(by_python.metrics)
