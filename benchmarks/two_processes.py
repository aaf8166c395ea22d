"""One process against two over gloo, with the same global batch: loss curves, metrics, events per second.

    python benchmarks/two_processes.py --json

Three runs of the same training: one process with one thread, two processes (torchrun) with one thread each, and one
process with two threads, the alternative on the same two cores. Sequences are generated as in training_speed.py; the
last event of each is the evaluation target. Only weights and data are random (no dropout), so that the runs can be
compared step by step.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from datasets import Dataset
from machine import machine_line
from training_speed import TEXT_DIM, CountingCollator, StepClock, drawn_sequences
from transformers import BertTokenizerFast, set_seed

from xcat_rec.catalogue.item_table import training_counts
from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.tokenization.processing_xcat import XCatProcessor
from xcat_rec.tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.trainer import XCatTrainer

METRIC = "eval_ndcg@10"
RUNS = {"one process, 1 thread": (1, 1), "two processes, 1 thread each": (2, 1), "one process, 2 threads": (1, 2)}
"""Processes and threads of each run."""


def build_model(histories: list[list[int]], options: argparse.Namespace) -> XCatForNextItem:
    """A model with generated text states and the counts of the histories, the same in every process."""
    set_seed(0)
    rows = options.items + NUM_SPECIAL_ROWS
    model = XCatForNextItem(
        XCatConfig(
            num_item_rows=rows, num_texts=options.items + 1, text_dim=TEXT_DIM, hidden_size=options.hidden,
            intermediate_size=options.hidden, num_attention_heads=1, max_history=options.length, hidden_dropout=0.0,
            attention_dropout=0.0, id_dropout=0.0, objective="softmax", soft_target_weight=0.0,
        )
    )  # fmt: skip
    items = model.model.items
    items.item_counts.copy_(training_counts(histories, rows))
    items.text_states.normal_()
    items.text_index[NUM_SPECIAL_ROWS:] = torch.arange(1, options.items + 1)
    return model


def work(options: argparse.Namespace) -> None:
    """Train and evaluate in this process, one of `WORLD_SIZE`, and write the results to a file."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    torch.set_num_threads(options.threads)
    sequences = drawn_sequences(options.users, options.items, 8.9)
    histories = [[item + NUM_SPECIAL_ROWS for item in sequence] for sequence in sequences]
    model = build_model([history[:-1] for history in histories], options)
    training = Dataset.from_dict({"items": [history[:-1] for history in histories]})
    judged = histories[: options.judged]
    evaluation = Dataset.from_dict({"items": [h[:-1] for h in judged], "targets": [h[-1:] for h in judged]})
    vocabulary = ItemVocabulary(pa.table({"item_id": [str(i) for i in range(options.items)]}))
    folder = Path(options.worker).parent
    words = folder / f"vocab-{os.environ.get('RANK', '0')}.txt"
    words.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    processor = XCatProcessor(BertTokenizerFast(str(words)), vocabulary, max_history=options.length)
    arguments = XCatTrainingArguments(
        output_dir=str(folder / "out"), max_steps=options.steps, per_device_train_batch_size=options.batch // world,
        logging_steps=1, logging_strategy="steps", save_strategy="no", eval_strategy="no", precision="fp32",
        disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    if arguments.world_size != world:
        raise RuntimeError(f"{arguments.world_size} processes train and {world} were started")
    clock = StepClock(options.warmup)
    trainer = XCatTrainer(model, arguments, training, evaluation, processing_class=processor, callbacks=[clock])
    trainer.data_collator = collator = CountingCollator(trainer.data_collator)
    trainer.train()
    metrics = trainer.evaluate()
    seconds = clock.end - clock.start
    labels = trainer.accelerator.gather(torch.tensor([sum(collator.labels[options.warmup : options.steps])]))
    if trainer.is_world_process_zero():
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        found = {"losses": losses, "metric": metrics[METRIC], "events_per_second": int(labels.sum()) / seconds}
        Path(options.worker).write_text(json.dumps({**found, "machine": machine_line()}))


def run(processes: int, threads: int, options: argparse.Namespace) -> dict[str, Any]:
    """Run the training in new processes."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        sizes = [
            part
            for name in ("users", "items", "judged", "steps", "warmup", "batch", "length", "hidden")
            for part in (f"--{name}", str(getattr(options, name)))
        ]
        command = [sys.executable, *(launcher if processes > 1 else []), str(Path(__file__).resolve()), *sizes]
        done = subprocess.run(
            [*command, "--threads", str(threads), "--worker", str(answer)], capture_output=True, text=True,
            check=False, env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{processes} processes failed:\n{done.stderr[-3000:]}")
        found: dict[str, Any] = json.loads(answer.read_text())
        return found


def report(found: dict[str, dict[str, Any]], options: argparse.Namespace) -> None:
    """Print the table, and its JSON object."""
    base = found[next(iter(RUNS))]
    machine = base["machine"].split(", ")
    print(f"{', '.join(machine[:-2])}, {machine[-1]}, gloo, fp32, {os.cpu_count()} cores")
    print(f"{options.items} items, d={options.hidden}, {options.batch} histories per batch, {options.steps} steps\n")
    print("| run | events/s | times | largest loss difference | final loss | NDCG@10 | difference |")
    print("|---|---|---|---|---|---|---|")
    content: dict[str, Any] = {}
    for name, run_ in found.items():
        apart = max(abs(one - other) for one, other in zip(base["losses"], run_["losses"], strict=True))
        entry = {
            "events_per_second": run_["events_per_second"],
            "speedup": run_["events_per_second"] / base["events_per_second"],
            "max_loss_difference": apart,
            "final_loss": run_["losses"][-1],
            "ndcg@10": run_["metric"],
            "ndcg@10_difference": run_["metric"] - base["metric"],
        }
        if not all(map(math.isfinite, entry.values())):
            raise RuntimeError(f"{name} gave {entry}; training diverged")
        content[name] = entry
        print(
            f"| {name} | {entry['events_per_second']:,.0f} | {entry['speedup']:.2f} | {apart:.1e} | "
            f"{entry['final_loss']:.4f} | {run_['metric']:.4f} | {entry['ndcg@10_difference']:+.1e} |"
        )
    if options.json:
        print(json.dumps({"runs": content, "steps": options.steps, "machine": base["machine"]}))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=22_363)
    parser.add_argument("--items", type=int, default=12_101)
    parser.add_argument("--judged", type=int, default=2_001, help="users evaluated; odd, so that two cannot share")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.batch % 2 or not 0 < options.warmup < options.steps:
        parser.error(f"--batch {options.batch} must be even, and --warmup {options.warmup} in 1 to --steps - 1")
    if options.worker:
        work(options)
        return
    report({name: run(*counts, options) for name, counts in RUNS.items()}, options)


if __name__ == "__main__":
    main()
