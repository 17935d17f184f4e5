"""OpenID Connect Discovery 1.0."""

from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from app.identity.registration import ID_TOKEN_ALGORITHMS
from app.oauth2.metadata import MAX_AGE, describe
from app.oauth2.published import publish, serve_published
from app.oidc.userinfo import CLAIMS
from app.server import CurrentServer, Server
from app.settings import Settings
from app.web.problems import PROBLEM_RESPONSES

WELL_KNOWN = "/.well-known/openid-configuration"


def discovery_router(settings: Settings) -> APIRouter:
    """The document at its well-known address.

    For an issuer with a path, OpenID Connect puts the address behind that path, where a proxy
    that strips the path finds the plain one; RFC 8414 puts it in front. All are served.
    """
    router = APIRouter(tags=["discovery"], responses=PROBLEM_RESPONSES)
    path = urlsplit(settings.issuer).path

    async def openid_configuration(request: Request, server: CurrentServer) -> Response:
        """What this OpenID Connect provider can do, for client libraries."""
        return publish(request, await configuration(server), MAX_AGE)

    for address in dict.fromkeys([WELL_KNOWN, WELL_KNOWN + path, path + WELL_KNOWN]):
        serve_published(
            router,
            address,
            openid_configuration,
            operation_id="get_openid_configuration",
            summary="Get the provider metadata",
            include_in_schema=address == WELL_KNOWN,
            response_model=dict[str, Any],
        )
    return router


async def configuration(server: Server) -> dict[str, Any]:
    """The members of section 3, beside those of RFC 8414."""
    issuer = server.settings.issuer
    return {
        **await describe(server),
        "userinfo_endpoint": f"{issuer}/userinfo",
        "end_session_endpoint": f"{issuer}/logout",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(ID_TOKEN_ALGORITHMS),
        "claims_supported": ["iss", "aud", "exp", "iat", "auth_time", "nonce", *CLAIMS],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
