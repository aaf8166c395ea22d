"""Feedback: which lists were shown, and what customers did with them."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .feedback_log import HIDE as HIDE
    from .feedback_log import FeedbackLog as FeedbackLog
    from .feedback_log import Impression as Impression
    from .feedback_log import Reaction as Reaction
    from .opening import open_feedback as open_feedback
    from .redis_feedback import RedisFeedback as RedisFeedback
    from .summary import FeedbackSummary as FeedbackSummary

_EXPORTS = {
    "FeedbackLog": ".feedback_log",  # lists and reactions in a SQLite file or in memory
    "FeedbackSummary": ".summary",  # counts of lists, items and reactions
    "HIDE": ".feedback_log",  # type of an event that leaves its item out of later lists
    "Impression": ".feedback_log",  # a list that was shown
    "RedisFeedback": ".redis_feedback",  # lists and reactions on a Redis server
    "open_feedback": ".opening",  # opens the log of a store
    "Reaction": ".feedback_log",  # a click, cart, purchase or hide of an item of a list
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
