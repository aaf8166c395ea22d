"""Training steps of the click models of DeepCTR-Torch and torch-rechub, one per line of standard input.

    python click_speed_ports.py PAIRS.npz SIZES THREADS

SIZES is a JSON object with items, categories, width, length and batch. Prints the names of the models, then for each
line [name, number of the batch] the seconds of a step and its processor time, as lines that begin with "answer".
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy

HIDDEN, ATTENTION = (200, 80), (80, 40)
Loss = Callable[[Any, torch.Tensor], torch.Tensor]
Made = tuple[torch.nn.Module, Callable[[dict[str, torch.Tensor]], Any], Loss]


def rows_of(sizes: dict[str, int]) -> dict[str, int]:
    """Rows of the embedding tables by feature."""
    rows = {"item": sizes["items"] + 2}
    return rows | ({"category": sizes["categories"] + 1} if sizes["categories"] else {})


def columns_of(batch: dict[str, torch.Tensor], negative: str) -> dict[str, torch.Tensor]:
    """The batch with the names of features that the ports use."""
    found = {"item": batch["candidate_ids"], "hist_item": batch["item_ids"], negative + "item": batch["negative_ids"]}
    if "category_ids" in batch:
        found |= {
            "category": batch["candidate_category_ids"], "hist_category": batch["category_ids"],
            negative + "category": batch["negative_category_ids"],
        }  # fmt: skip
    return found


def rechub(name: str, sizes: dict[str, int]) -> Made:
    """A model of torch-rechub, its inputs of a batch, and its loss."""
    from torch_rechub.basic.features import SequenceFeature, SparseFeature

    rows, width = rows_of(sizes), sizes["width"]
    target = [SparseFeature(key, size, width, padding_idx=0) for key, size in rows.items()]
    context = [SparseFeature("context", 2, 1)]  # its models need a feature beside item and history

    def sequence(prefix: str) -> list[Any]:
        return [
            SequenceFeature(prefix + key, size, width, pooling="concat", shared_with=key, padding_idx=0)
            for key, size in rows.items()
        ]

    kind = getattr(importlib.import_module(f"torch_rechub.models.ranking.{name.lower()}"), name)
    tower = {"dims": list(HIDDEN)}
    if name == "DIN":
        module = kind(context, sequence("hist_"), target, tower, {"dims": list(ATTENTION)})
    elif name == "DIEN":
        module = kind(context, sequence("hist_"), sequence("neg_"), target, tower, alpha=1.0)
    else:
        module = kind(context, sequence("hist_"), target, tower, nhead=8, max_seq_len=sizes["length"] + 1)

    def inputs(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {**columns_of(batch, "neg_"), "context": batch["candidate_ids"] % 2}

    def loss(given: Any, labels: torch.Tensor) -> torch.Tensor:
        found = module(given)
        scores, auxiliary = found if isinstance(found, tuple) else (found, 0)
        return binary_cross_entropy(scores, labels) + auxiliary

    return module, inputs, loss


def deepctr(name: str, sizes: dict[str, int]) -> Made:
    """A model of DeepCTR-Torch, its inputs of a batch, and the loss of its `fit`."""
    from deepctr_torch import models
    from deepctr_torch.inputs import SparseFeat, VarLenSparseFeat

    rows, width = rows_of(sizes), sizes["width"]
    columns: list[Any] = [SparseFeat(key, size, width) for key, size in rows.items()]
    for prefix in ("hist_", "neg_hist_")[: 2 if name == "DIEN" else 1]:
        columns += [
            VarLenSparseFeat(
                SparseFeat(prefix + key, size, width, embedding_name=key), sizes["length"], length_name="seq_length"
            )
            for key, size in rows.items()
        ]
    extra: dict[str, Any] = {"att_hidden_size": ATTENTION, "att_activation": "Dice"}
    if name == "DIEN":
        extra = {"gru_type": "AUGRU", "use_negsampling": True}
    module: Any = getattr(models, name)(columns, list(rows), dnn_hidden_units=HIDDEN, l2_reg_embedding=0, **extra)

    def inputs(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        values = {**columns_of(batch, "neg_hist_"), "seq_length": (batch["item_ids"] > 0).sum(1)}
        parts = [values[feature].reshape(len(batch["labels"]), -1) for feature in module.feature_index]
        return torch.cat(parts, dim=1).float()

    def loss(given: Any, labels: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = binary_cross_entropy(module(given).squeeze(1), labels, reduction="sum")
        return (found + module.get_regularization_loss() + module.aux_loss).sum()

    return module, inputs, loss


MODELS: dict[str, tuple[Callable[[str, dict[str, int]], Made], str]] = {
    "torch-rechub DIN": (rechub, "DIN"),
    "torch-rechub DIEN": (rechub, "DIEN"),
    "torch-rechub BST": (rechub, "BST"),
    "DeepCTR-Torch DIN": (deepctr, "DIN"),
    "DeepCTR-Torch DIEN": (deepctr, "DIEN"),
}


def prepared(made: Made, batches: list[dict[str, torch.Tensor]]) -> Callable[[int], None]:
    """A training step on a batch by number, whose inputs are made beforehand."""
    module, inputs, loss = made
    module.train()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    given = [(inputs(batch), batch["labels"]) for batch in batches]

    def step(number: int) -> None:
        optimizer.zero_grad()
        loss(*given[number % len(given)]).backward()
        optimizer.step()

    return step


def main() -> None:
    """Make steps until standard input ends."""
    file, sizes = sys.argv[1], json.loads(sys.argv[2])
    torch.set_num_threads(int(sys.argv[3]))
    pairs = {name: torch.from_numpy(values) for name, values in np.load(file).items()}
    size = sizes["batch"]
    batches = [
        {name: values[start : start + size] for name, values in pairs.items()}
        for start in range(0, len(pairs["labels"]), size)
    ]
    print("answer " + json.dumps(list(MODELS)), flush=True)
    steps: dict[str, Callable[[int], None]] = {}
    for line in sys.stdin:
        name, number = json.loads(line)
        if name not in steps:
            make, kind = MODELS[name]
            steps[name] = prepared(make(kind, sizes), batches)
        wall, processor = time.perf_counter(), time.process_time()
        steps[name](number)
        print("answer " + json.dumps([time.perf_counter() - wall, time.process_time() - processor]), flush=True)


if __name__ == "__main__":
    main()
