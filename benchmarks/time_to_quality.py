"""Seconds of training until validation NDCG@10 first reaches a value, against RecTools on the same split.

    python benchmarks/time_to_quality.py DATA --peer-python .venv-peers/bin/python --json

DATA is a folder with items.* and events.*, with its default split. After every epoch the held-out items of all users
are ranked among the whole catalogue, items of the history included, ties against the model. XCat trains with its
defaults, and as the recipe `sasrec` with ids only (d = 64, 2 blocks); RecTools' SASRecModel has the same sizes. All
read 50 events and have 128 histories per batch. Preparation is reported separately; XCat's includes encoding all
texts. Two things favour the peer: it ranks only items that it trained on, and its preparation in every epoch is not
counted.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import DatasetDict
from machine import machine_line, run_peer
from transformers import TrainerCallback

from xcat_rec.tokenization.sources import load_shop
from xcat_rec.tokenization.tables.schema import ShopTables
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training, split_shop
from xcat_rec.training.recipes import OWN, find_recipe
from xcat_rec.training.trainer import XCatTrainer

SASREC = "sasrec"
LENGTH, BATCH = 50, 128
OWN_NAMES = {OWN: "XCat, defaults", SASREC: "XCat, recipe sasrec (id only)"}
PEERS = {"rectools_softmax": "RecTools, softmax", "rectools_sampled": "RecTools, sampled softmax (256)"}
PEER_LOSSES = {"rectools_softmax": ["--loss", "softmax"], "rectools_sampled": ["--loss", "sampled_softmax"]}


class QualityClock(TrainerCallback):
    """The curve of epochs; ends training at a value or a maximum number of epochs, for any schedule."""

    def __init__(self, ndcg: float, max_epochs: int) -> None:
        self.ndcg, self.max_epochs = ndcg, max_epochs
        self.begin, self.judging, self._end = 0.0, 0.0, 0.0
        self.curve: list[dict[str, float]] = []

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        """Store the start time of the steps."""
        self.begin = time.perf_counter()

    def on_epoch_end(self, *args: Any, **kwargs: Any) -> None:
        """Store the end time of an epoch's steps."""
        self._end = time.perf_counter()

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """Evaluate an epoch, and stop at the target value."""
        now = time.perf_counter()
        training = self._end - self.begin - self.judging
        self.judging += now - self._end
        reached = float(metrics["eval_ndcg@10"])
        self.curve.append({
            "epoch": len(self.curve) + 1, "training_seconds": training,
            "with_evaluation_seconds": training + self.judging, "ndcg@10": reached,
        })  # fmt: skip
        control.should_training_stop |= reached >= self.ndcg or len(self.curve) >= self.max_epochs


def own_run(name: str, shop: ShopTables, options: argparse.Namespace, cache: Path) -> dict[str, Any]:
    """Train a recipe with the Trainer: seconds of preparation, and the curve."""
    recipe = find_recipe(name)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        # The weight of the item-to-item scores is tuned after the last epoch, which is not part of the curve.
        own: dict[str, Any] = {
            "seed": options.seed, "precision": options.precision, "save_strategy": "no", "disable_tqdm": True,
            "load_best_model_at_end": False, "tune_neighbor_weight": False, "use_cpu": True,
            "per_device_train_batch_size": BATCH,
        }  # fmt: skip
        arguments = XCatTrainingArguments(output_dir=folder, **{**recipe.training, **own})
        config = {**recipe.config, "max_history": LENGTH}
        prepared = prepare_training(
            shop, PreparationOptions(config=config, seed=options.seed, cache_dir=cache),
            "bf16" if arguments.bf16 else "fp32",
        )  # fmt: skip
        clock = QualityClock(options.ndcg, options.max_epochs)
        trainer = XCatTrainer(
            prepared.model, arguments, prepared.splits["train"], prepared.splits["validation"], prepared.processor,
            callbacks=[clock],
        )  # fmt: skip
        trainer.train()
    return {"prepare_seconds": clock.begin - start, "curve": clock.curve}


def store(splits: DatasetDict, file: str) -> None:
    """Write training sequences, and histories with their targets, for a peer."""
    validation = splits["validation"].with_format(None)
    columns = {
        "train": splits["train"].with_format(None)["items"], "histories": validation["items"],
        "targets": validation["targets"],
    }  # fmt: skip
    names = {"train": "train_lengths", "histories": "history_lengths", "targets": "target_lengths"}
    lengths = {names[name]: [len(row) for row in column] for name, column in columns.items()}
    flat = {name: np.concatenate(column).astype(np.int64) for name, column in columns.items()}
    np.savez(file, **flat, **lengths)


def best(curve: list[dict[str, float]]) -> float:
    """The highest NDCG@10 of a curve."""
    return max(point["ndcg@10"] for point in curve)


def seconds_at(point: dict[str, float]) -> dict[str, float]:
    """Time and epochs until a point of a curve."""
    return {
        "training": point["training_seconds"], "with_evaluation": point["with_evaluation_seconds"],
        "epochs": point["epoch"],
    }  # fmt: skip


def seconds_to(run: dict[str, Any], ndcg: float) -> dict[str, float] | None:
    """Seconds at the first epoch that reached the value; None if none did."""
    return next((seconds_at(point) for point in run["curve"] if point["ndcg@10"] >= ndcg), None)


def ratios(runs: dict[str, dict[str, Any] | None], ndcg: float) -> dict[str, dict[str, Any]]:
    """The peer's time relative to ours; a lower bound (`at_least`) if it ended before the value."""
    found: dict[str, dict[str, Any]] = {}
    for own in OWN_NAMES:
        mine = seconds_to(runs[own] or {"curve": []}, ndcg)
        for peer in PEERS:
            run = runs[peer]
            if mine is None or run is None:
                continue
            theirs = seconds_to(run, ndcg)
            took = theirs or seconds_at(run["curve"][-1])
            found[f"{own}_vs_{peer}"] = {
                "training": round(took["training"] / mine["training"], 2),
                "with_evaluation": round(took["with_evaluation"] / mine["with_evaluation"], 2),
                "at_least": theirs is None,
            }
    return found


def line_of(name: str, run: dict[str, Any] | None, ndcg: float) -> str:
    """A line of the table."""
    if run is None:
        return f"| {name} | skipped: give --peer-python | | | | |"
    reached, missed = seconds_to(run, ndcg), ""
    if reached is None:
        reached, missed = seconds_at(run["curve"][-1]), "not reached in "
    return (
        f"| {name} | {missed}{reached['training']:.1f} | {missed}{reached['with_evaluation']:.1f} "
        f"| {reached['epochs']} | {best(run['curve']):.4f} | {run['prepare_seconds']:.1f} |"
    )


def report(runs: dict[str, dict[str, Any] | None], splits: DatasetDict, options: argparse.Namespace) -> None:
    """Print the table, and its JSON object."""
    events = sum(len(row) - 1 for row in splits["train"].with_format(None)["items"])
    low = "bfloat16" if XCatTrainingArguments("unused", precision=options.precision).bf16 else "float32"
    print(f"{machine_line()}, XCat in {low}, peers in float32")
    print(f"{events:,} training events, {len(splits['validation']):,} users evaluated, seed {options.seed}")
    print(f"until validation NDCG@10 is {options.ndcg:g}, in {options.max_epochs} epochs at most\n")
    print("| model | s of training | s with evaluation | epochs | best NDCG@10 | s of preparation |")
    print("|---|---|---|---|---|---|")
    for name, title in {**OWN_NAMES, **PEERS}.items():
        print(line_of(title, runs[name], options.ndcg))
    compared = ratios(runs, options.ndcg)
    for name, ratio in compared.items():
        own, _, peer = name.partition("_vs_")
        bound = "at least " if ratio["at_least"] else ""
        print(
            f"\n{PEERS[peer]} takes {bound}{ratio['training']} times as long as {OWN_NAMES[own]}, "
            f"{bound}{ratio['with_evaluation']} with evaluation"
        )
    told: dict[str, Callable[[dict[str, Any]], Any]] = {
        "seconds_to": lambda run: seconds_to(run, options.ndcg),
        "best": lambda run: best(run["curve"]),
        "prepare_seconds": lambda run: run["prepare_seconds"],
        "curve": lambda run: run["curve"],
    }
    if options.json:
        print(json.dumps({
            "ndcg": options.ndcg, "ratio": compared,
            **{key: {name: run and value(run) for name, run in runs.items()} for key, value in told.items()},
            "seed": options.seed, "max_epochs": options.max_epochs, "threads": torch.get_num_threads(),
            "machine": machine_line(), "dtype": low,
        }))  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder with items.* and events.*")
    parser.add_argument("--ndcg", type=float, default=0.035, help="validation NDCG@10 to be reached")
    parser.add_argument("--max-epochs", type=int, default=30, help="epochs of each model, at most")
    parser.add_argument("--peer-python", help="Python with rectools[torch] (make peers)")
    parser.add_argument("--cache", type=Path, help="folder of text states; without it they are encoded again")
    parser.add_argument("--precision", default="auto", help="of XCat: auto, fp32 or bf16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.max_epochs < 1 or not 0 < options.ndcg <= 1:
        parser.error("--max-epochs must be 1 or more, --ndcg above 0 and at most 1")
    shop = load_shop(options.data)
    splits = split_shop(shop, PreparationOptions(seed=options.seed, text_fields=("title",))).splits
    if not len(splits["validation"]):
        parser.error(f"{options.data}: its split leaves no user in validation")
    runs: dict[str, dict[str, Any] | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in OWN_NAMES:
            runs[name] = own_run(name, shop, options, options.cache or Path(folder) / "states")
        file = f"{folder}/sequences.npz"
        store(splits, file)
        shared = [
            "--sequences", file, "--ndcg", str(options.ndcg), "--max-epochs", str(options.max_epochs), "--batch",
            str(BATCH), "--length", str(LENGTH), "--threads", str(torch.get_num_threads()), "--seed",
            str(options.seed),
        ]  # fmt: skip
        for name, extra in PEER_LOSSES.items():
            runs[name] = run_peer(options.peer_python, "rectools_time_to_quality.py", *shared, *extra)
    report(runs, splits, options)


if __name__ == "__main__":
    main()
