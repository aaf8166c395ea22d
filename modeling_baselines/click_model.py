"""Base class of click models: configuration, inputs, embeddings of items and context, and the loss.

It imports only its neighbours here, because `transformers` copies these files next to a checkpoint's weights.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init

from .click_inputs import HISTORY_INPUTS, ClickInputs, ClickOutput, draw_negatives, left_aligned
from .click_layers import Dice
from .reading import NUM_SPECIAL_ROWS

_ALIGNED = 64
"""Bytes that the address of a new tensor is a multiple of."""


@strict
class ClickConfig(PreTrainedConfig):
    """Options of all click models.

    Args:
        num_item_rows: Rows of the item table, `NUM_SPECIAL_ROWS` included.
        num_category_rows: Rows of the category table: 1 + the number of categories, for row 0 is no category; 0 for a
            model without categories.
        embedding_dim: Width of an item's, a category's and a context value's embedding.
        max_history: Number of latest events of a history that are used.
        num_rating_buckets: Number of ratings plus 1, for 0 is no rating; 0 for a model without ratings.
        dense_features: Number of numbers per impression, each of mean 0 and variance 1.
        categorical_sizes: Number of values of each categorical feature of an impression, 0 (none) included.
        dropout: Dropout of embeddings and hidden layers in training.
        initializer_range: Standard deviation of initial embeddings.

    Raises:
        ValueError: If a value is out of range.
    """

    keys_to_ignore_at_inference = ["auxiliary_loss"]

    num_item_rows: int = NUM_SPECIAL_ROWS
    num_category_rows: int = 0
    embedding_dim: int = 32
    max_history: int = 50
    num_rating_buckets: int = 0
    dense_features: int = 0
    categorical_sizes: list[int] | tuple[int, ...] = ()
    dropout: float | int = 0.0
    initializer_range: float | int = 0.05

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self.categorical_sizes = list(self.categorical_sizes)
        self._check_at_least(
            {"num_item_rows": NUM_SPECIAL_ROWS, "num_category_rows": 0, "embedding_dim": 1, "max_history": 1}
        )
        self._check_at_least({"num_rating_buckets": 0, "dense_features": 0, "initializer_range": 0})
        if not 0 <= self.dropout < 1:
            raise ValueError(f"{type(self).__name__}.dropout is {self.dropout}; give a share from 0 to below 1.")
        if any(size < 1 for size in self.categorical_sizes):
            raise ValueError(
                f"{type(self).__name__}.categorical_sizes has {min(self.categorical_sizes)}; give numbers of values, "
                "1 or more."
            )

    def _check_at_least(self, least: Mapping[str, float]) -> None:
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ValueError(f"{type(self).__name__}.{name} is {getattr(self, name)}; give at least {value}.")

    def _widths(self, name: str) -> list[int]:
        """Field with the widths of hidden layers, as a list."""
        widths = list(getattr(self, name))
        if not widths or min(widths) < 1:
            raise ValueError(f"{type(self).__name__}.{name} is {widths}; give one width or more, such as [64, 32].")
        return widths

    @property
    def num_items(self) -> int:
        """Items in the catalogue."""
        return self.num_item_rows - NUM_SPECIAL_ROWS

    @property
    def item_width(self) -> int:
        """Width of the state of an item: its id embedding, and its category embedding if there are categories."""
        return self.embedding_dim * (2 if self.num_category_rows else 1)

    @property
    def context_width(self) -> int:
        """Width of the context features of an impression."""
        return self.dense_features + self.embedding_dim * len(self.categorical_sizes)


class ItemStates(nn.Module):
    """Embeddings of items: id and category next to each other, and the rating of an event added."""

    def __init__(self, config: ClickConfig) -> None:
        super().__init__()
        width = config.embedding_dim
        self.ids = nn.Embedding(config.num_item_rows, width, padding_idx=0)
        self.categories: nn.Embedding | None = None
        self.ratings: nn.Embedding | None = None
        if config.num_category_rows:
            self.categories = nn.Embedding(config.num_category_rows, width, padding_idx=0)
        if config.num_rating_buckets:
            self.ratings = nn.Embedding(config.num_rating_buckets, config.item_width, padding_idx=0)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, items: torch.Tensor, categories: torch.Tensor, ratings: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(..., width) states of items in categories, of the same shape, and optionally their ratings."""
        states: torch.Tensor = self.ids(items)
        if self.categories is not None:
            states = torch.cat([states, self.categories(categories)], dim=-1)
        if self.ratings is not None and ratings is not None:
            states = states + self.ratings(ratings)
        dropped: torch.Tensor = self.dropout(states)
        return dropped


class ContextStates(nn.Module):
    """Context features of an impression: its numbers, and an embedding per categorical feature."""

    def __init__(self, config: ClickConfig) -> None:
        super().__init__()
        sizes = config.categorical_sizes
        self.tables = nn.ModuleList(nn.Embedding(size, config.embedding_dim, padding_idx=0) for size in sizes)

    def forward(self, inputs: ClickInputs, dtype: torch.dtype) -> torch.Tensor:
        """(rows, `config.context_width`) features."""
        values = [table(inputs.categorical[:, place]) for place, table in enumerate(self.tables)]
        return torch.cat([inputs.dense.to(dtype), *values], dim=-1)


class ClickModel(PreTrainedModel):
    """Base class of models of the probability that a user clicks a candidate, given the user's history.

    A subclass defines `click_logits`, and `auxiliary_weight` if it has an auxiliary loss. In evaluation, a logit
    depends on nothing but its own row.
    """

    config_class = ClickConfig
    main_input_name = "item_ids"
    accepts_loss_kwargs = False
    needs_negatives = False
    """Whether the auxiliary loss needs negatives of the events; in training they are drawn if none are given."""

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As in `PreTrainedModel`; weights are placed in memory as new ones, so logits are equal bit for bit.

        A file of weights is mapped into memory, where a tensor may start at any address, and the order of a sum
        depends on it.
        """
        loaded = super().from_pretrained(*args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded  # with output_loading_info
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.device.type == "cpu" and tensor.data_ptr() % _ALIGNED:
                tensor.data = tensor.data.clone()
        return loaded

    @property
    def auxiliary_weight(self) -> float:
        """Weight of the auxiliary loss in the loss."""
        return 1.0

    @property
    def output_bias(self) -> torch.Tensor:
        """(1,) bias of the logit."""
        layer: Any = getattr(self, "output", self)
        bias: torch.Tensor = layer.bias
        return bias

    def start_at(self, rate: float) -> None:
        """Set the bias of the output, so that a new model predicts about the share of positives.

        Rare clicks would otherwise be learnt by the bias first (Lin et al., "Focal Loss for Dense Object Detection",
        ICCV 2017, section 3.3).

        Args:
            rate: Share of positives in training, between 0 and 1.
        """
        init.constant_(self.output_bias, math.log(rate / (1 - rate)))

    def click_logits(self, inputs: ClickInputs) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute logits.

        Args:
            inputs: The batch.

        Returns:
            (rows,) log odds of a click, and the auxiliary loss or None.
        """
        raise NotImplementedError

    def forward(
        self,
        item_ids: torch.Tensor,
        candidate_ids: torch.Tensor,
        category_ids: torch.Tensor | None = None,
        candidate_category_ids: torch.Tensor | None = None,
        user_ids: torch.Tensor | None = None,
        rating_ids: torch.Tensor | None = None,
        event_ages: torch.Tensor | None = None,
        dense_features: torch.Tensor | None = None,
        categorical_features: torch.Tensor | None = None,
        negative_ids: torch.Tensor | None = None,
        negative_category_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> ClickOutput:
        """Compute the log odds of clicks, and the loss of labels.

        An input that the configuration has no part for is ignored.

        Args:
            item_ids: (rows, length) item indices of histories in order of time; 0 is no event, at any position.
            candidate_ids: (rows,) item indices of the candidates.
            category_ids: (rows, length) category indices of the events; 0 for none.
            candidate_category_ids: (rows,) category indices of the candidates; 0 for none.
            user_ids: (rows,) user indices; 0 for an unknown user.
            rating_ids: (rows, length) rating buckets of the events; 0 for none.
            event_ages: (rows, length) seconds from an event to the impression; negative for unknown.
            dense_features: (rows, features) numbers of the impression, each of mean 0 and variance 1.
            categorical_features: (rows, features) indices of the impression's categorical features; 0 for none.
            negative_ids: (rows, length) an item that the user did not choose at that event; 0 for none.
            negative_category_ids: (rows, length) its category.
            labels: (rows,) 1 for a click, 0 for none; shares in between are allowed.
            **kwargs: Arguments for other models; unused.

        Returns:
            Loss, logits and auxiliary loss.

        Raises:
            ValueError: If a required input is missing, or its shape or an index does not fit.
        """
        inputs = self._inputs(
            {
                "item_ids": item_ids, "candidate_ids": candidate_ids, "category_ids": category_ids,
                "candidate_category_ids": candidate_category_ids, "user_ids": user_ids, "rating_ids": rating_ids,
                "event_ages": event_ages, "dense_features": dense_features,
                "categorical_features": categorical_features, "negative_ids": negative_ids,
                "negative_category_ids": negative_category_ids,
            }
        )  # fmt: skip
        logits, auxiliary_loss = self.click_logits(inputs)
        logits = logits.float()
        loss = None
        if labels is not None:
            loss = nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
            if auxiliary_loss is not None:
                loss = loss + self.auxiliary_weight * auxiliary_loss
        return ClickOutput(loss=loss, logits=logits, auxiliary_loss=auxiliary_loss)

    def _inputs(self, given: dict[str, torch.Tensor | None]) -> ClickInputs:
        config = self.config
        items = given["item_ids"]
        assert items is not None
        self._check(given)
        events = {name: value for name in HISTORY_INPUTS if (value := given[name]) is not None}
        for name in ("category_ids", "rating_ids"):
            events.setdefault(name, torch.zeros_like(items))
        events.setdefault("event_ages", torch.full(items.shape, -1.0, device=items.device))
        items, events = left_aligned(items, events, config.max_history)
        negatives, negative_categories = events.get("negative_ids"), events.get("negative_category_ids")
        if negatives is None and self.needs_negatives and self.training:
            negatives, negative_categories = draw_negatives(items, events["category_ids"])
        elif negatives is not None and negative_categories is None:
            negative_categories = torch.zeros_like(negatives)
        candidates = given["candidate_ids"]
        assert candidates is not None
        rows = len(items)
        none, categories, users = torch.zeros_like(candidates), given["candidate_category_ids"], given["user_ids"]
        dense, categorical = given["dense_features"], given["categorical_features"]
        return ClickInputs(
            items=items,
            mask=items > 0,
            candidates=candidates,
            candidate_categories=none if categories is None else categories,
            categories=events["category_ids"],
            users=none if users is None else users,
            ratings=events["rating_ids"],
            ages=events["event_ages"],
            negatives=negatives,
            negative_categories=negative_categories,
            dense=items.new_zeros(rows, 0) if dense is None or not config.dense_features else dense,
            categorical=items.new_zeros(rows, 0) if categorical is None else categorical,
        )

    def _check(self, given: dict[str, torch.Tensor | None]) -> None:
        """Refuse missing inputs, shapes and indices that do not fit the configuration."""
        config, items = self.config, given["item_ids"]
        assert items is not None
        categories, ratings, sizes = config.num_category_rows, config.num_rating_buckets, config.categorical_sizes
        users = getattr(config, "num_user_rows", 0)
        rows, shape = (len(items),), tuple(items.shape)
        wanted: dict[str, tuple[tuple[int, ...], int | None]] = {  # shape and number of indices
            "item_ids": (shape, config.num_item_rows), "candidate_ids": (rows, config.num_item_rows),
        }  # fmt: skip
        if categories:
            wanted |= {"category_ids": (shape, categories), "candidate_category_ids": (rows, categories)}
        if users:
            wanted["user_ids"] = (rows, users)
        if ratings:
            wanted["rating_ids"] = (shape, ratings)
        if config.dense_features:
            wanted["dense_features"] = ((*rows, config.dense_features), None)
        if sizes:
            wanted["categorical_features"] = ((*rows, len(sizes)), None)
        for name, (size, indices) in wanted.items():
            value = given[name]
            if value is None:
                raise ValueError(f"{name} is missing, and the configuration of {type(self).__name__} requires it")
            _check_input(name, value, size, indices)
        for name, indices in (
            ("negative_ids", config.num_item_rows), ("negative_category_ids", categories or None), ("event_ages", None)
        ):  # fmt: skip
            if (value := given[name]) is not None:
                _check_input(name, value, shape, indices)
        if sizes and (features := given["categorical_features"]) is not None:
            for place, indices in enumerate(sizes):
                _check_input(f"categorical_features[:, {place}]", features[:, place], rows, indices)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=self.config.initializer_range)
            if module.padding_idx is not None and not getattr(module.weight, "_is_hf_initialized", False):
                init.zeros_(module.weight[module.padding_idx])
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, Dice):
            init.zeros_(module.slope)
            init.zeros_(module.mean)
            init.ones_(module.variance)
        elif isinstance(module, nn.PReLU):
            init.constant_(module.weight, 0.25)
        elif isinstance(module, nn.GRU):
            for name, parameter in module.named_parameters():
                if name.startswith("weight"):
                    init.xavier_uniform_(parameter)
                else:
                    init.zeros_(parameter)

    @torch.no_grad()
    def score_candidates(
        self, candidate_ids: torch.Tensor, candidate_category_ids: torch.Tensor | None = None, **inputs: Any
    ) -> torch.Tensor:
        """Compute log odds of several candidates per row.

        Args:
            candidate_ids: (rows, candidates) item indices.
            candidate_category_ids: (rows, candidates) their categories.
            **inputs: The other inputs of `forward`, one row per user.

        Returns:
            (rows, candidates) logits.
        """
        rows, count = candidate_ids.shape
        repeated = {
            name: value.repeat_interleave(count, dim=0) if isinstance(value, torch.Tensor) else value
            for name, value in inputs.items()
        }
        categories = None if candidate_category_ids is None else candidate_category_ids.flatten()
        output = self(candidate_ids=candidate_ids.flatten(), candidate_category_ids=categories, **repeated)
        logits: torch.Tensor = output.logits
        return logits.view(rows, count)


def _check_input(name: str, value: torch.Tensor, shape: tuple[int, ...], indices: int | None) -> None:
    if tuple(value.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(value.shape)}; it must be {shape}")
    if indices is None or not value.numel():
        return
    least, most = (int(bound) for bound in value.aminmax())
    if least < 0 or most >= indices:
        wrong = least if least < 0 else most
        raise ValueError(f"{name} contains {wrong}; the configuration has the indices 0 to {indices - 1}")
