"""Base class of models without trained parameters: they score the catalogue for histories."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel


class CatalogueScorer(PreTrainedModel):
    """A model whose only weights are buffers, and which scores the whole catalogue from item indices."""

    main_input_name = "item_ids"
    least_role = 0
    """Events of a history that the model reads: 0 for all but negative ones (returns), 1 for target event types."""

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the scores; `transformers` looks at the parameters, and this model has none."""
        return torch.float32

    @property
    def device(self) -> torch.device:
        """Device of the buffers; `transformers` looks at the parameters, and this model has none."""
        return next(self.buffers()).device

    def forward(self, item_ids: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Score the catalogue.

        Args:
            item_ids: (users, events) item indices in order of time; 0 is no event.
            **kwargs: Arguments for other models; unused.

        Returns:
            (users, rows) float32 scores; the special rows have `-inf`.
        """
        raise NotImplementedError

    def events_read(self, items: Sequence[int]) -> Sequence[int]:
        """The events that can change a score: all of them."""
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
            rows: Rows with `items`, a user's item indices in order of time. `event_roles` (1 target, 0 context, -1
                negative) is needed if not all events are of target types.

        Returns:
            (users, rows of the item table) float32 scores; the special rows have `-inf`.
        """
        if not rows:
            return torch.empty(0, self.config.num_item_rows, device=self.device)
        histories = [torch.tensor(self.events_read(self._with_role(row)), dtype=torch.long) for row in rows]
        padded = nn.utils.rnn.pad_sequence(histories, batch_first=True)
        return self.score_catalogue(padded.to(self.device))
