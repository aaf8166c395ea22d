"""Embeddings of users and items, for Auto classes without the package."""

from __future__ import annotations

from typing import Any

import torch

from .scoring_xcat import XCatScoring


class XCatFeatures(XCatScoring):
    """The part of a model that gives embeddings; the names follow CLIP of transformers.

    The dot product of a user and an item embedding is the base score, before item-to-item weights, repeat bias,
    cold-item boost and re-ranker.
    """

    @torch.no_grad()
    def get_user_features(self, query_positions: Any = None, **inputs: Any) -> torch.Tensor:
        """User embeddings of histories, as a call of the processor returns them.

        Args:
            query_positions: (queries,) positions in the flattened rows; None for the last event of every history.
            **inputs: As for `XCatModel.forward`; tensors or NumPy arrays.

        Returns:
            (queries, hidden) float32.

        Raises:
            TypeError: If there is another input, which would make no difference.
        """
        self.check_inputs(inputs, "get_user_features")
        given = {"query_positions": query_positions, **inputs}
        placed = {
            name: value if value is None else torch.as_tensor(value, device=self.device)
            for name, value in given.items()
        }
        states, _, _ = self.encode_queries(**placed)
        return self.query_side(states.float())

    @torch.no_grad()
    def get_item_features(self, rows: Any = None) -> torch.Tensor:
        """Item embeddings; see `get_user_features`.

        Args:
            rows: (items,) item indices, such as `processor.vocabulary.encode(ids)`; None for all item rows, of which
                the first two are special.

        Returns:
            (items, hidden) float32.
        """
        wanted = None if rows is None else torch.as_tensor(rows, device=self.device).long()
        return self.item_side(self.items(wanted).float())
