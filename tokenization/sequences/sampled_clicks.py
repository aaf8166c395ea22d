"""Sampled negatives for the rows of next-item prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np
import polars as pl

from ...counting import counted
from ..tables.event_roles import ROLES, TARGET
from ..vocabulary import NUM_SPECIAL_ROWS, PAD_ROW
from .build import target_items
from .negatives import UNIFORM, NegativeSampler
from .shown import add_shown, flat_lists
from .split_data import SplitData

_SOME_ROWS = 1000
"""Rows that are searched for a positive before all others are."""


def sampler_of(data: SplitData, kind: str) -> NegativeSampler:
    """The sampler of one kind for split events; popularity is the number of training events.

    Raises:
        ValueError: As `NegativeSampler`.
    """
    rows = len(data.vocabulary)
    counted = target_items(data.train).combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return NegativeSampler(kind, rows, np.bincount(counted, minlength=rows), data.vocabulary.category_codes)


def with_negatives(
    train: datasets.Dataset, sampler: NegativeSampler, count: int = 1, seed: int = 0, min_history: int = 1
) -> datasets.Dataset:
    """Training sequences with each target event as a positive, followed by its negatives.

    A negative is an item that the row lacks. Give another seed in each epoch for other negatives.

    Args:
        train: Training sequences.
        sampler: `ClickData.sampler`.
        count: Negatives per positive.
        seed: Seed of the draw.
        min_history: Fewest events before a positive.

    Returns:
        The rows with the columns of `SHOWN`. A positive with too few possible negatives is left out.
    """
    owners, positives, after, seen = _targets(train)
    chosen = after >= min_history
    return _with_draws(train, owners[chosen], positives[chosen], after[chosen], seen, sampler, count, seed)[0]


@dataclass(frozen=True)
class TrainingPositives:
    """How many target events of training rows are positives, and how many are left out.

    Args:
        kept: Positives.
        early: Targets with fewer earlier events than `min_history`.
        crowded: Other targets with too few possible negatives.
    """

    kept: int
    early: int
    crowded: int


def count_positives(
    train: datasets.Dataset, sampler: NegativeSampler, count: int, min_history: int = 1
) -> TrainingPositives:
    """Count the positives of training rows. The first event of a row is context, which is not counted.

    Args:
        train: Training sequences, or windows of them.
        sampler: `ClickData.sampler`.
        count: Negatives per positive.
        min_history: Fewest events before a positive.
    """
    owners, positives, after, seen = _targets(train)
    late = after >= min_history
    enough = sampler.possible(positives[late], owners[late], seen) >= count
    early = int(((after > 0) & ~late).sum())
    return TrainingPositives(int(enough.sum()), early, int((~enough).sum()))


def require_positives(train: datasets.Dataset, sampler: NegativeSampler, count: int, min_history: int = 1) -> None:
    """Refuse training rows without a positive; arguments as of `count_positives`.

    Raises:
        ValueError: If there is none.
    """
    some = train.select(range(min(len(train), _SOME_ROWS)))
    if count_positives(some, sampler, count, min_history).kept:
        return
    found = count_positives(train, sampler, count, min_history)
    if found.kept:
        return
    reasons = []
    if found.early:
        reasons.append(
            f"{found.early:,} have fewer than {counted(min_history, 'earlier event')} in their training window "
            "(give a smaller min_history=, or a larger max_history= if that is smaller)"
        )
    if found.crowded:
        other = "" if sampler.kind == UNIFORM else ", or negatives='uniform'"
        reasons.append(
            f"{found.crowded:,} have fewer than {counted(count, 'possible negative')} of the kind {sampler.kind!r} "
            f"among {counted(sampler.num_rows - NUM_SPECIAL_ROWS, 'item')} (give a smaller train_negatives={other})"
        )
    total = found.early + found.crowded
    raise ValueError(
        f"none of {counted(total, 'target event')} of the training rows is a positive, so there is nothing to train "
        f"on: {'; '.join(reasons) or 'no row has a target with an earlier event'}"
    )


def _targets(train: datasets.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
    """Row, item and number of earlier events of each target event of known items; and the items of each row."""
    lengths, items = flat_lists(train, "items")
    owners = np.repeat(np.arange(len(train)), lengths)
    after = np.arange(len(items)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    chosen = items >= NUM_SPECIAL_ROWS
    if ROLES in train.column_names:
        chosen &= flat_lists(train, ROLES)[1] == TARGET
    seen = np.split(items, np.cumsum(lengths)[:-1]) if len(train) else []
    return owners[chosen], items[chosen], after[chosen], seen


def with_eval_negatives(
    data: SplitData, sampler: NegativeSampler, count: int, seed: int, min_history: int = 1
) -> tuple[datasets.DatasetDict, dict[str, int], dict[str, int]]:
    """Validation and test rows with each target as a positive, followed by its negatives.

    Args:
        data: The split events.
        sampler: Draws the negatives.
        count: Negatives per positive.
        seed: Seed of the draw.
        min_history: Fewest events before a positive.

    Returns:
        The splits; the number of targets by part that were left out, because of too few earlier events or possible
        negatives; and the number of users by part without another target.

    Raises:
        ValueError: If no target of a part is left.
    """
    splits, left_out, left_out_users = datasets.DatasetDict(data.splits), {}, {}
    log = data.selected.events.select(
        "user_id", item=pl.Series(data.vocabulary.encode(data.selected.events["item_id"].to_arrow()))
    )
    had = log.group_by("user_id").agg("item")
    for number, part in enumerate(("validation", "test")):
        rows = data.splits[part]
        lengths, targets = flat_lists(rows, "targets")
        users = pl.DataFrame({"user_id": pl.Series(rows.with_format(None)["user_id"][:], dtype=pl.String)})
        seen = users.join(had, on="user_id", how="left", maintain_order="left")["item"].to_list()
        owners = np.repeat(np.arange(len(rows)), lengths)
        after = flat_lists(rows, "items")[0][owners]
        late = after >= min_history
        if len(targets) and not late.any():
            raise ValueError(
                f"min_history is {min_history}, and none of {counted(len(targets), 'target')} of {part} has so many "
                f"earlier events: they have at most {after.max():,}; give a smaller one"
            )
        splits[part], kept = _with_draws(
            rows, owners[late], targets[late], after[late], seen, sampler, count, (seed, number)
        )
        left_out[part] = len(targets) - kept
        left_out_users[part] = int(((lengths > 0) & (flat_lists(splits[part], "shown_items")[0] == 0)).sum())
        if len(targets) and not kept:
            fewer = ["give fewer"] if count > 1 else ["give tables with more items"]
            fewer += [] if sampler.kind == UNIFORM else ["negatives='uniform'"]
            raise ValueError(
                f"eval_negatives is {count}, and none of {len(targets)} targets of {part} has so many possible "
                f"negatives of the kind {sampler.kind!r} among {sampler.num_rows - NUM_SPECIAL_ROWS} items; "
                f"{', or '.join(fewer)}"
            )
    return splits, left_out, left_out_users


def _with_draws(
    rows: datasets.Dataset,
    owners: np.ndarray,
    positives: np.ndarray,
    after: np.ndarray,
    seen: Any,
    sampler: NegativeSampler,
    count: int,
    seed: int | tuple[int, int],
) -> tuple[datasets.Dataset, int]:
    """Rows with positives and their negatives, and the number of positives."""
    drawn = sampler.draw(np.random.default_rng(seed), positives, owners, seen, count)
    kept = drawn[:, 0] != PAD_ROW
    items = np.concatenate([positives[kept, None], drawn[kept]], axis=1)
    labels = np.zeros(items.shape, dtype=np.int8)
    labels[:, 0] = 1
    kinds = np.where(labels == 1, "", sampler.kind)
    each = count + 1
    shown = {
        "shown_items": items.ravel(),
        "shown_labels": labels.ravel(),
        "shown_after": np.repeat(after[kept], each),
        "shown_kinds": pl.Series(kinds.ravel(), dtype=pl.String).to_arrow(),
        "shown_timestamps": np.full(items.size, -1),
    }
    return add_shown(rows, np.repeat(owners[kept], each), shown), int(kept.sum())
