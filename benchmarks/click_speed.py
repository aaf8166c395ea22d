"""Training events per second of click models against DeepCTR-Torch and torch-rechub, in one run.

    python benchmarks/click_speed.py --peer-python .venv-peers/bin/python --json

Pairs of a history and a candidate are generated with the lengths of Amazon Beauty 2014: geometric with mean 8.9 events
per user, every event after the first is a candidate with the events before it. Widths, hidden layers, batches and the
optimizer (Adam) are equal. Each library gets its own inputs, made before the clock starts; a step is forward pass,
loss, backward pass and update. Models take turns, a step each, so a load of the machine meets all of them; a model's
speed is that of its median step. An event is an event of a history; padding does not count. --full makes all histories
as long as --length, so that padding plays no part.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine_line

import xcat_rec.modeling_baselines as baselines

PEERS = Path(__file__).with_name("peers")
OURS = ("DIN", "DIEN", "BST", "DMIN")
Arrays = dict[str, np.ndarray[Any, Any]]


def drawn_pairs(options: argparse.Namespace, seed: int = 0) -> Arrays:
    """Inputs of click models for pairs of a history and a candidate, padded on the right."""
    generator, rows, length = np.random.default_rng(seed), options.batch * options.batches, options.length
    users = np.minimum(2 + generator.geometric(1 / 6.9, rows), 200)
    lengths = np.concatenate([np.minimum(np.arange(1, count), length) for count in users])
    lengths = np.full(rows, length) if options.full else generator.choice(lengths, rows, replace=False)
    weights = 1 / np.arange(1, options.items + 1) ** 0.8
    there = np.arange(length) < lengths[:, None]

    def draw(*shape: int) -> np.ndarray[Any, Any]:
        return generator.choice(options.items, size=shape, p=weights / weights.sum()) + 2

    items, negatives, candidates = draw(rows, length) * there, draw(rows, length) * there, draw(rows)
    found = {"item_ids": items, "negative_ids": negatives, "candidate_ids": candidates}
    categories = {
        name.replace("ids", "category_ids").replace("item_", ""): np.where(ids > 0, ids % options.categories + 1, 0)
        for name, ids in found.items()
        if options.categories
    }
    return {**found, **categories, "labels": (np.arange(rows) % 2).astype(np.float32)}


def own_step(name: str, pairs: Arrays, options: argparse.Namespace) -> Callable[[int], None]:
    """A training step of a model of this package, on a batch by number."""
    torch.manual_seed(0)
    config = getattr(baselines, name + "Config")(
        num_item_rows=options.items + 2, num_category_rows=options.categories + 1 if options.categories else 0,
        embedding_dim=options.width, max_history=options.length,
    )  # fmt: skip
    model = getattr(baselines, name + "Model")(config).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    names = [key for key in pairs if model.needs_negatives or not key.startswith("negative")]
    batches = [
        {key: torch.from_numpy(pairs[key][start : start + options.batch]) for key in names}
        for start in range(0, len(pairs["labels"]), options.batch)
    ]

    def step(number: int) -> None:
        optimizer.zero_grad()
        model(**batches[number % len(batches)]).loss.backward()
        optimizer.step()

    return step


class Peers:
    """The models of the other libraries, in a process of another Python that makes a step per line."""

    def __init__(self, python: str, file: str, options: argparse.Namespace) -> None:
        sizes = {name: getattr(options, name) for name in ("items", "categories", "width", "length", "batch")}
        script = [python, str(PEERS / "click_speed_ports.py"), file, json.dumps(sizes), str(torch.get_num_threads())]
        self.process = subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.names: list[str] = json.loads(self._answer())

    def _answer(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("answer "):  # the libraries print too
                return line.removeprefix("answer ")
        raise RuntimeError("the process of the other libraries ended; its message stands above")

    def seconds(self, name: str, number: int) -> tuple[float, float]:
        """Seconds of a step, and seconds of processor time."""
        assert self.process.stdin is not None
        print(json.dumps([name, number]), file=self.process.stdin, flush=True)
        wall, processor = json.loads(self._answer())
        return wall, processor

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def timed(step: Callable[[int], None], number: int) -> tuple[float, float]:
    """Seconds of a step, and seconds of processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    step(number)
    return time.perf_counter() - wall, time.process_time() - processor


def measured(pairs: Arrays, options: argparse.Namespace) -> dict[str, list[tuple[float, float]]]:
    """Seconds of each step by model, after the warm-up."""
    own = {f"xcat-rec {name}": own_step(name, pairs, options) for name in OURS if name in options.models}
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/pairs.npz", **pairs)  # type: ignore[arg-type]
        peers = Peers(options.peer_python, f"{folder}/pairs.npz", options) if options.peer_python else None
        others = [name for name in peers.names if name.split()[-1] in options.models] if peers else []
        for number in range(options.warmup + options.steps):
            for name, step in own.items():
                found.setdefault(name, []).append(timed(step, number))
            for name in others:
                assert peers is not None
                found.setdefault(name, []).append(peers.seconds(name, number))
        if peers is not None:
            peers.close()
    return {name: steps[options.warmup :] for name, steps in found.items()}


def report(steps: dict[str, list[tuple[float, float]]], pairs: Arrays, options: argparse.Namespace) -> None:
    """Print the table, and its JSON object."""
    events = float((pairs["item_ids"] > 0).sum()) / options.batches
    result = {}
    print(f"{machine_line()}; {events:,.0f} events per batch of {options.batch} pairs")
    print(f"{options.items} items, {options.categories} categories, width {options.width}, length {options.length}\n")
    print("| model | ms per step | events/s | xcat-rec is faster by | of processor time |\n|---|---|---|---|---|")
    for name, found in steps.items():
        seconds, processor = (statistics.median(times) for times in zip(*found, strict=True))
        own = steps[f"xcat-rec {name.split()[-1]}"]
        own_seconds, own_processor = (statistics.median(times) for times in zip(*own, strict=True))
        ratio, processor_ratio = seconds / own_seconds, processor / own_processor
        result[name] = {
            "milliseconds": 1e3 * seconds, "processor_milliseconds": 1e3 * processor,
            "events_per_second": events / seconds, "ratio": ratio, "processor_ratio": processor_ratio,
        }  # fmt: skip
        ratios = "| |" if name.startswith("xcat-rec") else f"{ratio:.2f} | {processor_ratio:.2f} |"
        print(f"| {name} | {1e3 * seconds:.0f} | {events / seconds:,.0f} | {ratios}")
    if options.json:
        print(json.dumps({"models": result, "events_per_batch": events, "machine": machine_line()}))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", help="Python of an environment with deepctr-torch and torch-rechub")
    parser.add_argument("--models", default="DIN,DIEN,BST,DMIN", help="for example DIN,DIEN")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--batches", type=int, default=4, help="number of different batches")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--items", type=int, default=12_101)
    parser.add_argument("--categories", type=int, default=0, help="0 for models of ids alone")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--full", action="store_true", help="all histories have --length events")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.models = options.models.split(",")
    if unknown := [name for name in options.models if name not in OURS]:
        parser.error(f"--models has {unknown[0]}; give some of {', '.join(OURS)}")
    torch.set_num_threads(options.threads)
    pairs = drawn_pairs(options)
    report(measured(pairs, options), pairs, options)


if __name__ == "__main__":
    sys.exit(main())
