"""Protected routes: RFC 6750, with the scopes that FastAPI gathers in ``SecurityScopes``.

@router.get("/reports")
async def reports(user: Annotated[CurrentUser, Security(current_user, scopes=["reports"])]):
    ...
"""

import re
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.security import OAuth2PasswordBearer, SecurityScopes
from pydantic import Field
from starlette.requests import HTTPConnection

from app.audit.trail import Event, EventType
from app.errors import (
    InsufficientScopeError,
    InsufficientUserAuthenticationError,
    InvalidTokenError,
    MalformedRequestError,
    MissingTokenError,
    NotAUserError,
)
from app.identity.profile import Person
from app.login.logins import LiveUser
from app.login.strength import ACR, PASSWORD_ALONE, level_of
from app.login.user_keys import UserKey
from app.security import jwt
from app.server import Server
from app.tokens.access_tokens import AccessToken
from app.web.dependencies import DirectDependency, Found, server_of
from app.web.origin import origin_of
from app.web.problems import PROBLEM_RESPONSES, ProblemResponse, problem

_CREDENTIALS = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)
"""RFC 6750, section 2.1; scheme names know no case (RFC 9110, section 11.1)."""


def presents_bearer(request: HTTPConnection) -> bool:
    """Whether a bearer token is presented, be it good or not even readable."""
    return any(map(_is_bearer, request.headers.getlist("authorization")))


def _is_bearer(authorization: str) -> bool:
    return authorization.partition(" ")[0].lower() == "bearer"


def bearer_token(request: HTTPConnection) -> str:
    """The token of the ``Authorization`` header; the address is never looked at.

    Raises :class:`MissingTokenError`, :class:`MalformedRequestError`, or
    :class:`InvalidTokenError` for something that cannot be a token.
    """
    headers = request.headers.getlist("authorization")
    if not any(map(_is_bearer, headers)):
        raise MissingTokenError
    if len(headers) > 1:
        raise MalformedRequestError(reason="two Authorization headers")
    credentials = _CREDENTIALS.fullmatch(headers[0].strip())  # RFC 9110, section 5.5
    if credentials is None:
        raise InvalidTokenError(reason="not the form of a bearer token")
    return credentials[1]


class Guard(OAuth2PasswordBearer, DirectDependency[Found]):
    """FastAPI's ``OAuth2PasswordBearer``, which gives a route what the token stands for.

    It is one dependency, where a chain of functions would be one for each: resolving them takes
    FastAPI longer than all that they do. The errors are those of RFC 6750, section 3.1.
    """

    def __init__(self, find: Callable[[HTTPConnection, Sequence[str]], Awaitable[Found]]) -> None:
        """``find`` gets the request and the scopes that the route wants."""
        super().__init__(
            tokenUrl="token",
            scheme_name="OAuth2PasswordBearer",
            refreshUrl="token",
            description="Log in with a user's name and password.",
        )
        self._find = find

    async def __call__(  # type: ignore[override]
        self, request: HTTPConnection, security_scopes: SecurityScopes
    ) -> Found:
        """What the token stands for. Raises a :class:`~app.errors.BearerError`."""
        return await self.find(request, security_scopes.scopes)

    async def find(self, request: HTTPConnection, scopes: Sequence[str]) -> Found:
        """The same, for a route of which nobody has gathered the scopes."""
        return await self._find(request, scopes)


Credential = AccessToken | UserKey
"""What a bearer token turns out to be."""


def amr_of(credential: Credential) -> Sequence[str]:
    """With what its user logged in, by the names of RFC 8176; nothing for a key."""
    if isinstance(credential, UserKey) or credential.login_id is None:
        return ()
    amr: Sequence[str] = credential.authentication.get("amr", PASSWORD_ALONE)
    return amr


async def verify(server: Server, token: str) -> Credential:
    """The claims of an access token that is good and whose client is enabled, or a good key.

    Raises :class:`InvalidTokenError`.
    """
    if (kind := server.find_key_kind(token)) is not None:
        key = await kind.use(server.database, token, server.clock.now())
        if key is None:
            raise InvalidTokenError(reason="a key that is not good")
        return key
    return await verify_access_token(server, token)


async def verify_access_token(server: Server, token: str) -> AccessToken:
    """The claims of an access token that is good and whose client is enabled.

    Raises :class:`InvalidTokenError`.
    """
    try:
        access_token = await server.access_tokens.verify(token)
    except jwt.InvalidTokenError as error:
        raise InvalidTokenError(reason=str(error)) from None
    client = await server.clients.find(access_token.client_id)
    if client is None or not access_token.is_current_for(client):
        raise InvalidTokenError(reason="its client is disabled, or it is from before that")
    return access_token


async def _verified_token(request: HTTPConnection, scopes: Sequence[str]) -> Credential:
    server = server_of(request)
    credential = await verify(server, bearer_token(request))
    await _require_level(server, credential, scopes)
    return credential


async def _require_level(server: Server, credential: Credential, scopes: Sequence[str]) -> None:
    """Raise :class:`InsufficientUserAuthenticationError` if a scope takes more than was shown.

    A client that acts for itself shows nothing, and what lacks a scope is told that first.
    """
    if isinstance(credential, AccessToken) and credential.login_id is None:
        return
    level = await server.second_factors.level_of_scopes(scopes)
    if level_of(amr_of(credential)) < level and credential.scopes.issuperset(scopes):
        raise InsufficientUserAuthenticationError(ACR[level], reason="the login is too weak")


verified_token = Guard(_verified_token)
"""The claims of the request's access token, checked without the database: an
:class:`AccessToken`; or the :class:`UserKey` that came in its place. Whoever asks for it looks at
the scopes.

Raises :class:`InvalidTokenError`, or :class:`InsufficientUserAuthenticationError` where one of the
route's scopes takes a second factor and the login had none.
"""


@dataclass(frozen=True)
class CurrentUser(Person):
    """The user behind a request, and what their token permits."""

    login_id: uuid.UUID | None
    """None for a key, which belongs to no login and to no client."""
    client_id: str | None
    scopes: frozenset[str]
    """What the token permits and the user still has."""
    all_scopes: frozenset[str]
    """What the user has, whether or not this token permits it."""
    amr: Sequence[str] = ()
    """With what they logged in, by the names of RFC 8176; nothing for a key."""

    def event(self, event_type: EventType, request: HTTPConnection, **details: Any) -> Event:
        """An event of the audit trail that this user brought about."""
        return Event(
            type=event_type,
            actor=str(self.id),
            user_id=self.id,
            client_id=self.client_id,
            origin=origin_of(request),
            details=details,
        )


async def _current_user(request: HTTPConnection, scopes: Sequence[str]) -> CurrentUser:
    return await identify(server_of(request), await _verified_token(request, scopes), scopes)


current_user = Guard(_current_user)
"""The user of the access token, asked of the database at every request: a :class:`CurrentUser`.

With ``LATCHKEY_API_KEYS_AS_BEARER`` an API key is as good as an access token of its scopes. A login
that was ended, a key that was revoked, a user who was disabled and a scope that was taken from them
stop at once.
Raises :class:`InvalidTokenError`, :class:`InsufficientUserAuthenticationError`,
:class:`InsufficientScopeError`, or :class:`NotAUserError` for the token of a client that acts for
itself.
"""


async def identify(server: Server, token: Credential, scopes: Sequence[str]) -> CurrentUser:
    """The user of ``token``, which must have ``scopes``: see :data:`current_user`."""
    if isinstance(token, UserKey):
        return user_of_key(token, scopes)
    if not token.scopes.issuperset(scopes):
        raise InsufficientScopeError(scopes)
    if token.login_id is None:
        raise NotAUserError(scopes)
    return user_of(token, await server.live_logins.find(token.login_id), scopes)


def user_of(token: AccessToken, user: LiveUser | None, scopes: Sequence[str]) -> CurrentUser:
    """Judge ``token`` by the ``user`` whose login it belongs to, as the database has them now.

    Raises :class:`InvalidTokenError` or :class:`InsufficientScopeError`.
    """
    if not token.scopes.issuperset(scopes):
        raise InsufficientScopeError(scopes)
    if user is None or token.login_id is None or str(user.id) != token.subject:
        raise InvalidTokenError(reason="the login has ended, or the user is disabled")
    if not user.scopes.issuperset(scopes):
        raise InsufficientScopeError(scopes, reason="the user has lost a scope")
    return CurrentUser(
        id=user.id,
        username=user.username,
        profile=user.profile,
        updated_at=user.updated_at,
        login_id=token.login_id,
        client_id=token.client_id,
        scopes=token.scopes & user.scopes,
        all_scopes=user.scopes,
        amr=amr_of(token),
    )


def user_of_key(key: UserKey, scopes: Sequence[str]) -> CurrentUser:
    """The user of ``key``, which was just looked up. Raises :class:`InsufficientScopeError`."""
    if not key.scopes.issuperset(scopes):
        raise InsufficientScopeError(scopes)
    if not key.user.scopes.issuperset(scopes):
        raise InsufficientScopeError(scopes, reason="the user has lost a scope")
    return CurrentUser(
        id=key.user.id,
        username=key.user.username,
        profile=key.user.profile,
        updated_at=key.user.updated_at,
        login_id=None,
        client_id=None,
        scopes=key.permitted,
        all_scopes=key.user.scopes,
    )


class BearerProblemResponse(ProblemResponse):
    """A problem (RFC 9457) with what the challenge says (RFC 6750, section 3)."""

    error: str | None = Field(default=None, description="Null if no token was presented.")
    error_description: str | None = None
    scope: str | None = Field(default=None, description="What is needed, if it is a scope.")


def _error(description: str) -> dict[str, Any]:
    challenge = {
        "schema": {"type": "string"},
        "description": "`Bearer`, with the realm and the error.",
    }
    return problem(description, BearerProblemResponse) | {
        "headers": {"WWW-Authenticate": challenge}
    }


BEARER_RESPONSES: dict[int | str, dict[str, Any]] = {
    **PROBLEM_RESPONSES,
    400: _error("More than one token was sent (`invalid_request`)."),
    401: _error(
        "The access token is missing, or invalid (`invalid_token`), or its login too weak "
        "(`insufficient_user_authentication`)."
    ),
    403: _error("The token lacks a scope, or is not a user's (`insufficient_scope`)."),
}
"""What every route behind :data:`current_user` can answer, for its ``responses``."""


def forbidden(reason: str) -> dict[int | str, dict[str, Any]]:
    """The 403 of a route that refuses for the lack of a scope, or because ``reason``."""
    return {
        403: {
            **BEARER_RESPONSES[403],
            "description": f"The token lacks a scope (`insufficient_scope`), or {reason}.",
        }
    }
