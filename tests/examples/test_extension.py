"""`examples/extension`: custom parts through public names alone, in training, evaluation, serving and saving."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from xcat_rec import (
    PreparationOptions,
    XCatConfig,
    XCatRecommender,
    XCatTrainer,
    XCatTrainingArguments,
    evaluate_ranker,
    prepare_training,
)
from xcat_rec.evaluation import METRICS
from xcat_rec.modeling_xcat import FUSION_BLOCKS, MEMORY_SOURCES
from xcat_rec.tokenization.sequences import SPLITS

from ..tiny_shop import QUICK, SMALL, save_text_encoder, shop

FOLDER = Path(__file__).parents[2] / "examples" / "extension"
CODE = FOLDER / "xcat_extension" / "__init__.py"


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch):
    """The package as its user imports it; its parts leave the registries afterwards."""
    monkeypatch.syspath_prepend(str(FOLDER))
    kept = [(registry, dict(registry)) for registry in (FUSION_BLOCKS, MEMORY_SOURCES, METRICS, SPLITS)]
    names = list(FUSION_BLOCKS.names), list(MEMORY_SOURCES.names)
    import xcat_extension

    yield xcat_extension
    del sys.modules["xcat_extension"]
    for registry, before in kept:
        registry.clear()
        registry.update(before)
    FUSION_BLOCKS.names[:], MEMORY_SOURCES.names[:] = names


def test_it_is_short_and_uses_public_names() -> None:
    assert (
        sum(len(path.read_text().splitlines()) for path in FOLDER.rglob("*") if path.suffix in (".py", ".toml")) < 120
    )
    for node in ast.walk(ast.parse(CODE.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("xcat_rec"):
            room = sys.modules.get(node.module) or __import__(node.module, fromlist=["__all__"])
            assert {alias.name for alias in node.names} <= set(room.__all__), f"{node.module} does not export these"


def test_its_parts_are_trained_evaluated_served_and_saved(extension, tmp_path: Path) -> None:
    config = {**SMALL, "fusion_block": "gated", "memory_sources": ["item_text", "event_items"]}
    encoder = str(save_text_encoder(tmp_path / "encoder"))
    prepared = prepare_training(shop(), PreparationOptions(text_encoder=encoder, config=config))
    model, processor, splits = prepared.model, prepared.processor, prepared.splits
    fusion = model.model.fusion
    before = [
        fusion.layers[0].gate.weight.detach().clone(),
        fusion.sources["event_items"].projection.weight.detach().clone(),
    ]
    args = XCatTrainingArguments(output_dir=str(tmp_path / "run"), **{**QUICK, "num_train_epochs": 1})
    XCatTrainer(model, args, splits["train"], splits["validation"], processor).train()
    assert not torch.equal(fusion.layers[0].gate.weight, before[0])
    assert not torch.equal(fusion.sources["event_items"].projection.weight, before[1])

    capped = XCatRecommender(model, processor, rerankers=[extension.PriceCap(20.0)])
    measured = [
        evaluate_ranker(
            ranker,
            splits["test"],
            processor.catalogue,
            trained=prepared.trained,
            ks=[5],
            metrics=["recall", "precision"],
        )
        for ranker in (XCatRecommender(model, processor), capped)
    ]
    for report in measured:
        assert report.metrics["precision@5"] == pytest.approx(report.metrics["recall@5"] / 5), "one target per user"
        assert "slices.switch.precision@5" in report.flat()
    assert measured[0].ranks is not None and not np.array_equal(measured[0].ranks, measured[1].ranks)

    columns = [processor.catalogue.column(name).to_pylist() for name in ("item_id", "price")]
    prices = dict(zip(*columns, strict=True))
    found = [prices[item.item_id] for item in capped.recommend(["item-20"], 30)]
    dear = [price > 20 for price in found]
    assert dear == sorted(dear) and any(dear) and not all(dear)

    model.save_pretrained(tmp_path / "checkpoint")
    processor.save_pretrained(tmp_path / "checkpoint")
    again = XCatRecommender.from_pretrained(tmp_path / "checkpoint")
    assert [i.item_id for i in again.recommend(["item-20"], 5)] == [
        i.item_id for i in XCatRecommender(model, processor).recommend(["item-20"], 5)
    ]
    load = f"from xcat_rec import XCatRecommender; XCatRecommender.from_pretrained({str(tmp_path / 'checkpoint')!r})"
    done = subprocess.run([sys.executable, "-c", load], capture_output=True, text=True)
    assert done.returncode and "import the package that registers it" in done.stderr


def test_an_unknown_part_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"fusion_block is 'gated'; give one of attention"):
        XCatConfig(fusion_block="gated")


def test_a_name_is_taken_once(extension) -> None:
    with pytest.raises(ValueError, match=r"'gated' is xcat_extension\.GatedBlock already"):
        FUSION_BLOCKS.register("gated")(torch.nn.Identity)
