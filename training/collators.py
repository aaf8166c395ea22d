"""Collators: dataset rows to batches, through the processor's one layout function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..evaluation.ranks import pad_targets
from ..evaluation.slices import SLICE_NAMES, target_slices
from ..tokenization.processing_xcat import XCatProcessor


@dataclass
class PackingCollator:
    """Packs training histories into rows with labels."""

    processor: XCatProcessor

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Make `XCatForNextItem` inputs of dataset rows."""
        return self.processor.collate(rows, with_labels=True)


@dataclass
class QueryCollator:
    """Packs evaluation histories, with the targets of each user and the slices they fall into."""

    processor: XCatProcessor
    trained: np.ndarray

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Make model inputs, `targets` (users, most targets) padded with -1, and `target_slices` (..., slices)."""
        if any("targets" not in row for row in rows):
            raise ValueError("rows to evaluate have no targets; give a validation or test split of build_splits")
        batch = self.processor.collate(rows)
        flags = target_slices(rows, self.processor.catalogue, self.trained)
        batch["targets"] = torch.from_numpy(pad_targets([row["targets"] for row in rows]))
        batch["target_slices"] = torch.from_numpy(np.stack([flags[name] for name in SLICE_NAMES], axis=-1)).long()
        return batch
