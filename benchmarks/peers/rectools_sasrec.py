"""Training speed of RecTools' SASRec, run by the Python of a virtual environment that has `rectools[torch]`.

Prints one JSON object: events per second over the steps after warm-up; an event is a target that counts.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings

import numpy as np
import pandas as pd
import pytorch_lightning as lightning
import torch
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel


def seconds_now() -> float:
    """Time when all given to a GPU is done."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


class StepClock(lightning.Callback):
    """Seconds and target events of every training step; class attributes, because RecTools copies the object."""

    seconds: list[float] = []
    events: list[int] = []
    _start = 0.0

    def on_train_batch_start(self, trainer, module, batch, batch_idx) -> None:
        """Store the start time of a step."""
        self._start = seconds_now()

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx) -> None:
        """Store the duration of a step."""
        self.seconds.append(seconds_now() - self._start)
        self.events.append(int((batch["y"] > 0).sum()))


def main() -> None:
    """Train for some steps."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sequences", required=True)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--loss", default="softmax", choices=["softmax", "sampled_softmax", "gBCE", "BCE"])
    parser.add_argument("--negatives", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(options.threads)
    stored = np.load(options.sequences)
    lengths, items = stored["lengths"], stored["items"]
    table = pd.DataFrame(
        {
            Columns.User: np.repeat(np.arange(len(lengths)), lengths),
            Columns.Item: items,
            Columns.Weight: 1.0,
            Columns.Datetime: pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(len(items)), unit="s"),
        }
    )
    clock = StepClock()

    def trainer() -> lightning.Trainer:
        return lightning.Trainer(
            max_steps=options.steps, accelerator="gpu" if options.device == "cuda" else "cpu", callbacks=[clock],
            logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip

    model = SASRecModel(
        n_blocks=options.blocks, n_heads=options.heads, n_factors=options.hidden, dropout_rate=0.2,
        session_max_len=options.length, batch_size=options.batch, loss=options.loss, n_negatives=options.negatives,
        epochs=1, get_trainer_func=trainer,
    )  # fmt: skip
    model.fit(Dataset.construct(table))
    seconds, events = sum(clock.seconds[options.warmup :]), sum(clock.events[options.warmup :])
    print(json.dumps({"events_per_second": events / seconds, "events": events, "seconds": seconds}))


if __name__ == "__main__":
    main()
