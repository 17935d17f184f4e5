"""Swagger UI at ``/docs``, from this application alone, and the OpenAPI document behind it."""

import copy
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse

from app.pages import HERE, PAGE_HEADERS, templates
from app.server import CurrentServer

router = APIRouter(include_in_schema=False)

# Swagger UI logs in through a popup that must reach its opener.
DOCS_HEADERS = {**PAGE_HEADERS, "Cross-Origin-Opener-Policy": "unsafe-none"}

DEVELOPMENT_HINT = " With the demo data: `alice` and `alice-in-wonderland`."

ASSET_HEADERS = {"Cache-Control": "public, max-age=3600"}


@router.get("/docs")
async def docs(server: CurrentServer) -> Response:
    """The page. What to pre-fill stands in it as data, for ``docs.js`` to read."""
    client = await server.clients.find(server.settings.docs_client_id)
    page = templates.get_template("docs.html").render(
        client_id=client.client_id if client else "",
        scopes=" ".join(client.default_scopes) if client else "",
    )
    return HTMLResponse(page, headers=DOCS_HEADERS)


@lru_cache
def _asset(name: str) -> bytes:
    if name.startswith("swagger-ui") or name.startswith("favicon"):
        return (files("fastapi_swagger") / "resources" / name).read_bytes()
    return (HERE / "static" / name).read_bytes()


def _serve(name: str, media_type: str) -> None:
    @router.get(f"/docs/{name}")
    async def asset() -> Response:
        return Response(_asset(name), media_type=media_type, headers=ASSET_HEADERS)


_serve("swagger-ui-bundle.js", "text/javascript")
_serve("swagger-ui.css", "text/css")
_serve("favicon-32x32.png", "image/png")
_serve("docs.js", "text/javascript")
_serve("page.css", "text/css")


@router.get("/openapi.json")
async def openapi(request: Request, server: CurrentServer) -> Response:
    """The OpenAPI document, with the scopes that the database has now."""
    document = copy.deepcopy(_document(request))
    for scheme in document["components"]["securitySchemes"].values():
        if server.settings.development and "password" in scheme.get("flows", {}):
            scheme["description"] += DEVELOPMENT_HINT
        for flow in scheme.get("flows", {}).values():
            flow["scopes"] = dict(await server.scopes.all())
    return Response(json.dumps(document), media_type="application/json")


def _document(request: Request) -> Mapping[str, Any]:
    app = request.app
    if app.openapi_schema is None:
        app.openapi_schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
    schema: Mapping[str, Any] = app.openapi_schema
    return schema
