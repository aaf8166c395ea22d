"""Chat: dialogues with a customer over the catalogue of a recommender."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .catalogue import ChatCatalogue as ChatCatalogue
    from .dialogue import Understood as Understood
    from .session import ChatSession as ChatSession
    from .state import ChatState as ChatState
    from .turn import ChatTurn as ChatTurn

_EXPORTS = {
    "ChatSession": ".session",  # a dialogue with one customer
    "ChatTurn": ".turn",  # result of one turn
    "Understood": ".dialogue",  # wishes and limits in force
    "ChatState": ".state",  # a dialogue as plain values, to go on with it
    "ChatCatalogue": ".catalogue",  # what dialogues about one catalogue share
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
