"""Authorization server metadata: RFC 8414. Lists what works, and nothing else."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from app.identity.registration import SECRET_METHODS
from app.languages.reader import languages
from app.oauth2.published import Published, serve_published
from app.settings import Settings
from app.web.dependencies import server_of
from app.web.problems import PROBLEM_RESPONSES

WELL_KNOWN = "/.well-known/oauth-authorization-server"

MAX_AGE = 60
"""Seconds. A scope that is added shows soon."""


def metadata_router(
    settings: Settings, grants: Collection[str], of_features: Mapping[str, Any]
) -> APIRouter:
    """The document at its well-known address.

    For an issuer with a path the address is the well-known one with that path behind it
    (section 3.1); the plain one serves proxies that strip the path.
    """
    router = APIRouter(tags=["discovery"], responses=PROBLEM_RESPONSES)

    published = Published(partial(describe, settings, grants, of_features), MAX_AGE)

    async def metadata(request: Request) -> Response:
        """What this server can do, for client libraries (RFC 8414)."""
        return published.answer(request, await server_of(request).scopes.all())

    for path in dict.fromkeys([WELL_KNOWN, WELL_KNOWN + urlsplit(settings.issuer).path]):
        serve_published(
            router,
            path,
            metadata,
            operation_id="get_metadata",
            summary="Get the server metadata",
            include_in_schema=path == WELL_KNOWN,
            response_model=dict[str, Any],
        )
    return router


def describe(
    settings: Settings,
    grants: Collection[str],
    of_features: Mapping[str, Any],
    scopes: Collection[str],
) -> dict[str, Any]:
    """The members of RFC 8414, section 2. One without elements is left out (section 3.2).

    So is ``response_types_supported`` where there is no authorization endpoint.
    """
    issuer = settings.issuer
    document = {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/token",
        "token_endpoint_auth_methods_supported": [*SECRET_METHODS, "none"],
        "grant_types_supported": list(grants),
        "scopes_supported": list(scopes),
        "ui_locales_supported": sorted(languages()),
        "revocation_endpoint": f"{issuer}/revoke",
        "revocation_endpoint_auth_methods_supported": [*SECRET_METHODS, "none"],
        "introspection_endpoint": f"{issuer}/introspect",
        "introspection_endpoint_auth_methods_supported": list(SECRET_METHODS),
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        **of_features,
    }
    return {name: value for name, value in document.items() if value != []}
