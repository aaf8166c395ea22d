"""The description of the requests, and the page `/docs`: Swagger UI with files of an installed package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException

_FILES = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")


def documentation(title: str) -> APIRouter:
    """The routes of the description, the page and its files.

    Args:
        title: Title of the page.

    Returns:
        A router with `/openapi.json`, `/docs` and `/docs/FILE`, which are not part of the description.
    """
    router, folder = APIRouter(include_in_schema=False), _folder()

    @router.get("/openapi.json")
    async def description(request: Request) -> Response:
        return JSONResponse(request.app.openapi())

    @router.get("/docs")
    async def page() -> Response:
        script, style, icon = (f"docs/{name}" for name in _FILES)
        return get_swagger_ui_html(
            openapi_url="openapi.json", title=title, swagger_js_url=script, swagger_css_url=style,
            swagger_favicon_url=icon, swagger_ui_parameters={"validatorUrl": None},
        )  # fmt: skip

    @router.get("/docs/{name}")
    async def file(name: str) -> Response:
        if name not in _FILES:
            raise HTTPException(404)
        return FileResponse(folder / name)

    return router


def _folder() -> Path:
    """The folder of the files, in the package fastapi-offline, which is not imported."""
    found = find_spec("fastapi_offline")
    assert found is not None and found.origin is not None, "the extra serve has it"
    return Path(found.origin).parent / "static"
