"""The causal part of an audit: effects of promotions, and importance of the history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..evaluation.audits.changed_histories import HistoryImportance, history_importance
from ..evaluation.audits.promotions import PromotionEffects, promotion_effects
from ..ranking.recommender import XCatRecommender
from ..tokenization.sequences.promotion_panel import ROWS, has_store_promotions, promotion_panel
from ..tokenization.tables.schema import ShopTables
from .checkpoint_evaluation import EvaluationData

NO_PROMOTIONS = (
    "The data have no promotions of items in stores (kinds display and mailer, with item_id, store_id, start and "
    "end), so there are no effects of promotions."
)


@dataclass(frozen=True)
class CausalAudit:
    """The causal part of an audit.

    Args:
        history: Importance of the history for the model's lists.
        promotions: Effects of promotions on purchases, whatever the model lists; None without promotions in stores.
        note: Reason for no effects of promotions.
    """

    history: HistoryImportance
    promotions: PromotionEffects | None
    note: str = ""


def causal_audit(
    recommender: XCatRecommender, data: EvaluationData, shop: ShopTables, k: int, rows: int = ROWS, seed: int = 0
) -> CausalAudit:
    """Measure the importance of the history, and the effects of promotions if the data have them in stores.

    Args:
        recommender: The checkpoint.
        data: Data of the evaluation.
        shop: The tables.
        k: Length of the lists.
        rows: Rows of visits and known items for the effects of promotions.
        seed: Seed of all draws.
    """
    split: Any = data.splits[data.part].with_format(None)
    history = history_importance(recommender, list(split), k, seed=seed)
    if not isinstance(shop, ShopTables) or not has_store_promotions(shop):
        return CausalAudit(history, None, NO_PROMOTIONS)
    return CausalAudit(history, promotion_effects(promotion_panel(shop, rows, seed), seed))
