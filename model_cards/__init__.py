"""Floor 6: model cards and report pages, built from recorded values."""

from __future__ import annotations

from ..lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .callback import ModelCardCallback as ModelCardCallback
    from .callback import attach_card as attach_card
    from .card import build_card as build_card
    from .card import write_card as write_card
    from .card_data import XCatModelCardData as XCatModelCardData
    from .report_page import ReportContext as ReportContext
    from .report_page import write_report as write_report
    from .scrubbing import scrub as scrub

_EXPORTS = {
    "XCatModelCardData": ".card_data",  # everything a card shows
    "attach_card": ".callback",  # a card that a trainer fills and writes
    "ModelCardCallback": ".callback",  # records a training run for a card
    "write_card": ".card",  # writes README.md
    "build_card": ".card",  # text of a card
    "write_report": ".report_page",  # results as one HTML page
    "ReportContext": ".report_page",  # optional parts of a report page
    "scrub": ".scrubbing",  # a text without secrets and local paths
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
