"""A client of the HTTP service, with the standard library alone."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .answers import ChatAnswer as ChatAnswer
    from .answers import ItemsAnswer as ItemsAnswer
    from .answers import RecommendedItem as RecommendedItem
    from .answers import RecommendedList as RecommendedList
    from .answers import StoredEvents as StoredEvents
    from .client import XCatClient as XCatClient
    from .transport import RequestFailedError as RequestFailedError

_EXPORTS = {
    "ChatAnswer": ".answers",  # a turn of a dialogue
    "ItemsAnswer": ".answers",  # what became of items
    "RecommendedItem": ".answers",  # an item of a list
    "RecommendedList": ".answers",  # a list, with its impression id
    "RequestFailedError": ".transport",  # the service refused a request
    "StoredEvents": ".answers",  # what became of events
    "XCatClient": ".client",  # requests to a running `xcat serve`
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
