"""Labelling: suggestions of the users, items or texts whose labels would teach most."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .label_pool import LabelPool as LabelPool
    from .label_pool import LabelSuggestion as LabelSuggestion
    from .ranking import rank_pool as rank_pool
    from .selection import cover_picks as cover_picks
    from .selection import uncertain_picks as uncertain_picks

_EXPORTS = {
    "LabelPool": ".label_pool",  # candidates and labelled things, with vectors
    "LabelSuggestion": ".label_pool",  # a candidate with the reason
    "rank_pool": ".ranking",  # candidates whose labels would teach most
    "cover_picks": ".selection",  # diversity: typical candidates
    "uncertain_picks": ".selection",  # uncertainty and diversity
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
