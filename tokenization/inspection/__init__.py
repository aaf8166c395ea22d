"""Data-quality report of a dataset, before any training."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .inspect import Inspection as Inspection
    from .inspect import inspect_shop as inspect_shop
    from .page import inspection_card as inspection_card
    from .page import inspection_page as inspection_page
    from .page import inspection_tables as inspection_tables

_EXPORTS = {
    "inspect_shop": ".inspect",  # statistics, leaks and warnings of tables
    "Inspection": ".inspect",  # result of `inspect_shop`
    "inspection_page": ".page",  # the report as HTML
    "inspection_card": ".page",  # the report as a dataset card
    "inspection_tables": ".page",  # the report as tables
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
