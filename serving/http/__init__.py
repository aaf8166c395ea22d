"""The HTTP service: lists, events, items and users of one checkpoint. Needs the extra `serve`."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .app import create_app as create_app
    from .engine import Engine as Engine
    from .run import serve as serve
    from .settings import ServeSettings as ServeSettings

_EXPORTS = {
    "serve": ".run",  # answers requests until the process is told to stop
    "create_app": ".app",  # the ASGI application, for a server of your own
    "Engine": ".engine",  # checkpoint, users and feedback behind plain calls
    "ServeSettings": ".settings",  # address, store, keys and limits
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)
