"""A base trained on half of a dataset's users, and ways to tune it on the other half, evaluated on their test split.

Run as `python benchmarks/adapters.py DATA OUTPUT`. It prints one line of JSON per way and appends it to the file
adapters.jsonl in OUTPUT. Ways that are already in the file are skipped.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from xcat_rec.checkpoints.adapters import DEFAULT_GROUPS
from xcat_rec.evaluation.ranker_evaluation import evaluate_ranker
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.sources import load_shop
from xcat_rec.tokenization.tables.schema import ShopTables
from xcat_rec.training.preparation.from_base import prepare_from_base
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.workflows.fit import fit_shop
from xcat_rec.workflows.fit_request import FitRequest

WAYS: dict[str, dict[str, Any]] = {
    "base": {},
    "base, counts of the second half": {},
    "second half alone": {},
    "full": {"learning_rate": 5e-4},
    "lora behaviour": {"learning_rate": 2e-3},
    "lora behaviour and text": {"learning_rate": 2e-3},
    "full, text encoder too": {"learning_rate": 5e-4},
}


def half(shop: ShopTables, second: bool) -> ShopTables:
    """Every other user, in the order in which they come."""
    users = shop.events["user_id"].unique(maintain_order=True)
    kept = users.gather_every(2, offset=int(second))
    return replace(shop, events=shop.events.filter(pl.col("user_id").is_in(kept.implode())))


def size_kb(folder: Path) -> float:
    """Size of the weights in a folder."""
    return sum(f.stat().st_size for f in folder.glob("*.safetensors")) / 1000


def judge(way: str, shop: ShopTables, base: Path) -> dict[str, Any]:
    """Recall and NDCG of the base on the data's test split, unchanged or with the counts of the data."""
    prepared, _ = prepare_from_base(shop, PreparationOptions(), str(base), recount=way != "base")
    report = evaluate_ranker(
        XCatRecommender(prepared.model, prepared.processor), prepared.splits["test"], prepared.processor.catalogue,
        trained=prepared.trained,
    )  # fmt: skip
    return {"metrics": report.metrics, "trained_parameters": 0}


def tune(way: str, shop: ShopTables, base: Path, output: Path, epochs: int, texts: int) -> dict[str, Any]:
    """Tune and evaluate."""
    request = FitRequest(shop, output)
    if way != "second half alone":
        request.base = str(base)
        request.training = {**WAYS[way], "num_train_epochs": epochs, "trained_texts_per_step": texts}
    if way.startswith("lora"):
        request.peft = "lora"
        request.lora_targets = (*DEFAULT_GROUPS, "text") if way.endswith("text") else DEFAULT_GROUPS
    elif "text" in way:
        request.config = {"freeze_text_encoder": False}
    outcome = fit_shop(request)
    return {**outcome.to_dict(), "size_kb": round(size_kb(output)), "baselines": None, "slices": None}


def main() -> None:
    """Train the base, then run every way that is not in the file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--texts", type=int, default=32)
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    arguments = parser.parse_args()
    shop = load_shop(str(arguments.data))
    base, results = arguments.output / "base", arguments.output / "adapters.jsonl"
    if not (base / "config.json").is_file():
        fit_shop(FitRequest(half(shop, second=False), base))
    done = [json.loads(line)["way"] for line in results.read_text().splitlines()] if results.is_file() else []
    for way in arguments.ways:
        if way in done:
            continue
        begin = time.perf_counter()
        folder = arguments.output / way.replace(" ", "-").replace(",", "")
        second = half(shop, second=True)
        found = (
            judge(way, second, base)
            if way.startswith("base")
            else tune(way, second, base, folder, arguments.epochs, arguments.texts)
        )
        line = json.dumps({"way": way, "seconds": round(time.perf_counter() - begin, 1), **found})
        print(line)
        with results.open("a") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    main()
