"""`pipeline("item-recommendation", model=...)`, and the registration of XCat with transformers' Auto classes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import transformers
from transformers import AutoConfig, AutoModel, AutoProcessor

from ..modeling_xcat.configuration_xcat import XCatConfig
from ..modeling_xcat.filters_xcat import Filters
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.processing_xcat import XCatProcessor
from .recommender import XCatRecommender

TASK = "item-recommendation"
_FILTERS = tuple(field.name for field in fields(Filters))

AutoConfig.register(XCatConfig.model_type, XCatConfig, exist_ok=True)
AutoModel.register(XCatConfig, XCatForNextItem, exist_ok=True)
AutoProcessor.register(XCatConfig, XCatProcessor, exist_ok=True)


class ItemRecommendationPipeline:
    """Recommends items to one history or to several.

    Args:
        recommender: A loaded recommender.

    Example (not run: it needs a checkpoint):
        recommender = pipeline("item-recommendation", model="./checkpoint")
        recommender(["tent-1", "boots-7"], k=5, cross_category=True)
    """

    task = TASK

    def __init__(self, recommender: XCatRecommender) -> None:
        self.recommender = recommender

    def __call__(
        self, histories: Sequence[str] | Sequence[Sequence[str]], k: int = 10, **options: Any
    ) -> list[dict[str, Any]] | list[list[dict[str, Any]]]:
        """Recommend.

        Args:
            histories: Item ids of one user, or a list of such lists.
            k: Recommendations wanted a user.
            **options: Further options of `XCatRecommender.recommend`; texts, event types, ratings and timestamps of
                several histories are one list a history.

        Returns:
            Recommendations as dictionaries; a list of lists of them for several histories.
        """
        if isinstance(histories, str):
            raise ValueError("give a list of item ids, or a list of such lists; got a plain string")
        histories = list(histories)  # of an array, too
        if not histories or isinstance(histories[0], str):
            return [found.to_dict() for found in self.recommender.recommend(histories, k, **options)]  # type: ignore[arg-type]
        named = {name: options.pop(name) for name in _FILTERS if name in options}
        many = self.recommender.recommend_many(histories, k, filters=Filters(**named), **options)
        return [[found.to_dict() for found in one] for one in many]


def pipeline(task: str, model: str | os.PathLike[str] | XCatForNextItem | None = None, **kwargs: Any) -> Any:
    """As `transformers.pipeline`, which it calls for every other task than "item-recommendation".

    Args:
        task: The task.
        model: Folder, hub id, or a model; with a model, pass `processor=` too.
        **kwargs: Arguments of the loaders.
    """
    if task != TASK:
        elsewhere: Any = transformers.pipeline
        return elsewhere(task, model=model, **kwargs)
    if isinstance(model, XCatForNextItem):
        if kwargs.get("processor") is None:
            raise ValueError("a model in memory needs its catalogue; pass processor=, the XCatProcessor beside it")
        return ItemRecommendationPipeline(XCatRecommender(model, kwargs["processor"]))
    if model is None:
        raise ValueError("item-recommendation has no default model; pass model= a checkpoint folder or hub id")
    return ItemRecommendationPipeline(XCatRecommender.from_pretrained(model, **kwargs))
