"""Showings of a batch of rows: candidates with labels, and the histories before them, for training and serving."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..processing_xcat import XCatProcessor
from ..tables.event_roles import ROLES, TARGET
from ..vocabulary import NUM_SPECIAL_ROWS, PAD_ROW, UNKNOWN_ROW
from .negatives import NegativeSampler

Row = Mapping[str, Any]

NO_LABEL = -100
"""Label of padding."""
_EVENT_COLUMNS = ("items", "event_types", "ratings", "timestamps", ROLES)
_NO_EVENTS: dict[str, list[Any]] = {
    "items": [UNKNOWN_ROW], "event_types": [0], "ratings": [np.nan], "timestamps": [-1],
}  # fmt: skip
"""Place holder of a history without events; no showing reads it."""


@dataclass(frozen=True)
class Showings:
    """Candidates that were shown to the users of some rows, in the order of the rows.

    Args:
        owners: (showings,) number of the row.
        after: (showings,) number of the row's events before the showing.
        items: (showings,) item indices.
        labels: (showings,) 1 or 0.
        dense: (showings, features) numbers.
        categorical: (showings, features) codes.
    """

    owners: np.ndarray
    after: np.ndarray
    items: np.ndarray
    labels: np.ndarray
    dense: np.ndarray
    categorical: np.ndarray

    def __len__(self) -> int:
        return len(self.items)

    def places(self, rows: int) -> tuple[np.ndarray, int]:
        """Place of each showing in a table of the rows.

        Args:
            rows: Number of rows.

        Returns:
            (showings,) places in a flattened (rows, width) table, and its width: the most showings of a row.
        """
        counts = np.bincount(self.owners, minlength=rows)
        width = int(counts.max(initial=0))
        return self.owners * width + np.arange(len(self)) - (np.cumsum(counts) - counts)[self.owners], width

    def padded_labels(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Labels as a table, and the places of the showings in it.

        Args:
            rows: Number of rows.

        Returns:
            (rows, most showings of a row) labels, `NO_LABEL` elsewhere; (showings,) places in the flattened table.
        """
        places, width = self.places(rows)
        table = np.full((rows, width), NO_LABEL, dtype=np.int64)
        table.flat[places] = self.labels
        return table, places


def read_showings(rows: Sequence[Row]) -> Showings:
    """The showings in the columns of rows.

    Args:
        rows: Rows with the columns of `SHOWN`, and of `SHOWN_CONTEXT` if there are any.

    Example:
        >>> row = {"items": [4, 5], "shown_items": [7, 9], "shown_labels": [1, 0], "shown_after": [1, 2]}
        >>> read_showings([row]).after.tolist()
        [1, 2]
    """
    counts = [len(row["shown_items"]) for row in rows]

    def joined(name: str, kind: type) -> np.ndarray:
        return np.concatenate([np.zeros(0, kind), *(np.asarray(row[name], kind) for row in rows)])

    def features(name: str, kind: type) -> np.ndarray:
        found: list[np.ndarray] = [np.asarray(row[name], kind) for row in rows if len(row.get(name) or ())]
        return np.concatenate(found) if found else np.zeros((sum(counts), 0), kind)

    return Showings(
        np.repeat(np.arange(len(rows)), counts), joined("shown_after", np.int64), joined("shown_items", np.int64),
        joined("shown_labels", np.int64), features("shown_dense", np.float32),
        features("shown_categorical", np.int64),
    )  # fmt: skip


def draw_showings(
    rows: Sequence[Row], sampler: NegativeSampler, count: int, seed: int = 0, min_history: int = 1
) -> Showings:
    """Every target event of training rows as a positive, each followed by its sampled negatives.

    The draw depends on the seed and on the rows, in their order. So a batch has the same negatives in any worker and
    after a training is resumed, and others in the next epoch, whose batches are shuffled.

    Args:
        rows: Training rows.
        sampler: `ClickData.sampler`; a negative is an item that the row lacks.
        count: Negatives per positive.
        seed: Seed of the draw.
        min_history: Fewest events before a positive.

    Returns:
        The showings; a positive with too few possible negatives is left out.
    """
    seen = [np.asarray(row["items"], dtype=np.int64) for row in rows]
    lengths = np.array([len(items) for items in seen], dtype=np.int64)
    items = np.concatenate([*seen, np.zeros(0, dtype=np.int64)])
    owners = np.repeat(np.arange(len(rows)), lengths)
    after = np.arange(len(items)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    chosen = (after >= min_history) & (items >= NUM_SPECIAL_ROWS)
    if rows and ROLES in rows[0]:
        chosen &= np.concatenate([np.asarray(row[ROLES]) for row in rows]) == TARGET
    generator = np.random.default_rng((seed, zlib.crc32(items.tobytes()), len(rows)))
    positives, owners, after = items[chosen], owners[chosen], after[chosen]
    drawn = sampler.draw(generator, positives, owners, seen, count)
    kept = drawn[:, 0] != PAD_ROW
    shown = np.concatenate([positives[kept, None], drawn[kept]], axis=1)
    labels = np.zeros(shown.shape, dtype=np.int64)
    labels[:, 0] = 1
    each = count + 1
    return Showings(
        np.repeat(owners[kept], each), np.repeat(after[kept], each), shown.ravel(), labels.ravel(),
        np.zeros((shown.size, 0), dtype=np.float32), np.zeros((shown.size, 0), dtype=np.int64),
    )  # fmt: skip


def more_negatives(
    rows: Sequence[Row], showings: Showings, sampler: NegativeSampler, count: int, seed: int = 0
) -> Showings:
    """Further sampled negatives of the positives of evaluation rows.

    Args:
        rows: Evaluation rows; a negative is neither an item of a row's history nor one of its targets.
        showings: `read_showings(rows)`.
        sampler: `ClickData.sampler`.
        count: Negatives per positive.
        seed: Seed of the draw.

    Returns:
        The negatives alone, each with the history of its positive.
    """
    chosen = showings.labels == 1
    positives, owners, after = showings.items[chosen], showings.owners[chosen], showings.after[chosen]
    seen = [np.asarray([*row["items"], *row["targets"]], dtype=np.int64) for row in rows]
    drawn = sampler.draw(np.random.default_rng(seed), positives, owners, seen, count)
    kept = drawn[:, 0] != PAD_ROW
    items = drawn[kept].ravel()
    return Showings(
        np.repeat(owners[kept], count), np.repeat(after[kept], count), items, np.zeros(len(items), dtype=np.int64),
        np.zeros((len(items), 0), dtype=np.float32), np.zeros((len(items), 0), dtype=np.int64),
    )  # fmt: skip


def events_of(row: Row, count: int) -> dict[str, Any]:
    """The first events of a row, for a collator; one unknown event in place of none.

    Args:
        row: A row with events.
        count: Number of events.
    """
    kept = {name: values for name, values in row.items() if not name.startswith(("shown_", "target"))}
    part = {name: kept[name][:count] for name in _EVENT_COLUMNS if name in kept}
    return {**kept, **(part if len(part["items"]) else _NO_EVENTS)}


def histories_before(
    rows: Sequence[Row], showings: Showings, max_history: int
) -> tuple[list[dict[str, Any]], np.ndarray, np.ndarray]:
    """The histories that showings need: each showing has the latest `max_history` events before it.

    Showings within the first events of a row share a history, because a model reads no later event.

    Args:
        rows: Rows with events.
        showings: Their showings.
        max_history: Events that a model reads.

    Returns:
        Rows of events, at least one each; (showings,) number of the showing's row among them; (showings,) position in
        its latest `max_history` events of the last event before the showing, -1 for none.
    """
    early = showings.after <= max_history
    keys = np.stack([showings.owners, np.where(early, 0, showings.after)])
    pairs, number = np.unique(keys, axis=1, return_inverse=True)
    histories = [events_of(rows[owner], end or max_history) for owner, end in pairs.T.tolist()]
    return histories, number.ravel(), np.where(early, showings.after, max_history) - 1


def showing_inputs(
    processor: XCatProcessor, rows: Sequence[Row], showings: Showings, layout: str = "packed"
) -> dict[str, torch.Tensor]:
    """Inputs of `XCatForClickPrediction` for showings.

    Args:
        processor: The processor.
        rows: Rows with events.
        showings: Their showings.
        layout: "packed", "left" or "right"; see `XCatProcessor.collate`.

    Returns:
        Inputs of the histories, and `click_positions`, `click_items`, `click_dense` and `click_categorical`.
    """
    histories, number, position = histories_before(rows, showings, processor.max_history)
    batch = processor.collate(histories, layout=layout)
    lengths = np.array([min(len(row["items"]), processor.max_history) for row in histories], dtype=np.int64)
    starts = batch.pop("query_positions").numpy() - lengths + 1
    return {**batch, **click_inputs(showings, np.where(position < 0, -1, starts[number] + position))}


def click_inputs(showings: Showings, positions: np.ndarray) -> dict[str, torch.Tensor]:
    """The inputs of `XCatForClickPrediction` beside those of the histories.

    Args:
        showings: The showings.
        positions: (showings,) position in the flattened rows of the last event before each, -1 for none.
    """
    inputs = {"click_positions": positions.astype(np.int64), "click_items": showings.items}
    features = {"click_dense": showings.dense, "click_categorical": showings.categorical}
    inputs |= {name: values for name, values in features.items() if values.shape[1]}
    return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in inputs.items()}
