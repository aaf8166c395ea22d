"""Training events per second, exact softmax, against RecTools and RecBole on the same sequences.

    python benchmarks/training_speed.py --peer-python .venv-peers/bin/python --json

Without DATA the sequences are generated, with the size of Amazon Beauty 2014 (22,363 users, 12,101 items, lengths
geometric with mean 8.9, items by a Zipf law); the speed does not depend on their content. With DATA (a folder with
items.* and events.*) its training split is used. An event is a target that counts. d, blocks, length and histories per
batch are equal. With --profile more steps of the text and id model run under torch's profiler, reported by group.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset
from machine import best_seconds, machine_line, product_gflops, run_peer, wait_for_device
from step_profile import StepProfile, print_profile
from transformers import BertTokenizerFast, TrainerCallback

from xcat_rec.catalogue.item_table import training_counts
from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.modeling_xcat.items_xcat import XCatTextAdaptor
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.modeling_xcat.softmax_loss_xcat import chunked_cross_entropy
from xcat_rec.tokenization.processing_xcat import XCatProcessor
from xcat_rec.tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.trainer import XCatTrainer

TEXT_DIM = 384
PROFILED_STEPS = 10
TEXT_AND_ID: dict[str, Any] = {"num_behavior_layers": 1, "num_fusion_layers": 1}


def drawn_sequences(users: int, items: int, mean_length: float, seed: int = 0) -> list[list[int]]:
    """Sequences of item numbers, at least 3 events each."""
    generator = np.random.default_rng(seed)
    lengths = np.minimum(2 + generator.geometric(1 / (mean_length - 2), users), 200)
    weights = 1 / np.arange(1, items + 1) ** 0.8
    flat = generator.choice(items, size=int(lengths.sum()), p=weights / weights.sum())
    return [part.tolist() for part in np.split(flat, np.cumsum(lengths)[:-1])]


def stored_sequences(folder: str) -> tuple[list[list[int]], int]:
    """Training sequences of a dataset, and its number of items."""
    from xcat_rec.tokenization.sequences.build import build_splits
    from xcat_rec.tokenization.sources import load_shop
    from xcat_rec.training.preparation.prepare import build_vocabulary

    shop = load_shop(folder)
    vocabulary = build_vocabulary(shop, ("title",))
    splits = build_splits(shop, vocabulary, shop.event_type_names())
    histories = splits["train"].with_format(None)["items"]
    return [[row - NUM_SPECIAL_ROWS for row in history] for history in histories], vocabulary.num_items


class StepClock(TrainerCallback):
    """Seconds from the end of the warm-up to the end of training, and steps in them."""

    def __init__(self, warmup: int) -> None:
        self.warmup, self.start, self.end = warmup, 0.0, 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Store the time."""
        wait_for_device()
        self.end = time.perf_counter()
        if state.global_step == self.warmup:
            self.start = self.end


class CountingCollator:
    """The trainer's collator, counting the labels of every batch."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.labels = inner, list[int]()

    def __call__(self, rows: Any) -> Any:
        """Collate and count."""
        batch = self.inner(rows)
        self.labels.append(int((batch["labels"] >= NUM_SPECIAL_ROWS).sum()))
        return batch


def events_per_second(
    sequences: list[list[int]],
    items: int,
    options: argparse.Namespace,
    watch: TrainerCallback | None = None,
    **config: Any,
) -> float:
    """Train XCat with its Trainer for some steps, with a callback that measures them."""
    rows = items + NUM_SPECIAL_ROWS
    vocabulary = ItemVocabulary(pa.table({"item_id": [str(i) for i in range(items)]}))
    text = config.get("use_text", True)
    model = XCatForNextItem(
        XCatConfig(
            num_item_rows=rows,
            num_texts=items + 1 if text else 1,
            text_dim=TEXT_DIM,
            hidden_size=options.hidden,
            intermediate_size=options.hidden,
            num_attention_heads=options.heads,
            max_history=options.length,
            hidden_dropout=0.2,
            attention_dropout=0.2,
            objective="softmax",
            **config,
        )
    )
    model.model.items.item_counts.copy_(training_counts([[i + NUM_SPECIAL_ROWS for i in s] for s in sequences], rows))
    if text:
        model.model.items.text_states.normal_()
        model.model.items.text_index[NUM_SPECIAL_ROWS:] = torch.arange(1, items + 1)
        if hasattr(model, "soft_target_rows"):
            model.soft_target_rows.random_(NUM_SPECIAL_ROWS, rows)
    dataset = Dataset.from_dict({"items": [[i + NUM_SPECIAL_ROWS for i in s] for s in sequences]})
    with tempfile.TemporaryDirectory() as folder:
        words = Path(folder) / "vocab.txt"
        words.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
        processor = XCatProcessor(BertTokenizerFast(str(words)), vocabulary, max_history=options.length)
        arguments = XCatTrainingArguments(
            output_dir=folder, max_steps=options.steps, per_device_train_batch_size=options.batch, disable_tqdm=True,
            save_strategy="no", eval_strategy="no", precision=options.precision, use_cpu=options.device == "cpu",
            adaptor_refresh_steps=options.adaptor_refresh_steps if text else 1,
        )  # fmt: skip
        clock = StepClock(options.warmup)
        callbacks = [clock] if watch is None else [clock, watch]
        trainer = XCatTrainer(model, arguments, dataset, processing_class=processor, callbacks=callbacks)
        trainer.data_collator = collator = CountingCollator(trainer.data_collator)
        trainer.train()
    return sum(collator.labels[options.warmup : options.steps]) / (clock.end - clock.start)


def flops_per_event(items: int, hidden: int, blocks: int, text: bool, events_per_step: float) -> float:
    """Arithmetic that is required per event, forward and backward (multiply and add are two)."""
    loss = 3 * 2 * items * hidden
    layers = 3 * blocks * 2 * (4 * hidden**2 + 2 * hidden**2)
    return loss + layers + (adaptor_flops(items, hidden) / events_per_step if text else 0)


def adaptor_flops(items: int, hidden: int) -> float:
    """Arithmetic of one step over all texts; the states are inputs, so the first layer needs no input gradient."""
    return 2 * items * (2 * TEXT_DIM * 2 * hidden + 3 * 2 * hidden**2)


def profiled(sequences: list[list[int]], items: int, options: argparse.Namespace) -> dict[str, float]:
    """Milliseconds per step of the text and id model, by group of operations."""
    watch = StepProfile(options.warmup, PROFILED_STEPS)
    shorter = argparse.Namespace(**{**vars(options), "steps": options.warmup + PROFILED_STEPS})
    events_per_second(sequences, items, shorter, watch, **TEXT_AND_ID)
    return watch.milliseconds(items)


def parts_alone(
    items: int, hidden: int, events: int, ceiling: float, low: torch.dtype, device: str
) -> tuple[dict[str, float], dict[str, float]]:
    """The loss alone and the projection alone, forward and backward, and the time of the loss.

    Returns:
        Their shares of the ceilings of their products; events, seconds and GFLOP/s of the loss.
    """
    states, table = (torch.randn(rows, hidden, requires_grad=True, device=device) for rows in (events, items))
    targets, texts = torch.randint(items, (events,), device=device), torch.randn(items, TEXT_DIM, device=device)
    adaptor = XCatTextAdaptor(XCatConfig(hidden_size=hidden, num_attention_heads=1, text_dim=TEXT_DIM)).to(device)

    def loss() -> None:
        with torch.autocast(device, low, enabled=low != torch.float32):
            chunked_cross_entropy(states, table, targets, unit_items=True).backward()

    def represent() -> None:
        with torch.autocast(device, low, enabled=low != torch.float32):
            adapted = adaptor(texts)
        adapted.backward(torch.ones_like(adapted))

    wide, seconds = product_gflops(items, TEXT_DIM, 2 * hidden, low, device), best_seconds(loss)
    speed = 3 * 2 * events * items * hidden / seconds / 1e9
    shares = {
        "loss": round(speed / ceiling, 3),
        "adaptor": round(adaptor_flops(items, hidden) / best_seconds(represent) / 1e9 / wide, 3),
    }
    return shares, {"events": events, "seconds": round(seconds, 5), "gflops": round(speed, 1)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", help="folder with items.* and events.*")
    parser.add_argument("--peer-python", help="Python with rectools[torch] and recbole (make peers)")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--peer-steps", type=int, default=14)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--adaptor-refresh-steps", type=int, default=1, help="of the text and id model")
    parser.add_argument("--profile", action="store_true", help="show where a step of the text and id model goes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sequences, items = (
        stored_sequences(options.data) if options.data else (drawn_sequences(22_363, 12_101, 8.9), 12_101)
    )
    sequences = [s for s in sequences if len(s) > 1]
    speeds: dict[str, float | None] = {
        "XCat, id only": events_per_second(
            sequences, items, options, use_text=False, num_behavior_layers=2, num_fusion_layers=0, scoring="dot",
            temperature=1.0,
        ),
        "XCat, text and id": events_per_second(sequences, items, options, **TEXT_AND_ID),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/sequences.npz"
        np.savez(file, lengths=[len(s) for s in sequences], items=np.concatenate(sequences))
        shared = [
            "--sequences", file, "--steps", str(options.peer_steps), "--length", str(options.length), "--hidden",
            str(options.hidden), "--heads", str(options.heads), "--threads", str(torch.get_num_threads()),
            "--device", options.device,
        ]  # fmt: skip
        mean_labels = np.mean([min(len(s), options.length + 1) - 1 for s in sequences])
        for name, script, extra in (
            ("RecTools, softmax", "rectools_sasrec.py", ["--batch", str(options.batch)]),
            (
                "RecTools, sampled softmax (256)", "rectools_sasrec.py",
                ["--batch", str(options.batch), "--loss", "sampled_softmax", "--negatives", "256"],
            ),
            ("RecBole, cross-entropy", "recbole_sasrec.py", ["--batch", str(round(options.batch * mean_labels))]),
        ):  # fmt: skip
            answer = run_peer(options.peer_python, script, *shared, *extra)
            speeds[name] = answer and answer["events_per_second"]
    parts_of_step = profiled(sequences, items, options) if options.profile else None
    report(speeds, parts_of_step, items, options, float(options.batch * mean_labels))


def report(
    speeds: dict[str, float | None],
    parts_of_step: dict[str, float] | None,
    items: int,
    options: argparse.Namespace,
    events_per_step: float,
) -> None:
    """Print the tables, and their JSON object."""
    arguments = XCatTrainingArguments("unused", precision=options.precision, use_cpu=options.device == "cpu")
    low = torch.bfloat16 if arguments.bf16 else torch.float32
    ceiling = product_gflops(round(events_per_step), options.hidden, items, low, options.device)
    own = {"id_only": speeds["XCat, id only"] or 0.0, "text_id": speeds["XCat, text and id"] or 0.0}
    peers = {
        "rectools_softmax": speeds["RecTools, softmax"],
        "rectools_sampled": speeds["RecTools, sampled softmax (256)"],
        "recbole": speeds["RecBole, cross-entropy"],
    }
    ratios = {
        f"{name}_vs_{peer}": round(speed / other, 2)
        for name, speed in own.items()
        for peer, other in peers.items()
        if other
    }
    flops = {name: flops_per_event(items, options.hidden, 2, name == "text_id", events_per_step) for name in own}
    utilisation = {name: round(own[name] * flops[name] / ceiling / 1e9, 3) for name in own}
    alone, loss_alone = parts_alone(items, options.hidden, round(events_per_step), ceiling, low, options.device)
    utilisation |= alone
    print(f"{machine_line(options.device)}, {str(low).removeprefix('torch.')}")
    print(f"{items} items, d={options.hidden}, length {options.length}, {options.batch} histories per batch")
    bounds = ", ".join(f"{ceiling * 1e9 / flops[name]:,.0f} events/s {name}" for name in own)
    print(f"ceiling of the loss's product: {ceiling:.0f} GFLOP/s, so at most {bounds}\n")
    print("| model | events/s |\n|---|---|")
    for name, speed in speeds.items():
        print(f"| {name} | {'skipped' if speed is None else f'{speed:,.0f}'} |")
    print("\nof the ceiling: " + ", ".join(f"{name} {share:.0%}" for name, share in utilisation.items()))
    print(
        f"the loss alone: {1e3 * loss_alone['seconds']:.1f} ms, {loss_alone['gflops']:.0f} GFLOP/s, "
        f"{utilisation['loss']:.0%} of the ceiling ({loss_alone['events']} events)"
    )
    if parts_of_step is not None:
        print_profile(parts_of_step)
    for name, ratio in ratios.items():
        print(f"{name}: {ratio} times", file=sys.stderr)
    if options.json:
        print(json.dumps({
            "events_per_second": speeds, "ratio": ratios, "utilisation": utilisation, "ceiling_gflops": ceiling,
            "flops_per_event": flops, "machine": machine_line(options.device), "dtype": str(low),
            "loss_alone": loss_alone, "adaptor_refresh_steps": options.adaptor_refresh_steps, "profile": parts_of_step,
        }))  # fmt: skip


if __name__ == "__main__":
    main()
