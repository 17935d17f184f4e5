"""Token introspection: RFC 7662."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from app.audit.trail import Event
from app.errors import InvalidClientError
from app.identity.clients import RegisteredClient
from app.oauth2.client_auth import authenticate_client
from app.oauth2.responses import NO_STORE, PROTOCOL_ERRORS, form_body
from app.oauth2.revocation import is_access_token, required_token
from app.security.jwt import InvalidTokenError
from app.server import Server
from app.tokens.access_tokens import AccessToken
from app.tokens.refresh_tokens import find_refresh_token
from app.tokens.revoked_tokens import is_revoked
from app.web.dependencies import server_of
from app.web.form import read_form
from app.web.origin import origin_of
from app.web.routes import OAuth2Route

router = APIRouter(tags=["oauth2"], route_class=OAuth2Route)

INACTIVE: dict[str, Any] = {"active": False}
"""All that is ever said of a token that is not good, or not for the caller to see."""


class Introspection(BaseModel):
    """RFC 7662, section 2.2. Only `active` is there unless it is true."""

    active: bool
    scope: str | None = Field(default=None, examples=["profile email"])
    client_id: str | None = None
    username: str | None = Field(default=None, description="Absent for a client's own token.")
    token_type: str | None = Field(default=None, examples=["Bearer"])
    exp: int | None = None
    iat: int | None = None
    nbf: int | None = None
    sub: str | None = None
    aud: str | list[str] | None = None
    iss: str | None = None
    jti: str | None = None


@router.post(
    "/introspect",
    operation_id="introspect",
    summary="Introspect a token",
    responses={
        200: {"model": Introspection, "description": "The state of the token."},
        **PROTOCOL_ERRORS,
    },
    openapi_extra={"requestBody": form_body({"token": "An access or a refresh token."})},
)
async def introspect(request: Request) -> Response:
    """The state of a token at this moment (RFC 7662), for confidential clients.

    A client sees its own tokens; one that was registered with `introspect: any` sees every
    client's access tokens, and API keys where they are taken as bearer tokens; and one that serves
    a resource sees the tokens for that. For anything else, the answer is that it is not active.
    """
    server = server_of(request)
    form = await read_form(request)
    client = await authenticate_client(request, form, server)
    if client.is_public:
        raise InvalidClientError(reason="introspection by a public client")
    token = required_token(form)
    if is_access_token(token):
        answer = await _access_token(server, token, client)
    else:
        answer = await _key(server, token, client) or await _refresh_token(server, token, client)
    introspected = Event(
        type="token.introspected",
        actor=client.client_id,
        client_id=client.client_id,
        origin=origin_of(request),
        details={"active": answer["active"]},
    )
    server.audit_batch.add(introspected, server.clock.now())
    return JSONResponse(answer, headers=NO_STORE)


async def _access_token(server: Server, token: str, caller: RegisteredClient) -> dict[str, Any]:
    try:
        access_token = await server.access_tokens.read(token)
    except InvalidTokenError:
        return INACTIVE
    if not await _may_see(server, access_token, caller):
        return INACTIVE
    client = await server.clients.find(access_token.client_id)
    if client is None or not access_token.is_current_for(client):
        return INACTIVE
    if access_token.login_id is None:
        async with server.database.read() as connection:
            if await is_revoked(connection, access_token.token_id):
                return INACTIVE
        username = {}
    else:
        user = await server.live_logins.find(access_token.login_id)
        if user is None or str(user.id) != access_token.subject:
            return INACTIVE
        username = {"username": user.username}
    audience = access_token.audience
    return {
        "active": True,
        "scope": access_token.scope,
        "client_id": access_token.client_id,
        **username,
        "token_type": "Bearer",
        "exp": int(access_token.expires_at),
        "iat": int(access_token.issued_at),
        "nbf": int(access_token.good_from),
        "sub": access_token.subject,
        "aud": audience[0] if len(audience) == 1 else list(audience),
        "iss": server.settings.issuer,
        "jti": access_token.token_id,
        **access_token.authentication,
    }


async def _key(server: Server, token: str, caller: RegisteredClient) -> dict[str, Any] | None:
    """A good key, for whoever sees what belongs to no client; None for what is no such key."""
    kind = server.find_key_kind(token)
    if kind is None or caller.introspect != "any":
        return None
    if await server.resources.served_by(caller.client_id):
        return None  # a key is for this server
    key = await kind.use(server.database, token, server.clock.now())
    if key is None:
        return None
    issued_at = int(key.created_at.timestamp())
    expires = {} if key.expires_at is None else {"exp": int(key.expires_at.timestamp())}
    return {
        "active": True,
        "scope": " ".join(sorted(key.permitted)),
        "username": key.user.username,
        "token_type": "Bearer",
        **expires,
        "iat": issued_at,
        "nbf": issued_at,
        "sub": str(key.user.id),
        "aud": server.settings.audience,
        "iss": server.settings.issuer,
        "jti": str(key.id),
    }


async def _may_see(server: Server, token: AccessToken, caller: RegisteredClient) -> bool:
    """Whether the token is good for something, and the caller one who may know (section 4).

    A client that serves resources is told of the tokens for them, and of no others.
    """
    known = [
        audience
        for audience in token.audience
        if audience == server.settings.audience or await server.resources.is_known(audience)
    ]
    if not known:
        return False
    if token.client_id == caller.client_id:
        return True
    served = await server.resources.served_by(caller.client_id)
    return bool(served.intersection(known)) if served else caller.introspect == "any"


async def _refresh_token(server: Server, token: str, caller: RegisteredClient) -> dict[str, Any]:
    """Active for the client that it was issued to, whatever that client may otherwise see."""
    async with server.database.read() as connection:
        presented = await find_refresh_token(connection, token, server.clock.now())
    if presented is None or not presented.usable:
        return INACTIVE
    family = presented.family
    if not family.alive or family.client_id != caller.client_id:
        return INACTIVE
    issued_at = int(presented.issued_at.timestamp())
    return {
        "active": True,
        "scope": family.scope,
        "client_id": family.client_id,
        "username": family.person.username,
        "token_type": "refresh_token",
        "exp": int(family.expires_at.timestamp()),
        "iat": issued_at,
        "nbf": issued_at,
        "sub": str(family.user_id),
        "aud": server.settings.issuer,
        "iss": server.settings.issuer,
    }
