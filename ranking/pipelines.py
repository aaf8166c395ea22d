"""`pipeline("item-recommendation", model=...)` of the package: `XCatRecommender` as a pipeline."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import transformers

from ..modeling_xcat.filters_xcat import Filters
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.pipeline_xcat import FILTERS, XCatPipeline, columns_of
from ..modeling_xcat.recommending_xcat import Recommendations
from ..registration import TASK
from .rerank import Reranker

_OF_PIPELINES = ("device", "batch_size", "k", "top_k")


class ItemRecommendationPipeline(XCatPipeline):
    """The pipeline of a checkpoint when the package is imported; see `XCatPipeline`.

    Args:
        model: The model.
        processor: Its processor.
        rerankers: Re-ranking rules, as in `XCatRecommender`.
        **kwargs: As in `XCatPipeline`.

    Attributes:
        recommender: The `XCatRecommender` that computes the recommendations.
    """

    def __init__(
        self, model: Any, processor: Any = None, *, rerankers: str | Sequence[str | Reranker] = (), **kwargs: Any
    ) -> None:
        self._rerankers = rerankers
        super().__init__(model, processor, **kwargs)

    def _prepare(self) -> None:
        from .recommender import XCatRecommender  # lazy: `transformers.pipeline` loads this file for every task

        self.recommender = XCatRecommender(self.model, self.processor, self._rerankers)

    def preprocess(self, requests: list[dict[str, Any]]) -> dict[str, Any]:  # type: ignore[override]
        """Return the requests unchanged."""
        histories, columns = columns_of(requests)
        return {"histories": histories, "queries": columns.pop("query"), **columns}

    def _forward(  # type: ignore[override]
        self, request: dict[str, Any], **options: Any
    ) -> list[Recommendations]:
        filters = Filters(**{name: options.pop(name) for name in FILTERS if name in options})
        found = self.recommender.recommend_many(
            **request, **options, filters=filters, batch_size=max(1, len(request["histories"]))
        )
        for listed in found:
            self._log([*listed.query_notes, *filter(None, [listed.shortage])])
        return found


def pipeline(task: str, model: str | os.PathLike[str] | XCatForNextItem | None = None, **kwargs: Any) -> Any:
    """Make a pipeline, like `transformers.pipeline`; tasks other than "item-recommendation" are passed to it.

    A checkpoint is checked before it is loaded, none of its code is run, and an adapter is loaded onto its base.

    Args:
        task: The task.
        model: Folder, hub id, or a model; with a model, pass `processor=` too.
        **kwargs: Arguments of the loaders, `rerankers`, `device`, `batch_size`, and `k`.
    """
    from .recommender import XCatRecommender

    if task != TASK:
        elsewhere: Any = transformers.pipeline
        return elsewhere(task, model=model, **kwargs)
    own = {name: kwargs.pop(name) for name in _OF_PIPELINES if name in kwargs}
    if isinstance(model, XCatForNextItem):
        return ItemRecommendationPipeline(model, task=task, **{"device": model.device, **own}, **kwargs)
    if model is None:
        raise ValueError("item-recommendation has no default model; pass model= a checkpoint folder or hub id")
    kwargs.pop("trust_remote_code", None)  # no code of the checkpoint is run
    found = XCatRecommender.from_pretrained(model, **kwargs)
    own = {"device": found.model.device, **own}
    return ItemRecommendationPipeline(found.model, found.processor, rerankers=found.rerankers, task=task, **own)
