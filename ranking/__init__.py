"""Floor 4: from a trained model to lists of items: recommender, pipeline, requests."""

from __future__ import annotations

from ..lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .pipelines import ItemRecommendationPipeline as ItemRecommendationPipeline
    from .pipelines import pipeline as pipeline
    from .recommender import XCatRecommender as XCatRecommender
    from .requests import read_requests as read_requests
    from .rerank import Candidates as Candidates
    from .rerank import Reranker as Reranker
    from .rerankers.limits import MaxPerCategory as MaxPerCategory
    from .sessions.events import SessionEvent as SessionEvent
    from .sessions.session import Session as Session
    from .sessions.session import Sessions as Sessions
    from .target_recommendations import TargetRecommendation as TargetRecommendation
    from .target_recommendations import TargetRecommendations as TargetRecommendations
    from .timed_history import read_timed_history as read_timed_history

_EXPORTS = {
    "Reranker": ".rerank",  # a re-ranking rule
    "Candidates": ".rerank",  # input of a rule
    "MaxPerCategory": ".rerankers.limits",  # rule: at most N items per category at the front
    "XCatRecommender": ".recommender",  # recommendations from histories of item ids
    "Session": ".sessions.session",  # a user whose events arrive one by one
    "SessionEvent": ".sessions.events",  # one of these events
    "Sessions": ".sessions.session",  # the users of a recommender
    "TargetRecommendation": ".target_recommendations",  # a recommended brand, category or campaign
    "TargetRecommendations": ".target_recommendations",  # a list of them
    "ItemRecommendationPipeline": ".pipelines",  # the same as a pipeline of transformers
    "pipeline": ".pipelines",  # makes that pipeline for a checkpoint
    "read_requests": ".requests",  # requests as tensors, with times and texts
    "read_timed_history": ".timed_history",  # a history written as item@time
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
