"""Training speed of RecBole's SASRec (cross-entropy), run by the Python of a virtual environment that has `recbole`.

RecBole makes one sample per event, so its batch size counts events. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.sequential_recommender import SASRec


def main() -> None:
    """Train for some steps."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sequences", required=True)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--batch", type=int, default=768, help="events per batch")
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args()
    sys.argv = sys.argv[:1]  # RecBole reads the command line too
    stored = np.load(options.sequences)
    lengths, items = stored["lengths"], stored["items"]
    users = np.repeat(np.arange(len(lengths)), lengths)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "shop").mkdir()
        lines = ["user_id:token\titem_id:token\ttimestamp:float"]
        lines += [f"u{user}\ti{item}\t{time}" for time, (user, item) in enumerate(zip(users, items, strict=True))]
        (Path(folder) / "shop" / "shop.inter").write_text("\n".join(lines))
        config = Config(
            model="SASRec",
            dataset="shop",
            config_dict={
                "data_path": folder, "train_neg_sample_args": None, "loss_type": "CE", "hidden_size": options.hidden,
                "inner_size": options.hidden, "n_layers": options.blocks, "n_heads": options.heads,
                "hidden_dropout_prob": 0.2, "attn_dropout_prob": 0.2, "MAX_ITEM_LIST_LENGTH": options.length,
                "train_batch_size": options.batch, "use_gpu": options.device == "cuda",
                "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
                "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
                "state": "ERROR", "show_progress": False,
            },
        )  # fmt: skip
        dataset = create_dataset(config)
        train = data_preparation(config, dataset)[0]
        torch.set_num_threads(options.threads)
        model = SASRec(config, train.dataset).to(options.device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        seconds, events, start = 0.0, 0, time.perf_counter()
        for step, batch in enumerate(train):
            optimizer.zero_grad()
            model.calculate_loss(batch.to(options.device)).backward()
            optimizer.step()
            if options.device == "cuda":
                torch.cuda.synchronize()
            now = time.perf_counter()
            if step >= options.warmup:
                seconds, events = seconds + now - start, events + len(batch)
            start = now
            if step + 1 == options.steps:
                break
    print(json.dumps({"events_per_second": events / seconds, "events": events, "seconds": seconds}))


if __name__ == "__main__":
    main()
