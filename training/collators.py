"""Collators: dataset rows to batches, through the processor's one layout function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ..evaluation.purposes import history_rows
from ..evaluation.ranks import pad_targets
from ..evaluation.slices import SLICE_NAMES, target_slices
from ..tokenization.packing import IGNORED_LABEL
from ..tokenization.processing_xcat import XCatProcessor
from .tuning.held_out import HeldOutWeights


@dataclass
class PackingCollator:
    """Packs histories into rows with labels: all next events, or the targets if rows have targets.

    So the evaluation loss of the stock `transformers.Trainer` is the loss of the targets.

    Args:
        processor: The processor.
    """

    processor: XCatProcessor

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Make `XCatForNextItem` inputs from dataset rows."""
        if any("targets" not in row for row in rows):
            return self.processor.collate(rows, with_labels=True)
        repeated = [row for row in rows for _ in row["targets"]]
        batch = self.processor.collate(repeated)
        labels = torch.full_like(batch["item_ids"], IGNORED_LABEL)
        targets = torch.tensor([target for row in rows for target in row["targets"]])
        labels.view(-1)[batch.pop("query_positions")] = targets
        return {**batch, "labels": labels}


@dataclass
class QueryCollator:
    """Packs evaluation histories, with each user's targets, their slices and their weights.

    Args:
        processor: The processor.
        trained: (rows of the vocabulary,) bool, True for items with training events.
        new_category_weight: Loss weight of a target whose category is not among the events read.
        held_out: Weights of the re-rankers by fold, for next items (False) and for discovery (True), if they were
            fitted on some of the users.
    """

    processor: XCatProcessor
    trained: np.ndarray
    new_category_weight: float = 1.0
    held_out: dict[bool, HeldOutWeights] = field(default_factory=dict)

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Make model inputs, `targets` (users, most targets) padded with -1, `target_weights`, and `target_slices`.

        The slices are (users, most targets, slices), and `history` (users, longest) has the items of whole histories.
        With `held_out` there are also (users, 2) `folds`.
        """
        if any("targets" not in row for row in rows):
            raise ValueError("rows to evaluate have no targets; give a validation or test split of build_splits")
        batch = self.processor.collate(rows)
        flags = target_slices(rows, self.processor.catalogue, self.trained)
        targets = pad_targets([row["targets"] for row in rows])
        batch["history"] = history_rows(rows)
        batch["targets"] = torch.from_numpy(targets)
        batch["target_weights"] = torch.from_numpy(self._weights(rows, targets))
        if self.held_out:
            none = HeldOutWeights({}, ())
            folds = [self.held_out.get(discovers, none).folds_of(rows) for discovers in (False, True)]
            batch["folds"] = torch.stack(folds, 1)
        batch["target_slices"] = torch.from_numpy(np.stack([flags[name] for name in SLICE_NAMES], axis=-1)).long()
        return batch

    def _weights(self, rows: Sequence[dict[str, Any]], targets: np.ndarray) -> np.ndarray:
        """(users, most targets) weights, as computed by `weigh_new_categories`."""
        if self.new_category_weight == 1:
            return np.ones(targets.shape, dtype=np.float32)
        codes = self.processor.catalogue.category_codes
        wanted = np.where(targets >= 0, codes[targets], -1)
        read = [codes[np.asarray(row["items"][-self.processor.max_history :])] for row in rows]
        new = [~np.isin(mine, there) & (mine >= 0) for mine, there in zip(wanted, read, strict=True)]
        return np.where(np.stack(new), self.new_category_weight, 1.0).astype(np.float32)
