"""Rankings for queries: asks made of the targets of the test split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from datasets import Dataset

from ..evaluation.ranker_evaluation import Ranker, evaluate_ranker
from ..tokenization.text.asks import ASK_KINDS, AskWriter, ItemWords
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS, UNKNOWN_ROW, ItemVocabulary

MOST_USERS = 2048
"""Users whose ranking is measured; more are reduced to an evenly spread sample, which is the same for all models."""
_SEED = 0
_METRICS = ("ndcg@10", "recall@10")


def ask_kinds(asks: str | Sequence[str] | None) -> tuple[str, ...]:
    """Kinds of asks by name.

    Args:
        asks: Names, or one text with commas.

    Raises:
        ValueError: If a name is unknown.

    Example:
        >>> ask_kinds("category, title")
        ('category', 'title')
    """
    names = asks.split(",") if isinstance(asks, str) else list(asks or ())
    kinds = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    unknown = [name for name in kinds if name not in ASK_KINDS]
    if unknown:
        raise ValueError(f"asks has {unknown[0]!r}; give some of {', '.join(ASK_KINDS)}")
    return kinds


def measure_asks(
    ranker: Ranker, test: Dataset, vocabulary: ItemVocabulary, trained: np.ndarray, kinds: Sequence[str]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Rank the targets for an ask of each kind, with the history and as for a new customer.

    An ask is made of one target of the user, which is then the only target. A user whose target has no text for a
    kind is left out.

    Args:
        ranker: The model; without the attribute `reads_asks` it ranks as if nobody asked.
        test: The test split.
        vocabulary: The catalogue.
        trained: (rows,) whether an item has training events.
        kinds: Kinds of asks.

    Returns:
        By kind: `metrics` with history and query, `query_alone`, `num_users` and the median rank; and metrics per user
        by `asks.KIND.METRIC`, for paired intervals.
    """
    from ..training.tuning.asks import new_customer

    table: Any = pl.from_arrow(vocabulary.table)
    writer = AskWriter(ItemWords.of_table(table))
    numbers = np.linspace(0, len(test) - 1, min(MOST_USERS, len(test))).astype(int)
    rows: list[dict[str, Any]] = [test[int(number)] for number in numbers]
    targets = [next((item for item in row["targets"] if item >= NUM_SPECIAL_ROWS), UNKNOWN_ROW) for row in rows]
    found: dict[str, Any] = {}
    per_user: dict[str, np.ndarray] = {}
    for kind in kinds:
        asks = writer.write([max(0, item - NUM_SPECIAL_ROWS) for item in targets], kind, _SEED)
        asked = [
            {**row, "targets": [item], "ask": ask}
            for row, item, ask in zip(rows, targets, asks, strict=True)
            if ask and item >= NUM_SPECIAL_ROWS
        ]
        asked.sort(key=lambda row: len(row["ask"]))  # the text encoder reads texts of similar length together
        if not asked:
            found[kind] = None
            continue
        part: dict[str, Any] = {"num_users": len(asked)}
        for name, changed in (("metrics", asked), ("query_alone", [new_customer(row) for row in asked])):
            dataset = Dataset.from_list(changed)
            report = evaluate_ranker(ranker, dataset, vocabulary, trained=trained, progress=False)
            part[name] = json.loads(report.to_json())["metrics"]
            assert report.ranks is not None
            part[f"median_rank{'_alone' if name != 'metrics' else ''}"] = float(np.median(report.ranks[:, 0]))
            if name == "metrics":
                per_user |= {f"asks.{kind}.{metric}": report.per_user[metric] for metric in _METRICS}
        found[kind] = part
    return found, per_user
