"""Weights that are tuned on validation users after training."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .neighbor_weight import neighbor_weight_scores as neighbor_weight_scores
    from .reranker import fit_second_stage as fit_second_stage
    from .target_heads import fit_target_heads as fit_target_heads
    from .user_samples import spread_users as spread_users

_EXPORTS = {
    "fit_second_stage": ".reranker",  # the re-ranker
    "fit_target_heads": ".target_heads",  # heads of categories, brands and other columns
    "neighbor_weight_scores": ".neighbor_weight",  # weight of the item-to-item scores
    "spread_users": ".user_samples",  # a sample of users with all lengths of history
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
