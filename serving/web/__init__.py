"""The web page of a checkpoint, for `xcat web` and for a Space. Needs the extra `web`."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .desk import Desk as Desk
    from .desk import Sources as Sources
    from .run import WebOptions as WebOptions
    from .run import open_page as open_page
    from .run import web as web

_EXPORTS = {
    "web": ".run",  # answers visitors until the process is told to stop
    "open_page": ".run",  # the page, for a program of your own
    "WebOptions": ".run",  # title, what to compare with, and sources of the operator's view
    "Desk": ".desk",  # what the page asks for, behind plain calls
    "Sources": ".desk",  # log and address of a service, for the operator's view
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
