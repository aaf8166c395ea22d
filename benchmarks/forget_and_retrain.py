"""Membership inference against users who are forgotten: before, and after a training without them.

    python benchmarks/forget_and_retrain.py DATA --output FOLDER --seeds 3 --epochs 30

DATA is a folder with events.parquet and items.parquet. Per seed, half of the users are drawn as others, whom no model
sees. A model is trained on the other half. Half of these users are then forgotten: `xcat_rec.forget` deletes them from
the tables, and a second model is trained on what is left. The attack compares the loss of the last trained event of
the forgotten users with the loss of the same event of the others. AUC .5 is chance. Splits are leave-one-out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from machine import machine_line

import xcat_rec
from xcat_rec.evaluation.audits.membership import Membership, membership_inference
from xcat_rec.evaluation.bootstrap import Interval
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.workflows.checkpoint_evaluation import evaluation_data
from xcat_rec.workflows.membership_audit import last_losses


def losses(checkpoint: Path, items: pl.DataFrame, events: pl.DataFrame) -> np.ndarray:
    """Losses of the last training event of users.

    Args:
        checkpoint: The checkpoint.
        items: All items.
        events: All events of the users.
    """
    recommender = XCatRecommender.from_pretrained(str(checkpoint))
    data = evaluation_data(recommender, xcat_rec.load_shop(items=items, events=events, on_unknown_items="drop"))
    return last_losses(recommender, data.splits["train"])


def attacked(folder: Path, data: Path, seed: int, epochs: float | None) -> dict[str, Any]:
    """Train, forget, train again, and attack both models.

    Args:
        folder: Folder for tables and checkpoints.
        data: Folder of the tables.
        seed: Seed of the draws and trainings.
        epochs: Epochs of the trainings; None for those of `fit`.
    """
    items, events = (pl.read_parquet(data / f"{name}.parquet") for name in ("items", "events"))
    users = sorted(events["user_id"].unique().to_list())
    order = np.random.default_rng(seed).permutation(len(users))
    others = [users[place] for place in order[: len(users) // 2]]
    gone = [users[place] for place in order[len(users) // 2 : 3 * len(users) // 4]]
    tables = folder / f"tables-{seed}"
    tables.mkdir(parents=True)
    items.write_parquet(tables / "items.parquet")
    events.filter(~pl.col("user_id").is_in(others)).write_parquet(tables / "events.parquet")
    fields: dict[str, Any] = {"seed": seed, "split": "leave-one-out"}
    fields |= {} if epochs is None else {"num_train_epochs": epochs}
    groups = [events.filter(pl.col("user_id").is_in(some)) for some in (gone, others)]
    found: dict[str, Any] = {"seed": seed, "trained": len(users) - len(others), "forgotten": len(gone)}
    for moment in ("before", "after"):
        if moment == "after":
            told = xcat_rec.forget(list(map(str, gone)), tables)
            found["deleted"] = sum(one.rows for one in told.deleted)
        xcat_rec.fit(tables, folder / f"{moment}-{seed}", card=None, **fields)
        found[moment] = membership_inference(
            *(losses(folder / f"{moment}-{seed}", items, group) for group in groups), seed=seed
        )
    return found


def _interval(one: Interval) -> str:
    return f"{one.mean:.3f} [{one.low:.3f}, {one.high:.3f}]"


def main() -> None:
    """Print a row per seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="folder for tables, checkpoints and rows.json")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=float)
    given = parser.parse_args()
    print(machine_line())
    print("| seed | trained | forgotten | others | AUC before | AUC after | found at 1 % before | after |")
    print(f"|{'---|' * 8}")
    rows = []
    for seed in range(given.seeds):
        found = attacked(given.output, given.data, seed, given.epochs)
        pair: list[Membership] = [found["before"], found["after"]]
        cells = [seed, found["trained"], pair[0].members, pair[0].others, *(_interval(one.auc) for one in pair)]
        cells += [_interval(one.true_positives) for one in pair]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)
        rows.append({**found, "before": str(pair[0]), "after": str(pair[1])})
        (given.output / "rows.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
