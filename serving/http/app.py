"""The ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.routing import Match

from ... import __version__
from .documentation import documentation
from .engine import Engine
from .errors import ServiceError
from .gate import Gate, Gates
from .middleware import OPEN_PATHS, Around
from .routes import Routes
from .telemetry import Telemetry

_WRITTEN_TOGETHER = 256
"""Requests whose events or lists are written in one change."""
_ABOUT = "Recommendations from one checkpoint of xcat-rec: lists, events, items and users."


def create_app(engine: Engine) -> FastAPI:
    """The application of an engine; a server runs it, such as uvicorn.

    Args:
        engine: The engine; it is closed when the application stops.

    Returns:
        The application; `app.state` has its `engine` and `gates`.

    Raises:
        OSError: If the file of API keys cannot be read.
        ValueError: If it has no key.
    """
    settings = engine.settings
    keys = settings.keys()
    limits = settings.max_waiting, settings.timeout, settings.max_delay
    gates = Gates(Gate(settings.workers, *limits, settings.max_together), Gate(1, *limits, _WRITTEN_TOGETHER))
    telemetry = Telemetry(gates, engine.shared)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sharing = asyncio.create_task(telemetry.share())
        yield
        sharing.cancel()
        await gates.close(settings.drain)
        engine.close()

    app = FastAPI(
        title="xcat-rec", version=__version__, description=_ABOUT, lifespan=lifespan, redirect_slashes=False,
        openapi_url=None, docs_url=None, redoc_url=None,
    )  # fmt: skip
    if keys:
        app.openapi = partial(_with_keys, app)  # type: ignore[method-assign]
    router = Routes(engine, gates, telemetry).router
    app.include_router(router)
    app.include_router(pages := documentation("xcat-rec"))
    app.state.routes = [*router.routes, *pages.routes]
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_middleware(Around, settings=settings, keys=keys, telemetry=telemetry, gates=gates)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(settings.cors_origins), allow_methods=["*"], allow_headers=["*"]
        )
    app.state.gates, app.state.engine = gates, engine
    return app


def _with_keys(app: FastAPI) -> dict[str, Any]:
    """The description of the requests, with the header of the key."""
    described = FastAPI.openapi(app)
    described["components"]["securitySchemes"] = {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}
    described["security"] = [{"key": []}]
    for path in OPEN_PATHS:
        described["paths"][path]["get"]["security"] = []
    return described


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, "application/json")


async def _service_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return _json(error.status, error.body(), error.headers)


async def _invalid(_: Request, error: Exception) -> Response:
    """Name the fields and what is wrong, but not the values, which may be about a customer."""
    assert isinstance(error, RequestValidationError)
    if any(one["type"] == "json_invalid" for one in error.errors()):
        return _json(422, {"error": "the body is not JSON", "error_type": "invalid"})
    found = [f"{'.'.join(map(str, _place(one['loc'])))}: {one['msg']}" for one in error.errors()]
    text = "; ".join(part.removeprefix(": ") for part in found[:5]) + (" ..." if len(found) > 5 else "")
    return _json(422, {"error": text.encode("utf-8", "replace").decode(), "error_type": "invalid"})


def _place(location: Sequence[str | int]) -> Sequence[str | int]:
    """The field of an error, without the parts of the location that no client has written."""
    return location[2:] if location[1:2] in (("event",), ("events",)) else location[1:]


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind, headers = {404: "unknown", 405: "method"}.get(error.status_code, "invalid"), dict(error.headers or {})
    if error.status_code == 405:  # the framework names the methods of one route of the path only
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return _json(error.status_code, {"error": str(error.detail), "error_type": kind}, headers)


def _methods(request: Request) -> set[str]:
    """Methods of all routes with the path of a request."""
    routes = (route for route in request.app.state.routes if route.matches(request.scope)[0] is not Match.NONE)
    return {method for route in routes for method in route.methods or ()}
