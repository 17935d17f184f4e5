"""Protected resource metadata: RFC 9728. This server's own routes want access tokens, too."""

from collections.abc import Collection
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from app.oauth2.metadata import MAX_AGE
from app.oauth2.published import Published, serve_published
from app.settings import Settings
from app.web.dependencies import server_of
from app.web.problems import PROBLEM_RESPONSES
from app.web.resource_metadata import WELL_KNOWN


def protected_resource_router(settings: Settings) -> APIRouter:
    """The document at its well-known address.

    For an issuer with a path that is the well-known one with the path behind it (section 3.1); the
    plain one serves proxies that strip the path.
    """
    router = APIRouter(tags=["discovery"], responses=PROBLEM_RESPONSES)

    published = Published(partial(describe, settings), MAX_AGE)

    async def protected_resource(request: Request) -> Response:
        """Where to get access tokens for the routes of this server (RFC 9728)."""
        return published.answer(request, await server_of(request).scopes.all())

    path = urlsplit(settings.issuer).path
    for address in dict.fromkeys([WELL_KNOWN, WELL_KNOWN + path]):
        serve_published(
            router,
            address,
            protected_resource,
            operation_id="get_protected_resource",
            summary="Get the resource metadata",
            include_in_schema=address == WELL_KNOWN,
            response_model=dict[str, Any],
        )
    return router


def describe(settings: Settings, scopes: Collection[str]) -> dict[str, Any]:
    """The members of section 2. The issuer names the resource, whatever ``LATCHKEY_AUDIENCE`` is.

    Where a client names it as ``resource``, its tokens have that audience.
    """
    return {
        "resource": settings.issuer,
        "authorization_servers": [settings.issuer],
        "scopes_supported": list(scopes),
        "bearer_methods_supported": ["header"],
        "resource_name": settings.service_name,
    }
