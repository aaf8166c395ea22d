"""Audits of recommendations, in addition to accuracy metrics."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .exposure import Audit as Audit
    from .exposure import ExposureAudit as ExposureAudit
    from .exposure import PopularityAudit as PopularityAudit
    from .exposure import audit_recommendations as audit_recommendations

_EXPORTS = {
    "audit_recommendations": ".exposure",  # popularity and exposure of recommendations
    "Audit": ".exposure",  # result of `audit_recommendations`
    "PopularityAudit": ".exposure",  # popularity of recommended items, per group of users
    "ExposureAudit": ".exposure",  # exposure of brands and categories
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
