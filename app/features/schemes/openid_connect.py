"""``OpenIdConnect``, completed: everything about the issuer comes from its discovery document.

The work is in :mod:`app.features.schemes.dropin.openid_connect`, which reads the document and the
keys over HTTP and trusts any issuer that it is told to. Here the issuer is this server itself, so
the login behind the token is asked for as well.
"""

from collections.abc import Collection
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request, Response, Security
from fastapi.security import SecurityScopes
from starlette.requests import HTTPConnection

from app.errors import InsufficientScopeError, InvalidTokenError
from app.features.authorization_code.discovery import configuration, metadata
from app.features.authorization_code.grant import GRANT
from app.features.schemes.answer import TAG, SchemeAnswer, answer_for
from app.features.schemes.dropin.openid_connect import Claims, OpenIdConnectBearer
from app.oauth2.bearer import BEARER_RESPONSES, bearer_token, identify, verify
from app.oauth2.grants import supported_grants
from app.oauth2.published import Published
from app.oauth2.responses import demo_hint
from app.settings import Settings
from app.web.dependencies import CurrentServer

DOCS_DISCOVERY = "/docs/openid-configuration"

GRANTS = ("authorization_code", "password", "client_credentials")
"""Those that a person can use in a form."""

SCOPES = ("openid", "profile", "email")
"""Those that this sample is about."""


class ThisServer(OpenIdConnectBearer):
    """The drop-in with the error bodies of this server."""

    async def __call__(  # type: ignore[override]
        self, request: HTTPConnection, security_scopes: SecurityScopes
    ) -> Claims | None:
        """The claims of the token. Raises a :class:`~app.errors.BearerError`."""
        bearer_token(request)
        try:
            return await super().__call__(request, security_scopes)
        except HTTPException as error:
            if error.status_code == 401:
                raise InvalidTokenError(reason=str(error.detail)) from None
            if error.status_code == 403:
                raise InsufficientScopeError(security_scopes.scopes) from None
            raise


def make_router(settings: Settings) -> APIRouter:
    """The sample route, for tokens of this very server."""
    router = APIRouter(tags=[TAG])
    oidc = ThisServer(
        openIdConnectUrl=DOCS_DISCOVERY.removeprefix("/"),
        issuer=settings.issuer,
        audience=settings.audience,
        realm=settings.realm,
        scheme_name="OpenIdConnect",
        description="The same logins, found through the discovery document.",
    )

    @router.get(
        "/schemes/openid-connect",
        operation_id="scheme_openid_connect",
        summary="OpenIdConnect, completed",
        responses=BEARER_RESPONSES,
        description="Validate an access token with what the discovery document says.\n\nIn the "
        "dialog of **Authorize** the popup and the password get one; the token of a client that "
        "logs in for itself is refused (403), because a user is wanted."
        + demo_hint(settings, "`alice` and `alice-in-wonderland`"),
    )
    async def openid_connect(
        request: Request, server: CurrentServer, claims: Annotated[Claims, Security(oidc)]
    ) -> SchemeAnswer:
        """Whose access token it is."""
        user = await identify(server, await verify(server, bearer_token(request)), [])
        return answer_for("OpenIdConnect", user)

    published = Published(partial(_configuration_for_docs, settings), 0)

    @router.get(DOCS_DISCOVERY, include_in_schema=False)
    async def docs_discovery(request: Request, server: CurrentServer) -> Response:
        """The discovery document for Swagger UI."""
        answer = published.answer(request, await server.scopes.all())
        answer.headers["Cache-Control"] = "no-cache"
        return answer

    return router


def _configuration_for_docs(settings: Settings, scopes: Collection[str]) -> dict[str, Any]:
    """The document with the grants that Swagger UI has forms for.

    Its endpoints are relative, as those of the other schemes in OpenAPI are: so a login works
    where the page is, be it the issuer's address or, in development, localhost.
    """
    grants = supported_grants(settings, [GRANT])
    document = configuration(settings, grants, metadata(settings), (), scopes)
    relative = {
        name: document[name].removeprefix(f"{document['issuer']}/")
        for name in ("authorization_endpoint", "token_endpoint")
    }
    usable = [grant for grant in GRANTS if grant in document["grant_types_supported"]]
    named = [scope for scope in document["scopes_supported"] if scope in SCOPES]
    return {
        **document,
        **relative,
        "grant_types_supported": usable,
        "scopes_supported": named,
    }
