"""Fits on a GPU; what they save gives the same lists and probabilities on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import xcat_rec
from xcat_rec.ranking.recommender import XCatRecommender

from ..tiny_shop import QUICK, SMALL, save_text_encoder, write_shop

pytestmark = pytest.mark.gpu

HISTORY, SHOWN = ["item-01", "item-08"], ["item-15", "item-16", "item-30"]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("gpu")
    return {"data": str(write_shop(folder / "shop")), "encoder": str(save_text_encoder(folder / "encoder"))}


def fitted(places: dict[str, str], output: Path, **more: Any) -> xcat_rec.FitResult:
    fields = {**SMALL, **QUICK, "use_cpu": False, "text_encoder": places["encoder"], **more}
    return xcat_rec.fit(places["data"], output, **fields)


def on(device: str, folder: Path) -> XCatRecommender:
    found = XCatRecommender.from_pretrained(folder)
    found.model.to(device)
    return found


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "fp32"},
        {"precision": "bf16"},
        {"behavior_encoder": "gru", "precision": "fp32"},
        {"behavior_encoder": "lstm", "precision": "bf16"},
        {"num_behavior_layers": 2, "num_fusion_layers": 0, "use_text": False, "precision": "bf16"},
    ],
    ids=str,
)
def test_lists_of_a_fit_on_a_gpu(places: dict[str, str], tmp_path: Path, options: dict[str, Any]) -> None:
    result = fitted(places, tmp_path / "model", **options)
    assert result.reports["XCat"].metrics["ndcg@10"] > 1.5 * result.reports["popularity"].metrics["ndcg@10"]
    (cpu, gpu) = (on(device, tmp_path / "model") for device in ("cpu", "cuda"))
    assert next(gpu.model.parameters()).device.type == "cuda"
    for asked in ({"history": HISTORY}, {"history": HISTORY, "query": "tents"}, {"query": "maps"}):
        if "query" in asked and cpu.model.config.ask_length == 0:
            continue
        mine, theirs = (found.recommend(**asked, k=10) for found in (cpu, gpu))
        np.testing.assert_allclose([r.score for r in mine], [r.score for r in theirs], rtol=1e-3, atol=1e-3)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft's
def test_an_adapter_of_a_fit_on_a_gpu(places: dict[str, str], tmp_path: Path) -> None:
    fitted(places, tmp_path / "base")
    quick = {**QUICK, "use_cpu": False}
    xcat_rec.fit(places["data"], tmp_path / "adapted", base=str(tmp_path / "base"), peft="lora", card=None, **quick)
    mine, theirs = (on(device, tmp_path / "adapted").recommend(HISTORY, k=10) for device in ("cpu", "cuda"))
    np.testing.assert_allclose([r.score for r in mine], [r.score for r in theirs], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_probabilities_of_a_fit_on_a_gpu(places: dict[str, str], tmp_path: Path, precision: str) -> None:
    result = fitted(places, tmp_path / "model", task="click", negatives="category", precision=precision)
    assert result.clicks["XCat"].metrics["gauc"] > result.clicks["candidate-popularity"].metrics["gauc"]
    mine, theirs = (on(device, tmp_path / "model").click_probability(HISTORY, SHOWN) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(mine, theirs, rtol=1e-3)


def test_baselines_on_a_gpu(places: dict[str, str], tmp_path: Path) -> None:
    models = ["din", "dien", "bst", "dmin", "lr", "mean-pooling", "neumf", "mf", "candidate-popularity"]
    found = xcat_rec.bench(
        places["data"], models, task="click", output=tmp_path / "clicks.json", seeds=1,
        **{**QUICK, "use_cpu": False, "text_encoder": places["encoder"]},
    )  # fmt: skip
    assert {run.row["model"] for run in found.runs} == {*models, "category-match"}
    assert all(np.isfinite(run.row["metrics"]["log_loss"]) for run in found.runs)


def test_the_device_that_is_left_out_is_the_gpu(places: dict[str, str], tmp_path: Path) -> None:
    result = fitted(places, tmp_path / "model", max_steps=2)
    assert torch.cuda.max_memory_allocated() > 0
    assert result.prepared.model.device.type == "cuda"
