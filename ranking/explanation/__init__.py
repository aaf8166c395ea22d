"""Reasons of one recommendation: data, sentences in English and Chinese, and heat maps."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .explanation import Counterfactual as Counterfactual
    from .explanation import EventInfluence as EventInfluence
    from .explanation import Explanation as Explanation
    from .explanation import NearestItem as NearestItem
    from .explanation import WordInfluence as WordInfluence
    from .methods import METHODS as METHODS

_EXPORTS = {
    "Explanation": ".explanation",  # why an item is recommended
    "EventInfluence": ".explanation",  # influence of an item of the history
    "WordInfluence": ".explanation",  # influence of a word
    "Counterfactual": ".explanation",  # place of the item without an item of the history
    "NearestItem": ".explanation",  # the most similar item of the history
    "METHODS": ".methods",  # methods that attribute a score to the history
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
