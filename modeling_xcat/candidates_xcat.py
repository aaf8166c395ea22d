"""The second stage: the best candidates look back at the history."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from .configuration_xcat import XCatConfig
from .recent_xcat import RecentEvents

TextView = Callable[[torch.Tensor], torch.Tensor]

_SHARPNESS = 20.0


class XCatCandidateAttention(nn.Module):
    """Cross-attention from candidates to the latest events of the history, in two views of an item.

    One behaviour state has to stand for everything a user may want next, so a candidate that fits one event of many is
    averaged away. Here each of the best candidates is a query of its own, and the events are keys and values, as in
    target attention (DIN, Zhou et al. 2018) and late interaction (ColBERT, Khattab and Zaharia 2020): in the view of
    item representations and in that of item texts, candidate c gets

        sum over events e of softmax_e(20 cos(c, e)) cos(c, e),

    each times a weight of the configuration's `candidate_weights`, and never less than 0, so that candidates stay
    ahead of the items that were none. Nothing is trained: the vectors are those of the first stage.
    """

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.config = config

    @property
    def active(self) -> bool:
        """Whether any view counts."""
        return any(self.config.candidate_weights)

    def choose(self, scores: torch.Tensor) -> torch.Tensor:
        """(queries, candidates) rows of the best of (queries, item rows) scores, in no particular order."""
        return scores.topk(min(self.config.num_candidates, scores.shape[1]), dim=1, sorted=False).indices

    def views(
        self, recent: RecentEvents, candidates: torch.Tensor, representations: torch.Tensor, texts: TextView | None
    ) -> torch.Tensor:
        """What each view says of candidates.

        Args:
            recent: The events before the queries.
            candidates: (queries, candidates) item rows.
            representations: (item rows, hidden) of the whole table.
            texts: Rows to the text states of their items, (..., text_dim); None where items have none.

        Returns:
            (queries, candidates, 2) attended similarities, from 0 to 1.
        """
        events = recent.items[:, : self.config.neighbor_window]
        found = [_attended(representations[events], representations[candidates], events.ne(0))]
        found.append(
            torch.zeros_like(found[0]) if texts is None else _attended(texts(events), texts(candidates), events.ne(0))
        )
        return torch.stack(found, dim=-1)

    def forward(
        self, recent: RecentEvents, candidates: torch.Tensor, representations: torch.Tensor, texts: TextView | None
    ) -> torch.Tensor:
        """(queries, candidates) what is added to the scores of candidates; arguments as for `views`."""
        weights = torch.tensor([float(weight) for weight in self.config.candidate_weights], device=candidates.device)
        return self.views(recent, candidates, representations, texts) @ weights


def _attended(keys: torch.Tensor, queries: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Attend (queries, candidates, width) to (queries, events, width), by cosine, to get a cosine again."""
    keys, queries = (nn.functional.normalize(part.float(), dim=-1) for part in (keys, queries))
    similarities = queries @ keys.transpose(1, 2)
    weights = (_SHARPNESS * similarities).masked_fill(~present[:, None], -torch.inf).softmax(-1)
    return (weights.nan_to_num() * similarities).sum(-1).clamp(min=0)
