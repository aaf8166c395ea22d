"""Popularity, popularity of the last weeks and repeat purchases: baselines that every trained model should beat.

It imports only its neighbours here, because `transformers` copies these files next to a checkpoint's weights.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Self

import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import PreTrainedConfig
from transformers import initialization as init

from .reading import NUM_SPECIAL_ROWS, read_sequences
from .scoring import CatalogueScorer

SECONDS_PER_WEEK = 604_800


@strict
class PopularityConfig(PreTrainedConfig):
    """Configuration of `PopularityModel`.

    Args:
        num_item_rows: Rows of the item table, `NUM_SPECIAL_ROWS` included.

    Raises:
        ValueError: If there are fewer rows than special ones.
    """

    model_type = "xcat_popularity"

    num_item_rows: int = NUM_SPECIAL_ROWS

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.num_item_rows < NUM_SPECIAL_ROWS:
            raise ValueError(
                f"{type(self).__name__}.num_item_rows is {self.num_item_rows}; give the length of the item "
                f"vocabulary, at least {NUM_SPECIAL_ROWS}."
            )


@strict
class RepeatPurchaseConfig(PopularityConfig):
    """Configuration of `RepeatPurchaseModel`; the same fields as `PopularityConfig`."""

    model_type = "xcat_repeat_purchase"


@strict
class RecentPopularityConfig(PopularityConfig):
    """Configuration of `RecentPopularityModel`.

    Args:
        num_item_rows: Rows of the item table, `NUM_SPECIAL_ROWS` included.
        weeks: Length of the window; it ends with the last training event.

    Raises:
        ValueError: If a value is out of range.
    """

    model_type = "xcat_recent_popularity"

    weeks: int = 4

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.weeks < 1:
            raise ValueError(f"RecentPopularityConfig.weeks is {self.weeks}; give a number of weeks, at least 1.")


class CountingModel(CatalogueScorer):
    """A model whose only weights are the numbers of occurrences of items in training sequences.

    The counts are integers, so loading a checkpoint in half precision leaves them exact.
    """

    config_class = PopularityConfig
    count_names: tuple[str, ...] = ("counts",)
    """Names of its buffers of (rows,) counts."""
    counts: torch.Tensor

    def __init__(self, config: PopularityConfig) -> None:
        super().__init__(config)
        for name in self.count_names:
            self.register_buffer(name, torch.zeros(config.num_item_rows, dtype=torch.long))
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, CountingModel):
            for buffer in module.buffers(recurse=False):
                init.zeros_(buffer)

    def fit(self, train_rows: Iterable[Sequence[int]]) -> Self:
        """Count the items of training sequences; earlier counts are replaced.

        Args:
            train_rows: One sequence of item indices per user, such as `splits["train"]["items"]`.

        Returns:
            The model itself.

        Raises:
            ValueError: If an index is not in the item table.
        """
        self.counts.copy_(_counts(train_rows, len(self.counts)))
        return self


def _counts(train_rows: Iterable[Sequence[int]], size: int) -> torch.Tensor:
    """(rows,) numbers of occurrences of items in sequences."""
    counts = torch.zeros(size, dtype=torch.long)
    for items, _ in read_sequences(train_rows, size):
        counts += torch.bincount(items, minlength=size)
    counts[:NUM_SPECIAL_ROWS] = 0
    return counts


class PopularityModel(CountingModel):
    """Recommends the most frequent items of the training sequences to every user; the score is the count.

    Example:
        >>> model = PopularityModel(PopularityConfig(num_item_rows=5)).fit([[2, 3, 3], [3, 4]])
        >>> model.score_rows([{"items": [2]}]).tolist()
        [[-inf, -inf, 1.0, 3.0, 1.0]]
    """

    def forward(self, item_ids: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Score the catalogue; see `CatalogueScorer.forward`."""
        scores = self.counts.float()
        scores[:NUM_SPECIAL_ROWS] = -torch.inf
        return scores.repeat(len(item_ids), 1)


class RecentPopularityModel(CountingModel):
    """Recommends the most frequent items of the last weeks of the training events to every user.

    Items with the same recent count are ordered by their count in all training events. The score is the position in
    this order, so it is exact in float32 and equal pairs of counts tie. Recent popularity is a strong baseline where
    assortment and season change (Ji et al., "A Re-visit of the Popularity Baseline in Recommender Systems", SIGIR
    2020).

    Example:
        >>> model = RecentPopularityModel(RecentPopularityConfig(num_item_rows=5, weeks=1))
        >>> model.fit([[2, 2, 3], [4]], [[0, 0, 604_800], [604_900]]).score_rows([{"items": [2]}]).tolist()
        [[-inf, -inf, 1.0, 2.0, 2.0]]
    """

    config_class = RecentPopularityConfig
    count_names = ("counts", "recent")
    recent: torch.Tensor

    def fit(self, train_rows: Iterable[Sequence[int]], times: Iterable[Sequence[int]] = ()) -> Self:
        """Count the items of training sequences, in all events and in those of the last weeks.

        Args:
            train_rows: One sequence of item indices per user.
            times: Time of each event, in seconds; -1 for none. Without times, all events are recent.

        Returns:
            The model itself.

        Raises:
            ValueError: If an index is not in the item table.
        """
        rows = list(train_rows)
        seconds = list(times) or [[-1] * len(row) for row in rows]
        start = max((max(own, default=-1) for own in seconds), default=-1) - self.config.weeks * SECONDS_PER_WEEK
        late = [
            [item for item, time in zip(row, own, strict=True) if time > start]
            for row, own in zip(rows, seconds, strict=True)
        ]
        self.recent.copy_(_counts(late, len(self.recent)))
        return super().fit(rows)

    def forward(self, item_ids: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Score the catalogue; see `CatalogueScorer.forward`."""
        _, order = torch.unique(self.recent * (self.counts.max() + 1) + self.counts, return_inverse=True)
        scores: torch.Tensor = order.float()
        scores[:NUM_SPECIAL_ROWS] = -torch.inf
        return scores.repeat(len(item_ids), 1)


class RepeatPurchaseModel(CountingModel):
    """Recommends the items of the user's history first, by frequency and then by recency; then popular items.

    This is the personal-frequency baseline of next-basket recommendation, which learned models often do not beat (Hu
    et al., "Modeling Personalized Item Frequency Information for Next-basket Recommendation", SIGIR 2020). Popular
    items fill the list. The score of an item outside the history is the rank of its count among the distinct counts,
    so scores are exact in float32 and equal counts tie. Items of the history score above all other items.

    Example:
        >>> model = RepeatPurchaseModel(RepeatPurchaseConfig(num_item_rows=6)).fit([[3, 3, 5], [3, 4]])
        >>> model.score_rows([{"items": [4, 2, 2, 5]}]).tolist()
        [[-inf, -inf, 5.0, 2.0, 3.0, 4.0]]
    """

    config_class = RepeatPurchaseConfig
    least_role = 1

    def forward(self, item_ids: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Score the catalogue; see `CatalogueScorer.forward`."""
        distinct, levels = torch.unique(self.counts, return_inverse=True)
        users, events = item_ids.shape
        scores: torch.Tensor = levels.float().repeat(users, 1)
        if events:
            positions = torch.arange(events, device=item_ids.device).expand(users, -1)
            frequency = torch.zeros_like(scores, dtype=torch.long).scatter_add_(1, item_ids, torch.ones_like(item_ids))
            latest = torch.zeros_like(frequency).scatter_reduce_(1, item_ids, positions, "amax")
            # Each item is sorted once, at its latest event; the keys of its other events are below all keys in use.
            key = frequency.gather(1, item_ids) * events + positions
            key = key.masked_fill((positions < latest.gather(1, item_ids)) | (item_ids < NUM_SPECIAL_ROWS), -1)
            place = key.argsort(dim=1).argsort(dim=1)
            own = torch.where(key >= 0, place - (key < 0).sum(1, keepdim=True) + len(distinct), 0)
            scores.scatter_reduce_(1, item_ids, own.to(scores.dtype), "amax")
        scores[:, :NUM_SPECIAL_ROWS] = -torch.inf
        return scores


for _config in (PopularityConfig, RecentPopularityConfig, RepeatPurchaseConfig):
    _config.register_for_auto_class()
for _model in (PopularityModel, RecentPopularityModel, RepeatPurchaseModel):
    _model.register_for_auto_class("AutoModel")
