"""Sampled negatives for the rows of next-item prediction."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import polars as pl

from ..tables.event_roles import ROLES, TARGET
from ..vocabulary import NUM_SPECIAL_ROWS, PAD_ROW
from .build import target_items
from .negatives import UNIFORM, NegativeSampler
from .shown import add_shown, flat_lists
from .split_data import SplitData


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
    lengths, items = flat_lists(train, "items")
    owners = np.repeat(np.arange(len(train)), lengths)
    place = np.arange(len(items)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    chosen = (place >= min_history) & (items >= NUM_SPECIAL_ROWS)
    if ROLES in train.column_names:
        chosen &= flat_lists(train, ROLES)[1] == TARGET
    seen = np.split(items, np.cumsum(lengths)[:-1]) if len(train) else []
    return _with_draws(train, owners[chosen], items[chosen], place[chosen], seen, sampler, count, seed)[0]


def with_eval_negatives(
    data: SplitData, sampler: NegativeSampler, count: int, seed: int
) -> tuple[datasets.DatasetDict, dict[str, int], dict[str, int]]:
    """Validation and test rows with each target as a positive, followed by its negatives.

    Args:
        data: The split events.
        sampler: Draws the negatives.
        count: Negatives per positive.
        seed: Seed of the draw.

    Returns:
        The splits; the number of targets by part that have too few possible negatives and were left out; and the
        number of users by part without another target.

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
        splits[part], kept = _with_draws(rows, owners, targets, after, seen, sampler, count, (seed, number))
        left_out[part] = len(targets) - kept
        left_out_users[part] = int(((lengths > 0) & (flat_lists(splits[part], "shown_items")[0] == 0)).sum())
        if len(targets) and not kept:
            other = "" if sampler.kind == UNIFORM else ", or negatives='uniform'"
            raise ValueError(
                f"eval_negatives is {count}, and none of {len(targets)} targets of {part} has so many possible "
                f"negatives of the kind {sampler.kind!r} among {sampler.num_rows - NUM_SPECIAL_ROWS} items; give "
                f"fewer{other}"
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
