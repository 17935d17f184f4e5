"""API keys that come with a request, and the dependencies of a route that takes them.

@router.get("/reports")
async def reports(user: Annotated[CurrentUser, Security(current_user_or_key, scopes=["reports"])]):
    ...

Such a route takes an access token or an API key, whatever ``LATCHKEY_API_KEYS_AS_BEARER`` says: the
key as ``Authorization: Bearer lk_…``, or in the header ``X-API-Key``.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, OAuth2PasswordBearer, SecurityScopes
from starlette.requests import HTTPConnection

from app.errors import AnsweredError, InsufficientScopeError, InvalidTokenError, Problem
from app.features.api_keys.form import has_form_of_key
from app.features.api_keys.service import use_api_key
from app.login.user_keys import UserKey
from app.oauth2.acting import ActingUser, act_as_user
from app.oauth2.bearer import (
    Credential,
    CurrentUser,
    bearer_token,
    current_user,
    identify,
    presents_bearer,
    verify,
)
from app.server import Server
from app.web.dependencies import CurrentServer, Transaction
from app.web.openers import guard
from app.web.origin import origin_of

HEADER = "X-API-Key"


class InvalidApiKeyError(AnsweredError):
    """No API key, or one that is not good. ``APIKey`` is no registered scheme; FastAPI's word."""

    status = 401
    media_type = "application/problem+json"

    def content(self) -> dict[str, Any]:
        """The same for every reason."""
        return Problem(told="A valid API key is needed.", status=401).content()

    def headers(self, realm: str) -> dict[str, str]:
        """The challenge."""
        return {"WWW-Authenticate": f'APIKey realm="{realm}"'}


async def check_api_key(server: Server, key: str | None) -> UserKey:
    """The good ``key``. Raises :class:`InvalidApiKeyError`."""
    found = await use_api_key(server.database, key, server.clock.now()) if key else None
    if found is None:
        raise InvalidApiKeyError(
            reason="no API key" if key is None else "an API key that is not good"
        )
    return found


def refuse_repeated(keys: Sequence[str]) -> None:
    """Raise :class:`InvalidApiKeyError` if there are several: which one counts nobody knows."""
    if len(keys) > 1:
        raise InvalidApiKeyError(reason="several API keys")


_bearer = OAuth2PasswordBearer(
    tokenUrl="token",
    refreshUrl="token",
    scheme_name=current_user.scheme_name,  # the same login as everywhere, described alike
    description=current_user.model.description,
    auto_error=False,
)
_header = APIKeyHeader(
    name=HEADER,
    scheme_name="APIKeyHeader",
    description="An API key, from `POST /api-keys`.",
    auto_error=False,
)


@guard
async def presented(
    security_scopes: SecurityScopes,
    request: HTTPConnection,
    server: CurrentServer,
    _token: Annotated[str | None, Security(_bearer)],
    key: Annotated[str | None, Security(_header)],
) -> Credential:
    """The access token or the key of the request, if it has the scopes. A bearer token goes first.

    Raises a :class:`~app.errors.BearerError` or :class:`InvalidApiKeyError`.
    """
    headers = request.headers.getlist(HEADER)
    if headers and not presents_bearer(request):
        refuse_repeated(headers)
        credential: Credential = await check_api_key(server, key)
    else:
        token = bearer_token(request)
        credential = await (_bearer_key if has_form_of_key(token) else verify)(server, token)
    if not credential.scopes.issuperset(security_scopes.scopes):
        raise InsufficientScopeError(security_scopes.scopes)
    return credential


async def _bearer_key(server: Server, token: str) -> UserKey:
    key = await use_api_key(server.database, token, server.clock.now())
    if key is None:
        raise InvalidTokenError(reason="an API key that is not good")
    return key


async def current_user_or_key(
    security_scopes: SecurityScopes,
    server: CurrentServer,
    credential: Annotated[Credential, Depends(presented)],
) -> CurrentUser:
    """Like :data:`~app.oauth2.bearer.current_user`, also for whoever comes with an API key."""
    return await identify(server, credential, security_scopes.scopes)


async def acting_user_or_key(
    security_scopes: SecurityScopes,
    request: Request,
    server: CurrentServer,
    credential: Annotated[Credential, Depends(presented)],
    transaction: Transaction,
) -> ActingUser:
    """Like :func:`~app.oauth2.acting.acting_user`, also for whoever comes with an API key."""
    scopes = security_scopes.scopes
    return await act_as_user(transaction, server, credential, scopes, origin_of(request))
