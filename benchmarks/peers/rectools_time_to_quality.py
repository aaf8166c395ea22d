"""NDCG@10 of RecTools' SASRec after every epoch, run by the Python of a virtual environment with `rectools[torch]`.

Prints one JSON object: seconds of preparation, and the curve of epochs until the target value or the last epoch.
Training seconds are the time in Lightning's loop; RecTools' preparation in every `fit_partial` is left out.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as lightning
import torch
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

K = 10


class LoopClock(lightning.Callback):
    """Start of the first training, and its total seconds; class attributes, because RecTools copies the object."""

    begin = 0.0
    seconds = 0.0
    _start = 0.0

    def on_train_start(self, trainer: Any, module: Any) -> None:
        """Store the start time of a loop."""
        LoopClock._start = time.perf_counter()
        LoopClock.begin = LoopClock.begin or LoopClock._start

    def on_train_end(self, trainer: Any, module: Any) -> None:
        """Store the duration of a loop."""
        LoopClock.seconds += time.perf_counter() - LoopClock._start


def dataset_of(items: np.ndarray, lengths: np.ndarray, users: np.ndarray) -> Dataset:
    """Sequences of item numbers as a RecTools dataset, one second between events."""
    return Dataset.construct(
        pd.DataFrame(
            {
                Columns.User: np.repeat(users, lengths),
                Columns.Item: items,
                Columns.Weight: 1.0,
                Columns.Datetime: pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(len(items)), unit="s"),
            }
        )
    )


def ndcg(recommended: pd.DataFrame, targets: list[list[int]]) -> float:
    """NDCG@10, a mean over all users; users without recommendations count 0.

    Args:
        recommended: K + 1 items per user with their scores. The additional item shows whether the next item ties with
            a
            target: ties count against the model.
        targets: Held-out items of every user.
    """
    discounts = 1 / np.log2(1 + np.arange(1, K + 1))
    total = 0.0
    for user, lines in recommended.groupby(Columns.User, sort=False):
        items, scores = lines[Columns.Item].to_numpy(), lines[Columns.Score].to_numpy()
        ranks = [int((scores >= scores[place]).sum()) for place in np.flatnonzero(np.isin(items, targets[user]))]
        total += sum(discounts[rank - 1] for rank in ranks if rank <= K) / discounts[: len(targets[user])].sum()
    return total / len(targets)


def main() -> None:
    """Train epoch by epoch and evaluate each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sequences", required=True, help=".npz of training sequences, histories and targets")
    parser.add_argument("--ndcg", type=float, required=True)
    parser.add_argument("--max-epochs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--loss", default="softmax", choices=["softmax", "sampled_softmax", "gBCE", "BCE"])
    parser.add_argument("--negatives", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(options.threads)
    lightning.seed_everything(options.seed)
    stored = np.load(options.sequences)
    ends = np.cumsum(stored["target_lengths"])[:-1]
    targets = [part.tolist() for part in np.split(stored["targets"], ends)]
    users = np.arange(len(targets))

    def trainer() -> lightning.Trainer:
        return lightning.Trainer(
            max_epochs=1, accelerator="cpu", callbacks=[LoopClock()], logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip

    start = time.perf_counter()
    train = dataset_of(stored["train"], stored["train_lengths"], np.arange(len(stored["train_lengths"])))
    histories = dataset_of(stored["histories"], stored["history_lengths"], users)
    model = SASRecModel(
        n_blocks=options.blocks, n_heads=options.heads, n_factors=options.hidden, dropout_rate=0.2,
        session_max_len=options.length, batch_size=options.batch, loss=options.loss, n_negatives=options.negatives,
        get_trainer_func=trainer,
    )  # fmt: skip
    curve: list[dict[str, float]] = []
    judging = 0.0
    while len(curve) < options.max_epochs and not (curve and curve[-1]["ndcg@10"] >= options.ndcg):
        model.fit_partial(train, min_epochs=1, max_epochs=1)
        begin = time.perf_counter()
        recommended = model.recommend(
            users, histories, k=K + 1, filter_viewed=False, on_unsupported_targets="ignore"
        )  # fmt: skip
        reached = ndcg(recommended, targets)
        judging += time.perf_counter() - begin
        curve.append({
            "epoch": len(curve) + 1, "training_seconds": LoopClock.seconds,
            "with_evaluation_seconds": LoopClock.seconds + judging, "ndcg@10": reached,
        })  # fmt: skip
    print(json.dumps({"prepare_seconds": LoopClock.begin - start, "curve": curve}))


if __name__ == "__main__":
    main()
