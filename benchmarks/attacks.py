"""Gains of attacks and their cut by defences, over several seeds; each seed has other targets and fake users.

    python benchmarks/attacks.py DATA CHECKPOINT --kinds random,popular --share 0.01 --seeds 1,2,3 --output OUT
    python benchmarks/attacks.py DATA --kinds random,popular --share 0.01 --seeds 1,2,3

Writes `xcat_rec.attack`'s files per seed, and prints a table of means over the seeds. The cut of several seeds is that
of the summed gains. Without a checkpoint nothing is trained: the table is that of the detector alone.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import polars as pl

from xcat_rec import attack, load_shop
from xcat_rec.evaluation.attacks import Attack, ProfileDetector, attack_shop, choose_targets
from xcat_rec.evaluation.attacks.exposure_gain import cut_of_gain
from xcat_rec.evaluation.attacks.profiles import PROFILES
from xcat_rec.evaluation.attacks.shop_attack import TARGETS
from xcat_rec.evaluation.bootstrap import Interval, confidence_interval, relative_bootstrap
from xcat_rec.tokenization.tables.schema import ShopTables
from xcat_rec.workflows.attack_result import NO_ATTACK, AttackCell, AttackResult


def main() -> None:
    """Read the arguments, attack with each seed and print the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("checkpoint", type=Path, nargs="?")
    parser.add_argument("--kinds", required=True, help="attacks, with commas")
    parser.add_argument("--defences", default="none,all", help="defences, with commas")
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--most-users", type=int, default=2000)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    seeds, found = [int(one) for one in given.seeds.split(",")], []
    if given.checkpoint is None:
        print_detector(load_shop(given.data), given.kinds.split(","), given.share, seeds)
        return
    if given.output is None:
        parser.error("give --output, a folder for the results")
    for seed in seeds:
        result = attack(
            given.checkpoint, given.data, given.output / f"seed-{seed}", kind=given.kinds.split(","),
            share=given.share, defend=given.defences.split(","), start="new", epochs=given.epochs,
            most_users=given.most_users, seed=seed, tell=_tell,
        )  # fmt: skip
        found.append(result)
        print(result.equilibrium, flush=True)
    print(table(found))


def _tell(line: str) -> None:
    print(f"{time.process_time():.0f} s: {line}", flush=True)


def table(results: list[AttackResult]) -> str:
    """Means over the seeds as a Markdown table; the last rows are all attacks together."""
    kinds = [kind for kind in dict.fromkeys(kind for kind, _ in results[0].cells) if kind != NO_ATTACK]
    defences = list(dict.fromkeys(defence for _, defence in results[0].cells))
    lines = [
        "| attack | defence | hit rate | gain, points | cut of the gain | NDCG | detector AUC: least, mean |",
        "|" + "---|" * 7,
    ]
    groups = [[NO_ATTACK], *[[kind] for kind in kinds], *([kinds] if len(kinds) > 1 else [])]
    lines += [
        _row(results, group, defence, "all attacks" if len(group) > 1 else group[0])
        for group in groups
        for defence in defences
    ]
    return "\n".join(lines)


def print_detector(shop: ShopTables, kinds: list[str], share: float, seeds: list[int]) -> None:
    """Print how the detector does on kinds that it does not simulate, and on the tables without attack.

    Weights are those of robust training: how much of the promoting events is left, and how much of others is lost.
    """
    print("| attack | seed | AUC | promoting removed | others removed | promoting weight left | others' weight lost |")
    print("|" + "---|" * 7)
    for seed in seeds:
        targets = choose_targets(shop, TARGETS, seed)
        attacks = [Attack(NO_ATTACK, shop, targets)]
        attacks += [attack_shop(shop, kind, targets, share=share, seed=seed) for kind in kinds]
        for one in attacks:
            found = ProfileDetector([kind for kind in PROFILES if kind != one.kind], seed=seed).detect(one.shop)
            made = pl.col("user_id").is_in(list(one.fakes)) & pl.col("item_id").is_in(list(targets))
            fakes = set(one.shop.events.filter(made).select("user_id", "item_id").rows())
            removed = len(fakes & set(found.promotions))
            left = sum(found.weights.get(event, 1.0) for event in fakes)
            lost = sum(1 - weight for event, weight in found.weights.items() if event not in fakes)
            print(
                f"| {one.kind} | {seed} | {found.auc(one.fakes):.3f} | {removed} of {len(fakes)} | "
                f"{len(found.promotions) - removed} | {left:.0f} of {len(fakes)} | {lost:.0f} of "
                f"{one.shop.events.height} |",
                flush=True,
            )


def _row(results: list[AttackResult], kinds: list[str], defence: str, name: str) -> str:
    cells = [result.cells[kind, defence] for result in results for kind in kinds]
    undefended = [result.cells[kind, "none"] for result in results for kind in kinds]
    clean = [result.cells[NO_ATTACK, "none"] for result in results for _ in kinds]
    gain, before = _gain(cells, clean), _gain(undefended, clean)
    ndcg = relative_bootstrap(_joined(cells), _joined(clean))
    cut = "" if defence == "none" or name == NO_ATTACK else f"{cut_of_gain(before.mean, gain.mean):.0%}"
    aucs = [cell.auc for cell in cells if cell.auc is not None]
    auc = f"{min(aucs):.3f}, {np.mean(aucs):.3f}" if aucs else ""
    return (
        f"| {name} | {defence} | {np.mean([cell.hit_rate.mean for cell in cells]):.2%} | {gain.mean * 100:+.2f} "
        f"[{gain.low * 100:+.2f}, {gain.high * 100:+.2f}] | {cut} | {ndcg.mean:+.1%} [{ndcg.low:+.1%}, "
        f"{ndcg.high:+.1%}] | {auc} |"
    )


def _gain(cells: list[AttackCell], clean: list[AttackCell]) -> Interval:
    return confidence_interval(
        np.concatenate([cell.hits - before.hits for cell, before in zip(cells, clean, strict=True)])
    )


def _joined(cells: list[AttackCell]) -> np.ndarray:
    return np.concatenate([cell.ndcg for cell in cells])


if __name__ == "__main__":
    main()
