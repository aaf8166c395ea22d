"""Floors for click models: popularity, category match, item neighbours, and logistic regression.

A click model that does not beat them has not learnt from histories. It imports only its neighbours here, because
`transformers` copies these files next to a checkpoint's weights.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Self

import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import initialization as init

from .click_inputs import ClickInputs
from .click_model import ClickConfig, ClickModel
from .knn import ItemKNNConfig, ItemKNNModel
from .popularity import PopularityConfig, PopularityModel


@strict
class CandidatePopularityConfig(ClickConfig):
    """Configuration of `CandidatePopularityModel`; the fields of `ClickConfig`."""

    model_type = "xcat_candidate_popularity"


@strict
class CategoryMatchConfig(ClickConfig):
    """Configuration of `CategoryMatchModel`; the fields of `ClickConfig`."""

    model_type = "xcat_category_match"


@strict
class CandidateKNNConfig(ClickConfig):
    """Configuration of `CandidateKNNModel`: the fields of `ClickConfig`, and those of `ItemKNNConfig`.

    Args:
        window: Number of latest events of a history that are used.
        decay: Weight of an event relative to the one after it; 1 weighs all alike.
        neighbours: Nearest items to keep per item.
        shrink: Added to the divisor of a similarity, so that rare pairs get a lower similarity.

    Raises:
        ValueError: If a value is out of range.
    """

    model_type = "xcat_candidate_knn"

    window: int = 10
    decay: float | int = 0.8
    neighbours: int = 100
    shrink: float | int = 0

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self.item_knn()

    def item_knn(self) -> ItemKNNConfig:
        """Configuration of the neighbours."""
        return ItemKNNConfig(
            num_item_rows=self.num_item_rows,
            window=self.window,
            decay=self.decay,
            neighbours=self.neighbours,
            shrink=self.shrink,
        )


@strict
class LogisticRegressionConfig(ClickConfig):
    """Configuration of `LogisticRegressionModel`; the fields of `ClickConfig`."""

    model_type = "xcat_logistic_regression"


class ScoreModel(ClickModel):
    """Base class: logit = scale * score + bias, with a score that is not trained.

    Without training, scale is 1 and bias is 0, so the order of candidates is that of the score.
    """

    def __init__(self, config: ClickConfig) -> None:
        super().__init__(config)
        self.scale = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def score(self, inputs: ClickInputs) -> torch.Tensor:
        """(rows,) scores."""
        raise NotImplementedError

    def click_logits(self, inputs: ClickInputs) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute logits; see `ClickModel.click_logits`."""
        return self.scale * self.score(inputs).to(self.scale.dtype) + self.bias, None

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, ScoreModel):
            init.ones_(module.scale)
            init.zeros_(module.bias)


class CandidatePopularityModel(ScoreModel):
    """Popularity of the candidate: the score is log(1 + number of its training events)."""

    config_class = CandidatePopularityConfig

    def __init__(self, config: CandidatePopularityConfig) -> None:
        super().__init__(config)
        self.popularity = PopularityModel(PopularityConfig(num_item_rows=config.num_item_rows))
        self.post_init()

    def fit(self, train_rows: Iterable[Sequence[int]]) -> Self:
        """Count the items of training sequences; see `PopularityModel.fit`."""
        self.popularity.fit(train_rows)
        return self

    def score(self, inputs: ClickInputs) -> torch.Tensor:
        """(rows,) scores."""
        return self.popularity.counts[inputs.candidates].float().log1p()


class CategoryMatchModel(ScoreModel):
    """Share of the history in the candidate's category; 0 for a candidate without one, and for an empty history."""

    config_class = CategoryMatchConfig

    def __init__(self, config: CategoryMatchConfig) -> None:
        super().__init__(config)
        if not config.num_category_rows:
            raise ValueError("CategoryMatchConfig.num_category_rows is 0; give 1 + the number of categories.")
        self.post_init()

    def score(self, inputs: ClickInputs) -> torch.Tensor:
        """(rows,) scores."""
        return category_share(inputs)


def category_share(inputs: ClickInputs) -> torch.Tensor:
    """(rows,) float32 share of the events in the category of the candidate."""
    same = (inputs.categories == inputs.candidate_categories[:, None]) & (inputs.candidate_categories > 0)[:, None]
    return inputs.mean_of(same[inputs.mask][:, None].float()).squeeze(-1)


class CandidateKNNModel(ScoreModel):
    """Similarity of the candidate to the latest events: its score of `ItemKNNModel`."""

    config_class = CandidateKNNConfig

    def __init__(self, config: CandidateKNNConfig) -> None:
        super().__init__(config)
        self.knn = ItemKNNModel(config.item_knn())
        self.post_init()

    def fit(self, train_rows: Iterable[Sequence[int]]) -> Self:
        """Compute the neighbours of every item; see `ItemKNNModel.fit`."""
        self.knn.fit(train_rows)
        return self

    def score(self, inputs: ClickInputs) -> torch.Tensor:
        """(rows,) scores."""
        events, weights = self.knn.latest_events(inputs.items)
        found = self.knn.neighbour_rows[events] == inputs.candidates[:, None, None]
        return (self.knn.similarities[events].float() * found).sum(-1).mul(weights).sum(-1)


class LogisticRegressionModel(ClickModel):
    """Logistic regression over ids, categories, context and two crosses of candidate and history.

    logit = b + w_item + w_category + mean over events (v_item + v_category) + dense and categorical features
    + x_1 share + x_2 log(1 + repeats), where `share` is the share of the history in the candidate's category and
    `repeats` the number of events with the candidate. A linear model of ids alone (McMahan et al., "Ad click
    prediction: a view from the trenches", KDD 2013) cannot relate a candidate to a history, so it gets
    the crosses. All weights start at 0: the loss is convex, and a random direction may rank worse than none.
    """

    config_class = LogisticRegressionConfig

    def __init__(self, config: LogisticRegressionConfig) -> None:
        super().__init__(config)
        self.candidate_items = nn.Embedding(config.num_item_rows, 1, padding_idx=0)
        self.history_items = nn.Embedding(config.num_item_rows, 1, padding_idx=0)
        self.candidate_categories: nn.Embedding | None = None
        self.history_categories: nn.Embedding | None = None
        if config.num_category_rows:
            self.candidate_categories = nn.Embedding(config.num_category_rows, 1, padding_idx=0)
            self.history_categories = nn.Embedding(config.num_category_rows, 1, padding_idx=0)
        self.context = nn.ModuleList(nn.Embedding(size, 1, padding_idx=0) for size in config.categorical_sizes)
        self.crosses = 2 if config.num_category_rows else 1
        self.numbers = nn.Linear(config.dense_features + self.crosses, 1)
        self.post_init()

    @property
    def output_bias(self) -> torch.Tensor:
        """See `ClickModel.output_bias`."""
        return self.numbers.bias

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, nn.Linear | nn.Embedding):
            init.zeros_(module.weight)

    def click_logits(self, inputs: ClickInputs) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute logits; see `ClickModel.click_logits`."""
        repeats = (inputs.items == inputs.candidates[:, None]).sum(1)
        crosses = torch.stack([repeats.float().log1p(), category_share(inputs)], dim=1)[:, : self.crosses]
        numbers = torch.cat([inputs.dense.float(), crosses], dim=1)
        logits = self.numbers(numbers.to(self.numbers.weight.dtype))
        logits = logits + self.candidate_items(inputs.candidates)
        logits = logits + inputs.mean_of(self.history_items(inputs.items[inputs.mask]))
        if self.candidate_categories is not None and self.history_categories is not None:
            logits = logits + self.candidate_categories(inputs.candidate_categories)
            logits = logits + inputs.mean_of(self.history_categories(inputs.categories[inputs.mask]))
        for place, table in enumerate(self.context):
            logits = logits + table(inputs.categorical[:, place])
        return logits.squeeze(-1), None


for _config in (CandidatePopularityConfig, CategoryMatchConfig, CandidateKNNConfig, LogisticRegressionConfig):
    _config.register_for_auto_class()
for _model in (CandidatePopularityModel, CategoryMatchModel, CandidateKNNModel, LogisticRegressionModel):
    _model.register_for_auto_class("AutoModel")
