"""Time what `transformers` and `datasets` promise, on tables of a shop: search, stream, stock Trainer, pipelines.

    python benchmarks/hugging_face.py my-shop --steps 66

Prints one line per part, with its seconds and its figure on the validation or the test split.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainingArguments

import xcat_rec
from xcat_rec import (
    PackingCollator,
    PreparationOptions,
    XCatRecommender,
    XCatTrainer,
    XCatTrainingArguments,
    load_shop,
    prepare_training,
)

WITHOUT_PACKAGE = """
import json, sys
sys.modules["xcat_rec"] = None  # importing it is an error
from transformers import pipeline

recommender = pipeline("item-recommendation", model=sys.argv[1], trust_remote_code=True, device="cpu")
print(json.dumps(recommender(json.loads(sys.argv[2]), k=10)))
"""


def timed(name: str, started: float, **figures: Any) -> None:
    """Print one line: what it was, its seconds and its figures."""
    told = ", ".join(
        f"{key} {value:.4f}" if isinstance(value, float) else f"{key} {value}" for key, value in figures.items()
    )
    print(f"{name}: {time.perf_counter() - started:.1f} s; {told}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="Folder with the tables of a shop.")
    parser.add_argument("--trials", type=int, default=10, help="Trials of the search.")
    parser.add_argument("--steps", type=int, default=66, help="Steps of every training.")
    options = parser.parse_args()
    torch.manual_seed(0)
    began = time.perf_counter()
    start = prepare_training(load_shop(options.data), PreparationOptions(split="leave-one-out"))
    splits = start.splits
    timed("prepared", began, users=len(splits["test"]), items=start.model.config.num_items)
    with tempfile.TemporaryDirectory() as folder:
        common: dict[str, Any] = {"output_dir": f"{folder}/run", "max_steps": options.steps, "disable_tqdm": True}

        began = time.perf_counter()
        args = XCatTrainingArguments(**common)
        trainer = XCatTrainer(
            None, args, splits["train"], splits["validation"], start.processor,
            model_init=lambda: copy.deepcopy(start.model),
        )  # fmt: skip
        best = trainer.hyperparameter_search(n_trials=options.trials, backend="optuna")
        timed(f"Optuna search of {options.trials} trials", began, best=float(best.objective), **best.hyperparameters)

        began = time.perf_counter()
        stream = splits["train"].to_iterable_dataset(num_shards=16)
        trainer = XCatTrainer(
            copy.deepcopy(start.model), XCatTrainingArguments(**common), stream, splits["validation"], start.processor
        )
        trainer.train()
        found = trainer.evaluate(splits["test"], metric_key_prefix="test")
        timed("stream", began, **{"NDCG@10 on test": found["test_ndcg@10"]})

        began = time.perf_counter()
        model = copy.deepcopy(start.model)
        stock = Trainer(
            model=model, args=TrainingArguments(**common, per_device_train_batch_size=128, learning_rate=0.002),
            data_collator=PackingCollator(start.processor), train_dataset=splits["train"],
            eval_dataset=splits["validation"], processing_class=start.processor,
        )  # fmt: skip
        before = stock.evaluate()["eval_loss"]
        stock.train()
        timed("stock Trainer", began, **{"loss before": before, "loss after": stock.evaluate()["eval_loss"]})
        stock.save_model(f"{folder}/checkpoint")

        known = splits["test"][:100]["items"]
        histories = [start.processor.catalogue.decode(items) for items in known]
        began = time.perf_counter()
        ours = xcat_rec.pipeline("item-recommendation", model=f"{folder}/checkpoint")(histories, k=10)
        timed("pipeline with the package", began, histories=len(ours))
        began = time.perf_counter()
        command = [sys.executable, "-c", WITHOUT_PACKAGE, f"{folder}/checkpoint", json.dumps(histories)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
        theirs = json.loads(done.stdout.splitlines()[-1])
        same = [[item["item_id"] for item in one] for one in ours] == [
            [item["item_id"] for item in one] for one in theirs
        ]
        timed("pipeline with trust_remote_code=True", began, **{"same lists": same})
        assert XCatRecommender.from_pretrained(Path(folder) / "checkpoint").recommend(histories[0], k=3)


if __name__ == "__main__":
    main()
