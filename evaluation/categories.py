"""Figures by the category that a user comes from, that of the last event, and the category of the target."""

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
"""What stands for categories that are joined, for a missing one, and for a user without any event."""


@dataclass(frozen=True)
class CategoryFigures:
    """Figures by category.

    Args:
        column: Column of the items table.
        rows: Objects with `source`, `target`, `num_targets`, `recall@10`, `ndcg@10`. Those by target alone come first
            and have None as source; pairs without targets are left out. As in a slice, a figure is the mean over
            users of what they have in it.
        joined: Categories that are in `other`.
    """

    column: str
    rows: list[dict[str, Any]]
    joined: int


def check_category_column(schema: pa.Schema, column: str) -> None:
    """Refuse a column that the items table lacks, or that has not one value an item.

    Args:
        schema: Columns of the items table.
        column: The column by which figures are to be parted.

    Raises:
        ValueError: If it is not among the columns, or holds lists, structs or what else has no text.
    """
    plain = [field.name for field in schema if _has_text(field.type)]
    if column in plain:
        return
    what = f"there is no column {column!r} to part the figures by"
    if column in schema.names:
        what = f"column {column} holds {schema.field(column).type}, not one value an item"
    raise ValueError(f"items: {what}; choose one of {', '.join(plain)}")


def _has_text(kind: pa.DataType) -> bool:
    """Whether values of a type can be written as text, as `ItemVocabulary.codes` does."""
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
) -> CategoryFigures:
    """Part the figures of an evaluation by the categories of the last event and of the target.

    The `most` categories that are named most often, as source or as target of a target, stand for themselves, those of
    equal numbers in order of their names; all others are joined as `other`, and so is one that bears a name of ours.

    Args:
        report: What the evaluation of the dataset found.
        dataset: The split that was ranked, with `items` and `targets`.
        vocabulary: The catalogue.
        column: Column of the items table.
        most: Categories that stand for themselves.

    Raises:
        ValueError: As `check_category_column`, or if the report is of other rows.
    """
    check_category_column(vocabulary.table.schema, column)
    columns = dataset.with_format(None).select_columns(["items", "targets"])[:]
    targets, histories = pad_targets(columns["targets"]), columns["items"]
    ranks = report.ranks
    if ranks is None or ranks.shape != targets.shape or ((ranks > 0) != (targets >= 0)).any():
        raise ValueError(f"the report is not of the {len(dataset)} rows that were given; give those it was made of")
    codes, names = vocabulary.codes(column)
    wanted = codes[np.maximum(targets, 0)]
    last = np.fromiter((items[-1] if items else 0 for items in histories), np.int64, count=len(targets))
    present = targets >= 0
    labels, place = _labels(wanted[present], np.repeat(codes[last], present.sum(1)), names, most)
    # The last place of all is that of code -1.
    target = np.where(present, place[wanted], -1)
    source = np.where([len(items) > 0 for items in histories], place[codes[last]], len(labels) - 1)
    figures = list(_figures(ranks, target, source, labels))
    figures.sort(key=lambda row: row["source"] is not None)
    return CategoryFigures(column, figures, int((place[:-1] == labels.index(OTHER)).sum()))


def _labels(wanted: np.ndarray, source: np.ndarray, names: list[str], most: int) -> tuple[list[str], np.ndarray]:
    """The labels in the order in which they are shown, and the label's place of each code, -1 included."""
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
    """A row a target's category, then one a source that it has."""
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
