"""Metrics by the category of the user's last event (source) and the category of the target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from ..tokenization.vocabulary import ItemVocabulary
from .ranker_evaluation import RankingReport
from .ranks import pad_targets
from .recommendation_ranking.ranking_metrics import per_user_metrics, summarise

DEFAULT_COLUMN = "category"
MOST_CATEGORIES = 20
CUTOFF = 10
METRICS = (f"recall@{CUTOFF}", f"ndcg@{CUTOFF}")
OTHER, NO_CATEGORY, NO_HISTORY = "other", "no category", "no history"
"""Labels for joined categories, a missing category, and a user without events."""


@dataclass(frozen=True)
class CategoryMetrics:
    """Metrics by category.

    Args:
        column: Column of the items table.
        rows: Objects with `source`, `target`, `num_targets`, `recall@10`, `ndcg@10`. Rows by target alone come first
            and have None as source; pairs without targets are left out. A value is the mean over users, of the targets
            in this row.
        joined: Number of categories in `other`.
    """

    column: str
    rows: list[dict[str, Any]]
    joined: int


def check_category_column(schema: pa.Schema, column: str) -> None:
    """Refuse a column that the items table lacks, or that has more than one value per item.

    Args:
        schema: Columns of the items table.
        column: The column to group the metrics by.

    Raises:
        ValueError: If it is not among the columns, or contains lists, structs or other values that are not text.
    """
    plain = [field.name for field in schema if _has_text(field.type)]
    if column in plain:
        return
    what = f"there is no column {column!r} to group the metrics by"
    if column in schema.names:
        what = f"column {column} contains {schema.field(column).type}, not one value per item"
    raise ValueError(f"items: {what}; choose one of {', '.join(plain)}")


def _has_text(kind: pa.DataType) -> bool:
    """Whether `ItemVocabulary.codes` can write values of a type as text."""
    try:
        pc.cast(pa.array([], kind), pa.string())
    except pa.ArrowNotImplementedError:
        return False
    return True


def by_category(
    report: RankingReport,
    dataset: Dataset,
    vocabulary: ItemVocabulary,
    column: str = DEFAULT_COLUMN,
    most: int = MOST_CATEGORIES,
) -> CategoryMetrics:
    """Group the metrics of an evaluation by the categories of the last event and of the target.

    The `most` most frequent categories, as source or as target, keep their names; ties are sorted by name. All others
    are joined as `other`, and so is a category named like one of the special labels.

    Args:
        report: Evaluation of the dataset.
        dataset: The split that was ranked, with `items` and `targets`.
        vocabulary: The catalogue.
        column: Column of the items table.
        most: Number of categories that keep their names.

    Raises:
        ValueError: As `check_category_column`, or if the report has other rows.
    """
    check_category_column(vocabulary.table.schema, column)
    columns = dataset.with_format(None).select_columns(["items", "targets"])[:]
    targets, histories = pad_targets(columns["targets"]), columns["items"]
    ranks = report.ranks
    if ranks is None or ranks.shape != targets.shape or ((ranks > 0) != (targets >= 0)).any():
        raise ValueError(f"the report was not made from these {len(dataset)} rows; give the rows that were evaluated")
    codes, names = vocabulary.codes(column)
    wanted = codes[np.maximum(targets, 0)]
    last = np.fromiter((items[-1] if items else 0 for items in histories), np.int64, count=len(targets))
    present = targets >= 0
    labels, place = _labels(wanted[present], np.repeat(codes[last], present.sum(1)), names, most)
    # The last element is for code -1.
    target = np.where(present, place[wanted], -1)
    source = np.where([len(items) > 0 for items in histories], place[codes[last]], len(labels) - 1)
    figures = list(_figures(ranks, target, source, labels))
    figures.sort(key=lambda row: row["source"] is not None)
    return CategoryMetrics(column, figures, int((place[:-1] == labels.index(OTHER)).sum()))


def _labels(wanted: np.ndarray, source: np.ndarray, names: list[str], most: int) -> tuple[list[str], np.ndarray]:
    """The labels in their order of display, and the position of each code's label; code -1 has the last element."""
    named = np.concatenate([wanted, source])
    counts = np.bincount(named[named >= 0], minlength=len(names))
    own = (OTHER, NO_CATEGORY, NO_HISTORY)
    order = sorted((i for i in np.flatnonzero(counts) if names[i] not in own), key=lambda i: (-counts[i], names[i]))
    shown = order[:most]
    place = np.full(len(names) + 1, -2, dtype=np.int64)
    place[np.flatnonzero(counts)] = len(shown)
    place[shown] = np.arange(len(shown))
    place[-1] = len(shown) + 1
    return [*(names[i] for i in shown), *own], place


def _figures(ranks: np.ndarray, target: np.ndarray, source: np.ndarray, labels: list[str]) -> Iterator[dict[str, Any]]:
    """One row per target category, followed by one per source category."""
    for number, name in enumerate(labels):
        flags = target == number
        values = per_user_metrics(ranks, [CUTOFF], relevant=flags)
        chosen = {metric: values[metric] for metric in METRICS}
        for part in (None, *range(len(labels))):
            users = slice(None) if part is None else source == part
            count = int(flags[users].sum())
            if count:
                yield {
                    "source": None if part is None else labels[part],
                    "target": name,
                    "num_targets": count,
                    **summarise({key: value[users] for key, value in chosen.items()}),
                }
