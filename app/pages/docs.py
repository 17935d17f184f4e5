"""Swagger UI at ``/docs``, from this application alone, and the OpenAPI document behind it."""

import base64
import copy
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_oauth2_redirect_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse

from app.oauth2.redirect_uris import DOCS_REDIRECT
from app.pages.assets import serve
from app.pages.rendering import POPUP_HEADERS, render
from app.web.dependencies import CurrentServer
from app.web.problems import without_json_twins

router = APIRouter(include_in_schema=False)

DEMO_HINTS = {"OAuth2PasswordBearer": "`alice` and `alice-in-wonderland`"}
"""What to type into each form, in development, while the demo data is there."""


@router.head("/docs")
@router.get("/docs")
async def docs(server: CurrentServer) -> Response:
    """The page. What to pre-fill stands in it as data, for ``docs.js`` to read."""
    client = await server.clients.find(server.settings.docs_client_id)
    return render(
        "docs.html",
        server.settings.service_name,
        popup=True,
        client_id=client.client_id if client else "",
        scopes=" ".join(client.default_scopes) if client else "",
    )


SWAGGER_UI = "fastapi_swagger.resources"

serve(router, "/docs/swagger-ui-bundle.js", SWAGGER_UI, "swagger-ui-bundle.js", "text/javascript")
serve(router, "/docs/swagger-ui.css", SWAGGER_UI, "swagger-ui.css", "text/css")
serve(router, "/docs/docs.css", "app.pages", "static/docs.css", "text/css")
serve(router, "/docs/docs.js", "app.pages", "static/docs.js", "text/javascript")


def _redirect_page() -> tuple[str, Mapping[str, str]]:
    """FastAPI's page, whose one inline script the policy allows by its hash."""
    page = bytes(get_swagger_ui_oauth2_redirect_html().body).decode()
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert script is not None, "the page has its script"  # noqa: S101
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    policy = f"default-src 'none'; script-src 'sha256-{digest}'; frame-ancestors 'none'"
    return page, {"Content-Security-Policy": policy, **POPUP_HEADERS}


_REDIRECT_PAGE, _REDIRECT_HEADERS = _redirect_page()


@router.get(DOCS_REDIRECT)
async def oauth2_redirect() -> Response:
    """Where a login in the popup ends: it hands the code to Swagger UI."""
    return HTMLResponse(_REDIRECT_PAGE, headers=_REDIRECT_HEADERS)


@router.head("/openapi.json")
@router.get("/openapi.json")
async def openapi(request: Request, server: CurrentServer) -> Response:
    """The OpenAPI document, with the scopes that the database has now."""
    document = copy.deepcopy(_document(request))
    scopes = dict(await server.scopes.all())
    hints = dict(DEMO_HINTS)
    for feature in server.features:
        hints |= feature.demo.hints
    for name, scheme in document["components"]["securitySchemes"].items():
        if server.settings.development and name in hints:
            scheme["description"] += f" With the demo data: {hints[name]}."
        for flow in scheme.get("flows", {}).values():
            flow["scopes"] = scopes
    return Response(json.dumps(document), media_type="application/json")


def _document(request: Request) -> Mapping[str, Any]:
    app = request.app
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        without_json_twins(document)
        app.openapi_schema = document
    schema: Mapping[str, Any] = app.openapi_schema
    return schema
