"""Columns, vectors and training events of items, for re-ranking rules."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..evaluation.redundancy import product_codes
from ..modeling_xcat.conditions_xcat import ItemConditions
from ..tokenization.vocabulary import ItemVocabulary

if TYPE_CHECKING:
    from ..modeling_xcat.modeling_xcat import XCatForNextItem


class ItemData:
    """Data of a catalogue's items.

    Args:
        vocabulary: The catalogue.
        counts: (rows,) training events per item.
        states: (entries, width) vectors.
        index: (rows,) entry of each item; None for one entry per item.
    """

    def __init__(
        self,
        vocabulary: ItemVocabulary,
        counts: torch.Tensor,
        states: torch.Tensor,
        index: torch.Tensor | None = None,
    ) -> None:
        self.vocabulary, self.counts = vocabulary, counts
        self._states, self._index = states, index
        self._codes: dict[str, np.ndarray] = {}
        self._products: dict[str, np.ndarray] = {}

    @classmethod
    def of_model(cls, model: XCatForNextItem, vocabulary: ItemVocabulary, embeddings: torch.Tensor) -> ItemData:
        """The data of a model: whitened text states, or item embeddings for a model without texts.

        Args:
            model: A trained model.
            vocabulary: Its catalogue.
            embeddings: (rows, hidden) its item embeddings.
        """
        items = model.model.items
        if not model.config.use_text:
            return cls(vocabulary, items.item_counts, embeddings)
        return cls(vocabulary, items.item_counts, items.text_states[:, 0], items.text_index)

    @cached_property
    def conditions(self) -> ItemConditions:
        """Conditions on the columns of the catalogue."""
        return ItemConditions(self.vocabulary, torch.device("cpu"))

    def codes(self, column: str) -> np.ndarray:
        """(rows,) code of each item's value in a column, -1 for none.

        Raises:
            ValueError: If the catalogue lacks the column.
        """
        if column not in self._codes:
            self._check(column)
            self._codes[column] = self.vocabulary.codes(column)[0]
        return self._codes[column]

    def products(self, column: str) -> np.ndarray:
        """(rows,) number of each item's product; see `product_codes`.

        Raises:
            ValueError: If the catalogue lacks the column.
        """
        if column not in self._products:
            self._check(column)
            self._products[column] = product_codes(self.vocabulary, column)
        return self._products[column]

    def _check(self, column: str) -> None:
        columns = self.vocabulary.table.column_names
        if column not in columns:
            raise ValueError(f"rerank: the catalogue has no column {column!r}; it has {', '.join(columns)}")

    def vectors(self, rows: torch.Tensor) -> np.ndarray:
        """(..., width) float32 vectors of some items, of length 1; 0 for an item without text."""
        rows = rows.to(self._states.device)
        found = self._states[rows if self._index is None else self._index[rows]].float()
        vectors: np.ndarray = torch.nn.functional.normalize(found, dim=-1).detach().cpu().numpy()
        return vectors
