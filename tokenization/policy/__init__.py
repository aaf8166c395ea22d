"""Content policy: rules over texts of items and sentences, with word lists in English and Chinese."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .content_policy import ContentPolicy as ContentPolicy
    from .content_policy import Match as Match
    from .content_policy import Verdict as Verdict
    from .content_policy import read_policy as read_policy
    from .item_verdicts import checked_catalogue as checked_catalogue

_EXPORTS = {
    "ContentPolicy": ".content_policy",  # categories with their outcomes, own words, a classifier
    "read_policy": ".content_policy",  # a policy from a word, a file or a mapping
    "Verdict": ".content_policy",  # outcome of a text with its matches
    "Match": ".content_policy",  # a rule that a text matches
    "checked_catalogue": ".item_verdicts",  # outcomes of all items of a catalogue
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
