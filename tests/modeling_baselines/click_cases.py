"""Click models and batches for tests: every model with all inputs that it can read."""

from __future__ import annotations

from typing import Any

import torch

import xcat_rec.modeling_baselines as baselines
from xcat_rec.modeling_baselines.click_model import ClickModel

ITEMS, CATEGORIES, USERS, DENSE, SIZES = 40, 6, 9, 2, (3, 5)
SIZE = {
    "num_item_rows": ITEMS, "num_category_rows": CATEGORIES, "embedding_dim": 8, "dense_features": DENSE,
    "categorical_sizes": SIZES, "num_rating_buckets": 6, "max_history": 12, "initializer_range": 0.3,
}  # fmt: skip
DEEP = {**SIZE, "hidden_sizes": (12, 6)}
PAIR = {**SIZE, "num_user_rows": USERS}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "candidate-popularity": ("CandidatePopularity", SIZE),
    "category-match": ("CategoryMatch", SIZE),
    "candidate-knn": ("CandidateKNN", {**SIZE, "neighbours": 10}),
    "logistic-regression": ("LogisticRegression", SIZE),
    "mf": ("MatrixFactorization", PAIR),
    "gmf": ("GMF", PAIR),
    "neural-mlp": ("NeuralMLP", PAIR),
    "neumf": ("NeuMF", PAIR),
    "mean-pooling": ("MeanPooling", DEEP),
    "din": ("DIN", {**DEEP, "attention_sizes": (10, 5)}),
    "din-softmax": ("DIN", {**DEEP, "attention_sizes": (10, 5), "normalize_attention": True}),
    "din-prelu": ("DIN", {**DEEP, "attention_activation": "prelu", "activation": "prelu"}),
    "dien": ("DIEN", DEEP),
    "bst": ("BST", {**DEEP, "num_heads": 4}),
    "bst-time": ("BST", {**DEEP, "num_heads": 4, "num_layers": 2, "num_age_buckets": 8}),
    "dmin": ("DMIN", {**DEEP, "attention_sizes": (10, 5)}),
}
SEQUENCE = [name for name in CASES if name.split("-")[0] in ("din", "dien", "bst", "dmin", "mean")]
"""Models with a network over the history."""
ATTENTIVE = [name for name in SEQUENCE if name != "mean-pooling"]
WITH_AUXILIARY_LOSS = ["dien", "dmin"]


def new(name: str, **options: Any) -> ClickModel:
    """An untrained model."""
    torch.manual_seed(0)
    kind, given = CASES[name]
    config = getattr(baselines, kind + "Config")(**{**given, **options})
    model: ClickModel = getattr(baselines, kind + "Model")(config)
    return model


def make(name: str, **options: Any) -> ClickModel:
    """A model in evaluation, with no weight at its initial zero: neither biases nor the rows of padding."""
    model = new(name, **options)
    if hasattr(model, "fit"):
        model.fit([[2, 3, 4, 3], [4, 5, 6], [2, 5, 9], *([item, item % 7 + 2] for item in range(10, ITEMS))])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
        for key, buffer in model.named_buffers():
            if key.endswith((".mean", ".variance")):
                buffer += torch.rand_like(buffer)
    return model.eval()


def batch(lengths: tuple[int, ...] = (3, 7, 1, 0, 5), seed: int = 0) -> dict[str, torch.Tensor]:
    """Inputs of all kinds for histories of some lengths, whose items are distinct, padded on the right."""
    generator = torch.Generator().manual_seed(seed)
    rows, longest = len(lengths), max((*lengths, 1))

    def draw(least: int, end: int, *shape: int) -> torch.Tensor:
        return torch.randint(least, end, shape, generator=generator)

    items = torch.stack([torch.randperm(ITEMS - 2, generator=generator)[: longest + 1] + 2 for _ in range(rows)])
    there = torch.arange(longest) < torch.tensor(lengths)[:, None]
    negatives = (items[:, :longest] + 7) % (ITEMS - 2) + 2
    inputs = {
        "item_ids": items[:, :longest], "category_ids": draw(1, CATEGORIES, rows, longest),
        "rating_ids": draw(0, 6, rows, longest), "event_ages": draw(0, 300_000, rows, longest),
        "negative_ids": negatives, "negative_category_ids": draw(1, CATEGORIES, rows, longest),
    }  # fmt: skip
    return {name: values * there for name, values in inputs.items()} | {
        "candidate_ids": items[:, longest], "candidate_category_ids": draw(1, CATEGORIES, rows),
        "user_ids": draw(0, USERS, rows), "dense_features": torch.randn(rows, DENSE, generator=generator),
        "categorical_features": torch.stack([draw(0, size, rows) for size in SIZES], dim=1),
        "labels": (torch.arange(rows) % 2).float(),
    }  # fmt: skip


HISTORY = ("item_ids", "category_ids", "rating_ids", "event_ages", "negative_ids", "negative_category_ids")


def padded(inputs: dict[str, torch.Tensor], left: int = 0, right: int = 0) -> dict[str, torch.Tensor]:
    """The same batch with more padding."""
    more = {name: torch.nn.functional.pad(inputs[name], (left, right)) for name in HISTORY}
    return inputs | more


def taken(inputs: dict[str, torch.Tensor], rows: list[int]) -> dict[str, torch.Tensor]:
    """Some rows of a batch, in their order."""
    return {name: values[rows] for name, values in inputs.items()}
