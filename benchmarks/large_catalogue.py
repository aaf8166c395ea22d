"""One training step over a large catalogue: seconds and peak memory, exact and sampled softmax.

    python benchmarks/large_catalogue.py --json
    python benchmarks/large_catalogue.py --growth growth.png     # events/s against catalogue size and history length

The catalogue is generated (ids only) and the histories are drawn uniformly. Every case runs in its own process. For
comparison the table has the bytes of the tokens x items scores and their gradient, as in torch's plain cross-entropy.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np
import torch
from machine import machine_line

from xcat_rec.modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS, XCatConfig
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.tokenization.text.precision import bf16_is_worthwhile
from xcat_rec.training.optimizers import RowAdamW

CASES = (("softmax", 1_000_000), ("sampled_softmax", 1_000_000), ("sampled_softmax", 10_000_000))
GROWTH_ITEMS = (10_000, 30_000, 100_000, 300_000, 1_000_000)
GROWTH_LENGTHS = (20, 50, 100, 200, 500)


def run_case(objective: str, items: int, tokens: int, length: int, hidden: int, steps: int) -> dict[str, Any]:
    """Train some steps in this process."""
    torch.manual_seed(0)
    config = XCatConfig(
        use_text=False, num_fusion_layers=0, num_item_rows=items + NUM_SPECIAL_ROWS, hidden_size=hidden,
        num_behavior_layers=2, intermediate_size=4 * hidden, num_attention_heads=hidden // 32, max_history=length,
        objective=objective, soft_target_weight=0.0,
    )  # fmt: skip
    model = XCatForNextItem(config).train()
    model.model.items.item_counts.fill_(1)
    if objective != "softmax":
        model.model.items.id_embeddings.sparse = True
    optimizer = RowAdamW(model.parameters(), lr=1e-3, fused=True)
    low = bf16_is_worthwhile()
    seconds = []
    for _ in range(steps + 1):
        rows = torch.randint(NUM_SPECIAL_ROWS, config.num_item_rows, (tokens // length, length + 1))
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            loss = model(rows[:, :-1], labels=rows[:, 1:]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
    measured = tokens // length * length
    return {
        "objective": objective,
        "items": items,
        "tokens": measured,
        "length": length,
        "seconds": min(seconds[1:]),
        "events_per_second": measured / min(seconds[1:]),
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "weights_gb": (items + NUM_SPECIAL_ROWS) * hidden * 4 / 1e9,
        "plain_scores_gb": 2 * measured * items * 4 / 1e9,
        "gflop": 3
        * 2
        * measured
        * (items if objective == "softmax" else config.num_negatives + measured)
        * hidden
        / 1e9,
        "dtype": "bfloat16" if low else "float32",
    }


def in_own_process(**case: Any) -> dict[str, Any]:
    """Run one case in a new process, to measure its own peak memory."""
    done = subprocess.run(
        [sys.executable, __file__, "--case", json.dumps(case)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{case} failed:\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def exponent(sizes: list[int], speeds: list[float]) -> float:
    """Slope of log speed against log size."""
    return float(np.polyfit(np.log(sizes), np.log(speeds), 1)[0])


def growth(file: str, tokens: int, hidden: int, steps: int) -> dict[str, Any]:
    """Events per second against catalogue size and against history length, with fitted exponents, as a plot too."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5))
    found: dict[str, Any] = {}
    for axis, name, values in ((axes[0], "items", GROWTH_ITEMS), (axes[1], "length", GROWTH_LENGTHS)):
        for objective in ("softmax", "sampled_softmax"):
            cases = [
                in_own_process(
                    objective=objective, tokens=tokens, hidden=hidden, steps=steps,
                    **({"items": v, "length": 50} if name == "items" else {"items": 10_000, "length": v}),
                )
                for v in values
            ]  # fmt: skip
            speeds = [case["events_per_second"] for case in cases]
            slope = exponent(list(values), speeds)
            found[f"{name}, {objective}"] = {"exponent": slope, **dict(zip(map(str, values), speeds, strict=True))}
            axis.loglog(values, speeds, marker="o", label=f"{objective}, exponent {slope:.2f}")
        axis.set_xlabel(name)
        axis.set_ylabel("events/s")
        axis.legend()
    figure.tight_layout()
    figure.savefig(file, dpi=120)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--growth", metavar="PNG", help="measure growth in place of the large cases")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(run_case(**json.loads(options.case))))
        return
    shared = {"tokens": options.tokens, "hidden": options.hidden, "steps": options.steps}
    print(machine_line() + "\n")
    if options.growth:
        found: Any = growth(options.growth, **shared)
        print("| against | exponent | events/s |\n|---|---|---|")
        for name, row in found.items():
            speeds = ", ".join(f"{size}: {speed:,.0f}" for size, speed in row.items() if size != "exponent")
            print(f"| {name} | {row['exponent']:.2f} | {speeds} |")
    else:
        found = [in_own_process(objective=o, items=i, length=options.length, **shared) for o, i in CASES]
        print("| objective | items | tokens | s per step | GFLOP | peak GB | weights GB | plain scores GB |")
        print("|---|---|---|---|---|---|---|---|")
        for row in found:
            print(
                f"| {row['objective']} | {row['items']:,} | {row['tokens']} | {row['seconds']:.2f} | "
                f"{row['gflop']:,.0f} | {row['peak_gb']:.2f} | {row['weights_gb']:.2f} | "
                f"{row['plain_scores_gb']:.1f} |"
            )
    if options.json:
        print(json.dumps({"cases": found, "machine": machine_line()}))


if __name__ == "__main__":
    main()
