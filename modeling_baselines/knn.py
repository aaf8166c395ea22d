"""Nearest neighbours: items with the same users, and items with similar texts.

It imports only its neighbours here, because `transformers` copies these files next to a checkpoint's weights.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import PreTrainedConfig
from transformers import initialization as init

from .cooccurrence import nearest_by_cosine
from .reading import NUM_SPECIAL_ROWS
from .regression import RIDGE, weights_by_regression
from .scoring import CatalogueScorer


@strict
class HistoryKNNConfig(PreTrainedConfig):
    """Options shared by the neighbour models: the weights of the events in a history.

    Args:
        num_item_rows: Rows of the item table, `NUM_SPECIAL_ROWS` included.
        window: Number of latest events of a history that are used.
        decay: Weight of an event relative to the one after it; 1 weighs all alike.
        history: Whether items of a history can be recommended again; if not, they score `-inf`.

    Raises:
        ValueError: If a value is out of range.
    """

    num_item_rows: int = NUM_SPECIAL_ROWS
    window: int = 10
    decay: float | int = 0.8
    history: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self._check_at_least({"num_item_rows": NUM_SPECIAL_ROWS, "window": 1})
        if not 0 < self.decay <= 1:
            raise ValueError(f"{type(self).__name__}.decay is {self.decay}; give a share above 0 and up to 1, as 0.8.")

    def _check_at_least(self, least: Mapping[str, float]) -> None:
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ValueError(f"{type(self).__name__}.{name} is {getattr(self, name)}; give at least {value}.")


@strict
class ItemKNNConfig(HistoryKNNConfig):
    """Configuration of `ItemKNNModel`.

    Args:
        num_item_rows: Rows of the item table, `NUM_SPECIAL_ROWS` included.
        window: Number of latest events of a history that are used.
        decay: Weight of an event relative to the one after it; 1 weighs all alike.
        history: Whether items of a history can be recommended again; if not, they score `-inf`.
        neighbours: Nearest items to keep per item.
        shrink: Added to the divisor of a similarity, so that rare pairs get a lower similarity.

    Raises:
        ValueError: If a value is out of range.
    """

    model_type = "xcat_item_knn"

    neighbours: int = 100
    shrink: float | int = 0

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self._check_at_least({"neighbours": 1, "shrink": 0})


@strict
class ItemRegressionConfig(HistoryKNNConfig):
    """Configuration of `ItemRegressionModel`.

    Args:
        num_item_rows: Rows of the item table, `NUM_SPECIAL_ROWS` included.
        window: Number of latest events of a history that are used.
        decay: Weight of an event relative to the one after it; 1 weighs all alike.
        history: Whether items of a history can be recommended again; if not, they score `-inf`.
        neighbours: Items to keep per item: the ones it predicts best.
        ridge: L2 penalty of the weights, in users.

    Raises:
        ValueError: If a value is out of range.
    """

    model_type = "xcat_item_regression"

    neighbours: int = 100
    ridge: float | int = RIDGE

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self._check_at_least({"neighbours": 1})
        if self.ridge <= 0:
            raise ValueError(f"ItemRegressionConfig.ridge is {self.ridge}; give a positive number, such as {RIDGE:g}.")


@strict
class TextKNNConfig(HistoryKNNConfig):
    """Configuration of `TextKNNModel`.

    Args:
        num_item_rows: Rows of the item table, `NUM_SPECIAL_ROWS` included.
        window: Number of latest events of a history that are used.
        decay: Weight of an event relative to the one after it; 1 weighs all alike.
        history: Whether items of a history can be recommended again; if not, they score `-inf`.
        num_texts: Number of distinct texts; items with equal texts share a state.
        text_dim: Width of a text state.

    Raises:
        ValueError: If a value is out of range.
    """

    model_type = "xcat_text_knn"

    num_texts: int = 1
    text_dim: int = 384

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self._check_at_least({"num_texts": 1, "text_dim": 1})


class HistoryKNNModel(CatalogueScorer):
    """A model without trained parameters that scores the catalogue from the latest events of a history."""

    config_class = HistoryKNNConfig

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, HistoryKNNModel):
            for buffer in module.buffers(recurse=False):
                init.zeros_(buffer)

    def latest_events(self, item_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The events that are used, and their weights.

        Args:
            item_ids: (users, events) item indices in order of time; 0 is no event, at any position.

        Returns:
            (users, at most `window`) item indices in no particular order, and their float32 weights `decay ** age`.
            The age is the number of later events; the weight is 0 where there is no event.
        """
        present = item_ids != 0
        age = present.flip(1).cumsum(1).flip(1) - 1
        counted = present & (age < self.config.window)
        width = min(self.config.window, item_ids.shape[1])
        positions = torch.arange(item_ids.shape[1], device=item_ids.device)
        places = torch.where(counted, positions, -1).topk(width, dim=1).indices
        weights = torch.where(counted, float(self.config.decay) ** age.float(), 0.0)
        return item_ids.gather(1, places), weights.gather(1, places)

    def events_read(self, items: Sequence[int]) -> Sequence[int]:
        """Latest events without padding, or all events without padding if their items may not be recommended again."""
        events = [item for item in items if item]
        return events[-self.config.window :] if self.config.history else events

    def allowed(self, scores: torch.Tensor, item_ids: torch.Tensor) -> torch.Tensor:
        """(users, rows) scores, changed in place: `-inf` for special rows and excluded history items."""
        if not self.config.history:
            scores.scatter_(1, item_ids, -torch.inf)
        scores[:, :NUM_SPECIAL_ROWS] = -torch.inf
        return scores


class ItemKNNModel(HistoryKNNModel):
    """Recommends items that users of the latest items also bought (Sarwar et al., "Item-based collaborative filtering
    recommendation algorithms", WWW 2001).

    The similarity of two items is the cosine of their sets of users in the training sequences: users of both, over
    `sqrt(users of one * users of the other) + shrink`. Each item keeps its `neighbours` nearest other items; ties keep
    the lower index first. The score of an item is a sum over the latest `window` events: the similarity, if the
    event's item has it as a neighbour, times `decay ** age`.

    Example:
        >>> model = ItemKNNModel(ItemKNNConfig(num_item_rows=5)).fit([[2, 3], [3, 2], [3, 4]])
        >>> [round(score, 2) for score in model.score_rows([{"items": [2]}])[0].tolist()]
        [-inf, -inf, 0.0, 0.82, 0.0]
    """  # noqa: D205

    config_class: type[HistoryKNNConfig] = ItemKNNConfig
    neighbour_rows: torch.Tensor
    similarities: torch.Tensor

    def __init__(self, config: ItemKNNConfig | ItemRegressionConfig) -> None:
        super().__init__(config)
        shape = (config.num_item_rows, config.neighbours)
        self.register_buffer("neighbour_rows", torch.zeros(shape, dtype=torch.int32))
        self.register_buffer("similarities", torch.zeros(shape))
        self.post_init()

    @torch.no_grad()
    def fit(self, train_rows: Iterable[Sequence[int]]) -> Self:
        """Compute the neighbours of every item from training sequences, replacing earlier ones.

        Memory grows with the events and with items times neighbours, never with items times items or users.

        Args:
            train_rows: One sequence of item indices per user, such as `splits["train"]["items"]`.

        Returns:
            The model itself.

        Raises:
            ValueError: If an index is not in the item table.
        """
        config = self.config
        neighbour_rows, similarities = nearest_by_cosine(
            train_rows, config.num_item_rows, config.neighbours, float(config.shrink)
        )
        self.neighbour_rows.copy_(neighbour_rows)
        self.similarities.copy_(similarities)
        return self

    def forward(self, item_ids: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Score the catalogue; see `CatalogueScorer.forward`."""
        users = len(item_ids)
        scores = torch.zeros(users, self.config.num_item_rows, device=item_ids.device)
        if item_ids.shape[1]:
            items, weights = self.latest_events(item_ids)
            shares = self.similarities[items].float() * weights[..., None]
            scores.scatter_add_(1, self.neighbour_rows[items].long().view(users, -1), shares.view(users, -1))
        return self.allowed(scores, item_ids)


class ItemRegressionModel(ItemKNNModel):
    """Recommends items that the latest items predict, by a ridge regression of each item on its nearest items.

    This is EASE (Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019), restricted to each item's
    nearest items and without texts; see `weights_by_regression`. The score of an item is a sum over the latest
    `window`
    events: the weight from the event's item times `decay ** age`.

    Example:
        >>> model = ItemRegressionModel(ItemRegressionConfig(num_item_rows=5, ridge=2)).fit([[2, 3], [3, 2], [4]])
        >>> model.score_rows([{"items": [2]}])[0].tolist()
        [-inf, -inf, 0.0, 0.5, 0.0]
    """

    config_class = ItemRegressionConfig

    @torch.no_grad()
    def fit(self, train_rows: Iterable[Sequence[int]]) -> Self:
        """Compute the weights of every item from training sequences; see `ItemKNNModel.fit`."""
        config = self.config
        rows, weights = weights_by_regression(
            train_rows, config.num_item_rows, config.neighbours, ridge=float(config.ridge)
        )
        self.neighbour_rows.copy_(rows)
        self.similarities.copy_(weights)
        return self


class TextKNNModel(HistoryKNNModel):
    """Recommends the items nearest in text to the latest events: content-based filtering without training.

    The score is the cosine of two vectors: an item's text state, and the mean text state of the latest `window`
    events, weighted by `decay ** age`. All states have length one first. An item without text scores -1, the minimum
    of a cosine, and its events add nothing.

    Example:
        >>> states = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
        >>> model = TextKNNModel(TextKNNConfig(num_item_rows=5, num_texts=3, text_dim=2))
        >>> model.fit(states, torch.tensor([0, 0, 1, 2, 0])).score_rows([{"items": [2]}]).tolist()
        [[-inf, -inf, 1.0, 0.0, -1.0]]
    """

    config_class = TextKNNConfig
    text_states: torch.Tensor
    text_index: torch.Tensor

    def __init__(self, config: TextKNNConfig) -> None:
        super().__init__(config)
        self.register_buffer("text_states", torch.zeros(config.num_texts, config.text_dim))
        self.register_buffer("text_index", torch.zeros(config.num_item_rows, dtype=torch.long))
        self.post_init()

    @torch.no_grad()
    def fit(self, text_states: torch.Tensor, text_index: torch.Tensor) -> Self:
        """Set the texts of the catalogue, replacing earlier ones.

        Args:
            text_states: (texts, text_dim) one state per text; a state of zeros is an empty text.
            text_index: (rows,) number of each item row's text.

        Returns:
            The model itself.

        Raises:
            ValueError: If shapes do not fit the configuration, or a text number does not exist.
        """
        for name, given, wanted in (
            ("text_states", text_states, self.text_states), ("text_index", text_index, self.text_index)
        ):  # fmt: skip
            if given.shape != wanted.shape:
                raise ValueError(
                    f"{name} has shape {tuple(given.shape)} and the configuration requires {tuple(wanted.shape)}; set "
                    "num_texts, text_dim and num_item_rows to the sizes of the catalogue"
                )
        strangers = text_index[(text_index < 0) | (text_index >= len(text_states))]
        if len(strangers):
            raise ValueError(
                f"text_index contains {len(strangers)} numbers that text_states lacks, for example "
                f"{int(strangers[0])}; give numbers from 0 to {len(text_states) - 1}"
            )
        self.text_states.copy_(nn.functional.normalize(text_states.float(), dim=-1))
        self.text_index.copy_(text_index)
        return self

    def forward(self, item_ids: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Score the catalogue; see `CatalogueScorer.forward`."""
        states = self.text_states.float()
        profile = torch.zeros(len(item_ids), states.shape[1], device=states.device)
        if item_ids.shape[1]:
            items, weights = self.latest_events(item_ids)
            profile = (states[self.text_index[items]] * weights[..., None]).sum(1)
        cosines = nn.functional.normalize(profile, dim=-1) @ states.T
        cosines[:, ~states.any(dim=1)] = -1.0
        scores = cosines[:, self.text_index]
        return self.allowed(scores, item_ids)


for _config in (ItemKNNConfig, ItemRegressionConfig, TextKNNConfig):
    _config.register_for_auto_class()
for _model in (ItemKNNModel, ItemRegressionModel, TextKNNModel):
    _model.register_for_auto_class("AutoModel")
