"""Swagger UI for testing logins: a drop-in for the ``/docs`` of any FastAPI application.

    app = FastAPI()
    login_docs(app, issuer="https://login.example.com", client_id="my-api-docs")

Needs ``fastapi`` and ``fastapi-swagger``, which brings the files of Swagger UI. The folder can be
copied as it is. The page runs nothing but its own files, under a Content-Security-Policy without
``unsafe-inline``, and asks nobody but the application and the issuer.

The client is public and has the redirect URI ``https://<the application>/docs/oauth2-redirect``;
the issuer must let that origin call ``/token``, as Latchkey does for the origins of the redirect
URIs of a public client.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from string import Template
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse

PATH = "/docs"
REDIRECT = f"{PATH}/oauth2-redirect"

OURS = f"{__name__}.static"
SWAGGER_UI = "fastapi_swagger.resources"

SCRIPTS = (
    "docs",
    "claims",
    "dialog",
    "elements",
    "logins",
    "oauth",
    "page",
    "references",
    "schemes",
    "who",
)

ASSETS: Mapping[str, tuple[str, str]] = {
    f"{PATH}/swagger-ui-bundle.js": (SWAGGER_UI, "text/javascript"),
    f"{PATH}/swagger-ui.css": (SWAGGER_UI, "text/css"),
    f"{PATH}/docs.css": (OURS, "text/css"),
    **{f"{PATH}/{name}.js": (OURS, "text/javascript") for name in SCRIPTS},
}
"""The files of the page, and which package each is in."""

# Its origin goes into the Content-Security-Policy, where a semicolon or a space would end it.
_ISSUER = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[^\s;?#]*)?")

POPUP_HEADERS = {"Cross-Origin-Opener-Policy": "unsafe-none"}
"""The page and where its popup ends must have the same, or neither finds the other."""


def login_docs(
    app: FastAPI, *, issuer: str, client_id: str, scopes: Sequence[str] = ("openid", "profile")
) -> None:
    """Serve the page at ``/docs`` of ``app``, in place of FastAPI's.

    ``client_id`` is the public client that it logs in with at ``issuer``, whose endpoints are
    found through OpenID Connect Discovery; ``scopes`` are ticked at first. Raises
    :class:`ValueError` if the application serves no OpenAPI document or has the page already, and
    if ``issuer`` is no http or https URL, or has a user, a query or a fragment.
    """
    if app.openapi_url is None:
        raise ValueError("the application serves no OpenAPI document: openapi_url is None")
    document = app.openapi_url.removeprefix("/")
    if any(getattr(route, "path", None) in ASSETS for route in app.routes):
        raise ValueError("the application has the page already")
    if not _ISSUER.fullmatch(issuer):
        raise ValueError("the issuer is no http or https URL without user, query and fragment")
    issuer = issuer.rstrip("/")
    parts = urlsplit(issuer)
    connect = f"{parts.scheme}://{parts.netloc}"
    shadowed = {PATH, REDIRECT, app.docs_url, app.swagger_ui_oauth2_redirect_url}
    routes = app.router.routes
    routes[:] = [route for route in routes if getattr(route, "path", None) not in shadowed]
    router = files_router()

    @router.get(PATH)
    async def docs() -> Response:
        """The page."""
        settings = {"document": document, "issuer": issuer}
        return page(app.title, client_id, scopes, settings, connect=[connect])

    # Not included: as with FastAPI's own page, the dependencies of the application are for its
    # operations, or nobody could load the page to log in.
    routes.extend(router.routes)


def page(
    title: str,
    client_id: str,
    scopes: Sequence[str],
    settings: Mapping[str, Any],
    *,
    icon: str = "data:,",
    connect: Sequence[str] = (),
) -> Response:
    """The page, with what to log in with and ``settings`` as data, for ``docs.js`` to read.

    ``connect`` are the origins that its scripts may ask beside their own.
    """
    asked = " ".join(["'self'", *connect])
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src {asked}; font-src 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; form-action 'self'"
    )
    written = {
        "title": title,
        "icon": icon,
        "client_id": client_id,
        "scopes": " ".join(scopes),
        "settings": json.dumps(settings),
    }
    escaped = {name: html.escape(value) for name, value in written.items()}
    content = Template(_read(OURS, "docs.html").decode()).substitute(escaped)
    return HTMLResponse(content, headers={"Content-Security-Policy": policy, **POPUP_HEADERS})


def files_router() -> APIRouter:
    """Where the files of the page are, and where its popup ends."""
    router = APIRouter(include_in_schema=False)
    for path, (package, media_type) in ASSETS.items():
        serve_file(router, path, package, media_type)

    landing = _read(OURS, "oauth2-redirect.html")
    script = landing.partition(b"<script>")[2].partition(b"</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    policy = f"default-src 'none'; script-src 'sha256-{digest}'; frame-ancestors 'none'"
    headers = {"Content-Security-Policy": policy, **POPUP_HEADERS}

    @router.get(REDIRECT)
    async def oauth2_redirect() -> Response:
        """Where a login in the popup ends: its one script hands the answer to the page."""
        return HTMLResponse(landing, headers=headers)

    return router


def serve_file(router: APIRouter, path: str, package: str, media_type: str) -> None:
    """Serve the file of ``package`` that has the last part of ``path`` as its name."""
    name = path.rpartition("/")[2]

    @router.get(path)
    async def file(request: Request) -> Response:
        content = _read(package, name)
        headers = {
            "Cache-Control": "no-cache",  # its scripts belong together: none may be older
            "Cross-Origin-Resource-Policy": "same-origin",
            "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        }
        if request.headers.get("if-none-match", "").removeprefix("W/") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)


@lru_cache
def _read(package: str, name: str) -> bytes:
    # A folder without Python in it is no package: it is found through the one that it is in.
    parent, _, folder = package.rpartition(".")
    content: bytes = (files(parent) / folder / name).read_bytes()
    return content
