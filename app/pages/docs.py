"""Swagger UI at ``/docs``, from this application alone, and the OpenAPI document behind it."""

import copy
import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import RedirectResponse

from app.errors import ForbiddenError
from app.identity.users import find_enabled_scopes
from app.pages import login_docs
from app.pages.errors import PageError
from app.server import Server
from app.settings import Settings
from app.web.dependencies import CurrentServer
from app.web.openapi import name_the_server, say_what_is_open
from app.web.openers import operations_of
from app.web.problems import without_json_twins
from app.web.routes import ApiRoute

DEMO_HINTS = {"OAuth2PasswordBearer": "`alice` and `alice-in-wonderland`"}
"""What to type into each form, in development, while the demo data is there."""

FIRST_GROUPS = ("account", "oauth2")
"""The groups of operations that are shown first; the first of them is open."""

ENDPOINTS = {
    "revoke": "revoke",
    "introspect": "introspect",
    "userinfo": "userinfo",
    "jwks": ".well-known/jwks.json",
    "metadata": ".well-known/oauth-authorization-server",
}
"""Relative, so that a login works wherever the page is, in development also at localhost."""


NOT_LOGGED_IN = "Log in to this server in this browser first."
NOT_ALLOWED = "Your account does not have the scope that this takes."


async def _refusal(server: Server, request: Request) -> str:
    """Why whoever is logged in in the browser may not read this; empty if they may."""
    if server.settings.docs != "login":
        return ""
    user_id = await server.find_visitor(request)
    if user_id is None:
        return NOT_LOGGED_IN
    async with server.database.read() as connection:
        scopes = await find_enabled_scopes(connection, user_id)
    wanted = server.settings.docs_scope
    return NOT_ALLOWED if wanted and wanted not in scopes else ""


def docs_router(settings: Settings) -> APIRouter:
    """The page, its files and the document, open to whom the settings say."""

    class DocsRoute(ApiRoute):
        opened_by = _opened_by(settings)

    router = APIRouter(include_in_schema=False, route_class=DocsRoute)
    for path, endpoint in (("/docs", docs), ("/openapi.json", openapi)):
        router.add_api_route(path, endpoint, methods=["GET"])
        router.add_api_route(path, endpoint, methods=["HEAD"])
    router.include_router(login_docs.files_router())
    return router


def _opened_by(settings: Settings) -> str:
    if settings.docs != "login":
        return ""
    scope = f" of a user with {settings.docs_scope}" if settings.docs_scope else ""
    return f"a login in the browser{scope}"


async def docs(request: Request, server: CurrentServer) -> Response:
    """The page, told which client to log in with, and the scripts of features.

    Where a login is wanted, the login page comes first, and leads back here.
    """
    refusal = await _refusal(server, request)
    if refusal == NOT_LOGGED_IN:
        return RedirectResponse(f"{server.settings.issuer}/login?next=docs", 303)
    if refusal:
        home = server.home and ("See who you are logged in as", server.home[1])
        raise PageError("You cannot see this page", refusal, 403, onward=home)
    client = await server.clients.find(server.settings.docs_client_id)
    settings = {
        "document": "openapi.json",
        "endpoints": ENDPOINTS,
        "open": FIRST_GROUPS[:1],
        "modules": [
            script
            for feature in server.features
            if feature.docs_scripts
            for script in feature.docs_scripts(server.settings)
        ],
    }
    return login_docs.page(
        server.settings.service_name,
        client.client_id if client else "",
        client.default_scopes if client else (),
        settings,
        icon=server.settings.look.icon,
    )


async def openapi(request: Request, server: CurrentServer) -> Response:
    """The OpenAPI document, with the scopes that the database has now."""
    if refusal := await _refusal(server, request):
        raise ForbiddenError(told=refusal)
    document: dict[str, Any] = copy.deepcopy(dict(_document(request, server)))
    scopes = dict(await server.scopes.all())
    hints = dict(DEMO_HINTS)
    for feature in server.features:
        hints |= feature.demo.hints
    name_the_server(document, server.settings.issuer, request)
    for name, scheme in document["components"]["securitySchemes"].items():
        if server.settings.development and name in hints:
            scheme["description"] += f" With the demo data: {hints[name]}."
        for flow in scheme.get("flows", {}).values():
            # A sample names those that it is about; the others take every one that there is.
            named = flow["scopes"] or scopes
            flow["scopes"] = {scope: text for scope, text in scopes.items() if scope in named}
    return Response(json.dumps(document), media_type="application/json")


def _document(request: Request, server: Server) -> Mapping[str, Any]:
    app = request.app
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        without_json_twins(document)
        document["tags"] = _groups(document, server)
        say_what_is_open(document)
        for operation in operations_of(app):
            described = document["paths"].get(operation.path, {}).get(operation.method.lower())
            if described:
                described["x-opened-by"] = operation.opened_by
        app.openapi_schema = document
    schema: Mapping[str, Any] = app.openapi_schema
    return schema


def _groups(document: Mapping[str, Any], server: Server) -> list[dict[str, Any]]:
    """The groups of operations in the order in which they are shown: samples are last."""
    samples: dict[str, str] = {}
    for feature in server.features:
        samples |= feature.samples
    found = [
        tag
        for path in document["paths"].values()
        for operation in path.values()
        for tag in operation["tags"]
    ]
    named = dict.fromkeys([*(tag for tag in FIRST_GROUPS if tag in found), *found])
    others = [{"name": tag} for tag in named if tag not in samples]
    return others + [
        {"name": tag, "description": text, "x-samples": True}
        for tag, text in samples.items()
        if tag in named
    ]
