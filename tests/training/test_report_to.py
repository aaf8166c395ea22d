"""`report_to`: metrics of each epoch reach TensorBoard, W&B offline and trackio, without a network.

TensorBoard is in the extra `test`; the others run where their packages are installed.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from ..tiny_shop import QUICK
from .test_trainer import prepared, trainer_of


def trained(folder: Path, logger: str) -> Any:
    """A training of two epochs that reports."""
    start = prepared(folder)
    fields = {**QUICK, "num_train_epochs": 2, "tune_second_stage": False, "run_name": "tiny"}
    trainer = trainer_of(start, folder, report_to=logger, project="xcat-tests", **fields)
    trainer.train()
    return trainer


def expected(trainer: Any, name: str = "eval_ndcg@10") -> list[float]:
    """The values of the epochs."""
    return [entry[name] for entry in trainer.state.log_history if name in entry][:2]


def test_tensorboard_has_the_metrics_of_each_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "board"))
    trainer = trained(tmp_path, "tensorboard")
    events = EventAccumulator(str(next((tmp_path / "board").rglob("events.out.*")).parent)).Reload()
    found = [event.value for event in events.Scalars("eval/ndcg@10")]
    assert found[:2] == pytest.approx(expected(trainer), abs=1e-6)
    assert "train/loss" in events.Tags()["scalars"]


@pytest.mark.slow  # `make slow` installs wandb and trackio
def test_wandb_offline_has_the_metrics_of_each_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    for name, value in (("MODE", "offline"), ("DIR", str(tmp_path)), ("SILENT", "true")):
        monkeypatch.setenv(f"WANDB_{name}", value)
    trainer = trained(tmp_path, "wandb")
    summary = dict(wandb.run.summary)
    wandb.finish()
    values = [entry["eval_ndcg@10"] for entry in trainer.state.log_history if "eval_ndcg@10" in entry]
    assert summary["eval/ndcg@10"] == pytest.approx(values[-1], abs=1e-6)
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb")), "the run is a local file"


@pytest.mark.slow
def test_trackio_has_the_metrics_of_each_epoch(tmp_path: Path) -> None:
    trainer = trained(tmp_path, "trackio")
    files = [path for path in Path(os.environ["HF_HOME"], "trackio").rglob("*.db") if "xcat" in path.name]
    with sqlite3.connect(files[0]) as content:
        logged = " ".join(str(row) for row in content.execute("select metrics from metrics"))
    assert f"{expected(trainer)[0]:.6f}"[:6] in logged
