"""Audits of recommendations, in addition to accuracy metrics."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .changed_histories import history_importance as history_importance
    from .doubly_robust import treatment_effect as treatment_effect
    from .exposure import Audit as Audit
    from .exposure import ExposureAudit as ExposureAudit
    from .exposure import PopularityAudit as PopularityAudit
    from .exposure import audit_recommendations as audit_recommendations
    from .group_attention import group_exposure as group_exposure
    from .item_exposure import expected_exposure as expected_exposure
    from .membership import Membership as Membership
    from .membership import membership_inference as membership_inference
    from .model_audit import ModelAudit as ModelAudit
    from .model_audit import PurposeAudit as PurposeAudit
    from .model_audit import audit_purpose as audit_purpose
    from .paths_of_groups import category_paths as category_paths
    from .popularity import popularity_bias as popularity_bias
    from .promotions import promotion_effects as promotion_effects
    from .user_groups import quality_gaps as quality_gaps

_EXPORTS = {
    "audit_recommendations": ".exposure",  # popularity and exposure of recommendations
    "Audit": ".exposure",  # result of `audit_recommendations`
    "PopularityAudit": ".exposure",  # popularity of recommended items, per group of users
    "ExposureAudit": ".exposure",  # exposure of brands and categories
    "membership_inference": ".membership",  # whether losses tell users of the training
    "Membership": ".membership",  # its result
    "ModelAudit": ".model_audit",  # one model for one purpose
    "PurposeAudit": ".model_audit",  # models for one purpose
    "audit_purpose": ".model_audit",  # popularity, exposure and groups of users of several models
    "popularity_bias": ".popularity",  # ARP, APLT, ACLT, Gini, entropy, coverage, recall by popularity
    "expected_exposure": ".item_exposure",  # EE-L, EE-D, EE-R of fixed or drawn lists
    "group_exposure": ".group_attention",  # AWRF of brands, categories and price bands
    "quality_gaps": ".user_groups",  # quality for groups of users
    "category_paths": ".paths_of_groups",  # cross-category paths of groups of users
    "history_importance": ".changed_histories",  # lists of changed histories
    "treatment_effect": ".doubly_robust",  # doubly robust effect of a treatment, with overlap
    "promotion_effects": ".promotions",  # effects of display and mailer on purchases, with checks
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
