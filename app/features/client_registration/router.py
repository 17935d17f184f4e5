"""Dynamic client registration (RFC 7591), and its management by the client (RFC 7592)."""

import json
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidRequestError
from app.features.client_registration import service
from app.features.client_registration.service import Registered
from app.features.client_registration.statement import (
    InvalidClientMetadataError,
    read_statement,
)
from app.features.client_registration.tokens import use_registration_token
from app.identity.clients import hold_client
from app.oauth2.bearer import bearer_token
from app.oauth2.responses import NO_STORE, PROTOCOL_ERRORS
from app.security.opaque import generate_secret, hash_secret
from app.server import Server
from app.settings import Settings
from app.web.dependencies import server_of
from app.web.origin import origin_of
from app.web.routes import AnyOriginOAuth2Route

PATH = "/connect/register"

UNNAMED = "An application without a name"

_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["redirect_uris"],
                "properties": {
                    "redirect_uris": {"type": "array", "items": {"type": "string"}},
                    "client_name": {"type": "string"},
                    "grant_types": {"type": "array", "items": {"type": "string"}},
                    "scope": {"type": "string"},
                },
            }
        }
    },
}


def registration_router(settings: Settings) -> APIRouter:
    """``/connect/register``: with an initial access token if the settings say so."""
    router = APIRouter(
        prefix=PATH,
        tags=["registration"],
        route_class=AnyOriginOAuth2Route,
        responses=PROTOCOL_ERRORS,
    )
    with_token = settings.client_registration == "token"

    @router.post(
        "",
        status_code=201,
        operation_id="register_client",
        summary="Register this client",
        openapi_extra={"requestBody": _BODY},
    )
    async def register(request: Request) -> Response:
        """Register a public client that uses the code flow with PKCE (RFC 7591, section 3)."""
        server, origin = server_of(request), origin_of(request)
        initial = bearer_token(request) if with_token else None
        statement = read_statement(await _read(request), settings.client_registration_schemes)
        token, client_id = generate_secret(), service.new_client_id()

        async def work(connection: AsyncConnection) -> Registered:
            now = server.clock.now()
            await service.require_room(connection, settings, origin, now)
            details = {}
            if initial is not None:
                details = {"token": await use_registration_token(connection, initial, now)}
            await service.add(
                connection,
                statement,
                server.resources,
                client_id=client_id,
                name=statement.name(UNNAMED),
                origin=origin,
                now=now,
                token_hash=hash_secret(token),
                details=details,
            )
            return await service.find_registered(connection, client_id, token)

        return _answer(server, await server.database.transact(work), 201)

    @router.get("/{client_id}", operation_id="get_registration", summary="Get this registration")
    async def read(request: Request, client_id: str) -> Response:
        """What the client is registered as (RFC 7592, section 2.1)."""
        server, token = server_of(request), bearer_token(request)
        async with server.database.read() as connection:
            return _answer(server, await service.find_registered(connection, client_id, token))

    @router.put(
        "/{client_id}",
        operation_id="replace_registration",
        summary="Replace this registration",
        openapi_extra={"requestBody": _BODY},
    )
    async def replace(request: Request, client_id: str) -> Response:
        """Register the client as something else (RFC 7592, section 2.2)."""
        server, token, origin = server_of(request), bearer_token(request), origin_of(request)
        document = await _read(request)
        if not isinstance(document, dict) or document.get("client_id") != client_id:
            raise InvalidRequestError(told="The body must have the client_id of the address.")
        statement = read_statement(document, settings.client_registration_schemes)

        async def work(connection: AsyncConnection) -> Registered:
            await hold_client(connection, client_id)
            await service.find_registered(connection, client_id, token)
            await service.replace(
                connection,
                statement,
                server.resources,
                client_id=client_id,
                name=statement.name(UNNAMED),
                origin=origin,
                now=server.clock.now(),
            )
            return await service.find_registered(connection, client_id, token)

        return _answer(server, await server.database.transact(work))

    @router.delete(
        "/{client_id}",
        status_code=204,
        operation_id="delete_registration",
        summary="Delete this registration",
    )
    async def delete(request: Request, client_id: str) -> Response:
        """Forget the client (RFC 7592, section 2.3). Every login through it ends."""
        server, token, origin = server_of(request), bearer_token(request), origin_of(request)

        async def work(connection: AsyncConnection) -> None:
            await hold_client(connection, client_id)
            await service.find_registered(connection, client_id, token)
            await service.remove(connection, client_id, origin, server.clock.now())

        await server.database.transact(work)
        return Response(status_code=204, headers=NO_STORE)

    return router


async def _read(request: Request) -> object:
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise InvalidClientMetadataError(told="The body must be application/json.")
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        raise InvalidClientMetadataError(told="The body is not JSON.") from None


def _answer(server: Server, client: Registered, status: int = 200) -> Response:
    """RFC 7591, section 3.2.1; RFC 7592, section 3."""
    content = {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.registered_at.timestamp()),
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": list(client.grant_types),
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": " ".join(client.scopes),
        **client.told,
        "registration_access_token": client.token,
        "registration_client_uri": f"{server.settings.issuer}{PATH}/{client.client_id}",
    }
    return JSONResponse(content, status, NO_STORE)
