"""Floor 5: recommendations for many users: batches, Ray, Spaces; dialogues in `chat/`, logs in `state/`."""

from __future__ import annotations

from ..lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .batch import BatchRequest as BatchRequest
    from .batch import recommend_locally as recommend_locally
    from .batch import write_recommendations as write_recommendations
    from .ray_engine import recommend_with_ray as recommend_with_ray
    from .space import write_space as write_space
    from .state.urls import open_state as open_state

_EXPORTS = {
    "BatchRequest": ".batch",  # options of a batch of recommendations
    "open_state": ".state.urls",  # the log of sessions behind a URL
    "recommend_locally": ".batch",  # recommendations in this process
    "recommend_with_ray": ".ray_engine",  # recommendations with Ray
    "write_recommendations": ".batch",  # recommendations into a file
    "write_space": ".space",  # a Space for a checkpoint
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
