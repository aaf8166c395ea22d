"""What models without trained parameters have in common: they score the catalogue for histories."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel


class CatalogueScorer(PreTrainedModel):
    """A model whose only weights are buffers, and which scores the whole catalogue from item rows."""

    main_input_name = "item_ids"
    least_role = 0
    """Events of a history that are read: 0 for all but negative ones (returns), 1 for those of predicted types."""

    @property
    def dtype(self) -> torch.dtype:
        """Type of the scores; `transformers` asks the parameters, and there are none."""
        return torch.float32

    @property
    def device(self) -> torch.device:
        """Where the buffers are; `transformers` asks the parameters, and there are none."""
        return next(self.buffers()).device

    def forward(self, item_ids: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Score the catalogue.

        Args:
            item_ids: (users, events) item rows in order of time; 0 is no event.
            **kwargs: What callers of every model pass along; unused.

        Returns:
            (users, rows) float32 scores; the special rows have `-inf`.
        """
        raise NotImplementedError

    def events_read(self, items: Sequence[int]) -> Sequence[int]:
        """The part of a history that can change a score: all of it."""
        return items

    def score_catalogue(self, item_ids: torch.Tensor, **inputs: Any) -> torch.Tensor:
        """Score the whole catalogue for (users, events) histories; as `forward`, without gradients."""
        with torch.no_grad():
            scores: torch.Tensor = self(item_ids, **inputs)
        return scores

    def _with_role(self, row: Mapping[str, Any]) -> Sequence[int]:
        items: Sequence[int] = row["items"]
        if "event_roles" not in row:
            return items
        return [item for item, role in zip(items, row["event_roles"], strict=True) if role >= self.least_role]

    def score_rows(self, rows: Sequence[Mapping[str, Any]]) -> torch.Tensor:
        """Score the catalogue for rows of a dataset.

        Args:
            rows: Rows with `items`, a user's item rows in order of time, and `event_roles` (1 predicted, 0 context,
                -1 negative) where not all events are of predicted types.

        Returns:
            (users, rows of the item table) float32 scores; the special rows have `-inf`.
        """
        if not rows:
            return torch.empty(0, self.config.num_item_rows, device=self.device)
        histories = [torch.tensor(self.events_read(self._with_role(row)), dtype=torch.long) for row in rows]
        padded = nn.utils.rnn.pad_sequence(histories, batch_first=True)
        return self.score_catalogue(padded.to(self.device))
