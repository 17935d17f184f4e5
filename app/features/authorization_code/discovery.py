"""OpenID Connect Discovery 1.0."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from app.features.authorization_code.authorization_request import PROMPTS, RESPONSE_MODES
from app.features.authorization_code.userinfo import CLAIMS
from app.identity.registration import ID_TOKEN_ALGORITHMS
from app.oauth2.metadata import MAX_AGE, describe
from app.oauth2.published import Published, serve_published
from app.server import Server
from app.settings import Settings
from app.web.dependencies import server_of
from app.web.problems import PROBLEM_RESPONSES

WELL_KNOWN = "/.well-known/openid-configuration"


def metadata(settings: Settings) -> Mapping[str, Any]:
    """What the document of RFC 8414 says of the authorization endpoint."""
    return {
        "authorization_endpoint": f"{settings.issuer}/authorize",
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }


def discovery_router(server: Server, grants: Collection[str]) -> APIRouter:
    """The document at its well-known address.

    For an issuer with a path, OpenID Connect puts the address behind that path, where a proxy
    that strips the path finds the plain one; RFC 8414 puts it in front. All are served.
    """
    router = APIRouter(tags=["discovery"], responses=PROBLEM_RESPONSES)
    path = urlsplit(server.settings.issuer).path

    of_features, prompts = server.published_by_features, server.prompts
    render = partial(configuration, server.settings, grants, of_features, prompts)
    published = Published(render, MAX_AGE)

    async def openid_configuration(request: Request) -> Response:
        """What this OpenID Connect provider can do, for client libraries."""
        return published.answer(request, await server_of(request).scopes.all())

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


def configuration(
    settings: Settings,
    grants: Collection[str],
    of_features: Mapping[str, Any],
    prompts: Collection[str],
    scopes: Collection[str],
) -> dict[str, Any]:
    """The members of section 3, beside those of RFC 8414. Features may add ``prompts``."""
    issuer = settings.issuer
    return {
        **describe(settings, grants, of_features, scopes),
        "userinfo_endpoint": f"{issuer}/userinfo",
        "end_session_endpoint": f"{issuer}/logout",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(ID_TOKEN_ALGORITHMS),
        "claims_supported": [
            "iss",
            "aud",
            "exp",
            "iat",
            "auth_time",
            "acr",
            "amr",
            "nonce",
            *CLAIMS,
        ],
        "prompt_values_supported": [*PROMPTS, *prompts],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
