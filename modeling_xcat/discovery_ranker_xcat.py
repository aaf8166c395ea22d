"""Re-ranks the best items for discovery by rates of first purchases and trends, fitted on earlier baskets."""

from __future__ import annotations

import torch
from torch import nn

from .configuration_xcat import NUM_SPECIAL_ROWS, XCatConfig
from .export_xcat import is_exporting
from .recent_events_xcat import RecentEvents
from .reranker_xcat import CandidateSources
from .segments_xcat import TRENDS, XCatSegments

_OF_PAIR = ("rate", "similarity", "new category", "events")


class XCatDiscoveryRanker(nn.Module):
    """Scores the best candidates for discovery again, by a small network on rates and trends of items.

    Unlike `XCatCandidateAttention`, it reads nothing that is trained on the log, only tables that are counted from it.
    They can be counted as of an earlier basket too. So the network is fitted on the new items of several baskets per
    user in the training log; the validation split has only one. With standardised features z of user and candidate,

        bonus = c z + o gelu(W z + u)

    The smallest bonus of a query is subtracted from all, so candidates stay ahead of all other items.
    `discover_trends` of the configuration states whether it is used.

    Attributes:
        mean: (features,) mean of each feature in the fit.
        scale: (features,) its standard deviation.
        weight: (features,) the weights c.
        expand: (hidden, features) the weights W.
        expand_bias: (hidden,) the bias u.
        contract: (hidden,) the weights o.
    """

    mean: torch.Tensor
    scale: torch.Tensor
    weight: torch.Tensor
    expand: torch.Tensor
    expand_bias: torch.Tensor
    contract: torch.Tensor

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        count, hidden = len(_OF_PAIR) + len(TRENDS), config.candidate_hidden
        for name, size in (
            ("mean", (count,)), ("scale", (count,)), ("weight", (count,)), ("expand", (hidden, count)),
            ("expand_bias", (hidden,)), ("contract", (hidden,)),
        ):  # fmt: skip
            self.register_buffer(name, torch.zeros(size))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(queries, candidates) bonuses of (queries, candidates, features) results of `discovery_features`."""
        scale = torch.where(self.scale > 0, self.scale, 1.0).float()  # 0 where not fitted
        values = (features - self.mean.float()) / scale
        hidden = nn.functional.gelu(values @ self.expand.float().mT + self.expand_bias.float())
        bonus: torch.Tensor = values @ self.weight.float() + hidden @ self.contract.float()
        return bonus

    def rescored(
        self,
        queries: torch.Tensor,
        recent: RecentEvents,
        rows: torch.Tensor,
        scores: torch.Tensor,
        sources: CandidateSources,
    ) -> tuple[torch.Tensor, None]:
        """Score candidates again; arguments as of `XCatCandidateAttention.rescored`.

        Returns:
            (queries, candidates) scores, -inf where the score before was -inf; and None, as there is no attention.
        """
        assert recent.seen is not None and sources.segments is not None
        bonus = self(discovery_features(recent.seen, rows, sources.segments, sources.items.category_values))
        there = scores > -torch.inf
        least = bonus.masked_fill(~there, torch.inf).amin(1, keepdim=True)
        return torch.where(there, scores + (bonus - least), scores), None


def discovery_features(
    histories: torch.Tensor, rows: torch.Tensor, segments: XCatSegments, categories: torch.Tensor
) -> torch.Tensor:
    """Features of users and candidates, from tables of items.

    Args:
        histories: (queries, n) item indices of whole histories, 0 for none.
        rows: (queries, candidates) item indices.
        segments: Rates and trends.
        categories: (item rows,) categories, 0 for none.

    Returns:
        (queries, candidates, features): logarithm of the rate for the user's segments; cosine of user and item vector;
        whether the history lacks the item's category; logarithm of 1 + the events of the history; then `TRENDS`.
    """
    users = segments.users(histories)
    rates = torch.einsum("qs,qcs->qc", segments.shares_of(users), segments.rates[rows].float())
    items = nn.functional.normalize(segments.tastes[rows].float(), dim=2)
    similarity = (items @ nn.functional.normalize(users, dim=1)[:, :, None]).squeeze(2)
    new = new_categories(categories, histories, rows).float()
    events = (histories >= NUM_SPECIAL_ROWS).sum(1, keepdim=True).log1p().expand(rows.shape)
    return torch.cat([torch.stack([rates, similarity, new, events], 2), segments.trends[rows].float()], 2)


def new_categories(categories: torch.Tensor, histories: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Whether the history lacks the category of an item.

    Args:
        categories: (item rows,) categories, 0 for none.
        histories: (queries, n) item indices, 0 for none.
        rows: (queries, items) item indices, below 0 for none.

    Returns:
        (queries, items) bool; False for an item without category.
    """
    # A graph has one place per item, because the number of categories is a value.
    places = len(categories) if is_exporting() else int(categories.max()) + 1
    had = torch.zeros(histories.shape[0], places, dtype=torch.bool, device=histories.device)
    had.scatter_(1, categories[histories].long(), True)
    own = categories[rows.clamp(min=0)].long()
    return ~had.gather(1, own) & (own > 0) & (rows >= 0)
