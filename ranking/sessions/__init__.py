"""Sessions of users: a log of events, cached states, and what users stated."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .events import SessionEvent as SessionEvent
    from .log import EventLog as EventLog
    from .log import MemoryLog as MemoryLog
    from .session import Session as Session
    from .session import Sessions as Sessions

_EXPORTS = {
    "EventLog": ".log",  # interface of the logs
    "MemoryLog": ".log",  # a log in the memory of the process
    "Session": ".session",  # one user
    "SessionEvent": ".events",  # an event of a user
    "Sessions": ".session",  # the users of a recommender
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
