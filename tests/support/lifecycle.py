"""What happens to tokens after they were issued: refreshing, revoking, asking about them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import delete, insert, select, update

from app.login.logins import end_login
from app.models import Client, ClientScope, Login, User, UserScope
from app.server import Server
from tests.support.factories import SCOPES, TestClient, TestUser, add_client
from tests.support.forger import read_claims

Tokens = dict[str, Any]
"""A successful answer of ``/token``."""

KNOWN_EVERYWHERE = 2
"""Seconds after which every worker has learned of a change to a client, a scope or a key."""

INACTIVE = {"active": False}


# Clients


async def add_refreshing(
    server: Server,
    client_id: str = "shop",
    *,
    is_public: bool = False,
    scopes: Sequence[str] = SCOPES,
    **more: Any,
) -> TestClient:
    """A client that logs users in and may refresh; confidential unless said otherwise."""
    return await add_client(
        server,
        client_id,
        is_public=is_public,
        grant_types=("password", "refresh_token"),
        scopes=scopes,
        **more,
    )


async def add_service(
    server: Server,
    client_id: str = "service",
    *,
    scopes: Sequence[str] = ("items:read", "items:write"),
    default_scopes: Sequence[str] = ("items:read",),
    **more: Any,
) -> TestClient:
    """A confidential client that acts for itself."""
    return await add_client(
        server,
        client_id,
        grant_types=("client_credentials",),
        scopes=scopes,
        default_scopes=default_scopes,
        **more,
    )


async def add_resource_server(server: Server) -> TestClient:
    """A client that may introspect every client's access tokens."""
    return await add_service(server, "api", introspect="any")


# Requests


def credentials(client: TestClient) -> dict[str, str]:
    """What ``client`` puts into the body: its name, and its secret unless it is public."""
    secret = {"client_secret": client.secret} if client.secret else {}
    return {"client_id": client.client_id, **secret}


async def refresh(
    http: httpx2.AsyncClient, client: TestClient, token: str, scope: str = ""
) -> httpx2.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token, "scope": scope}
    return await http.post("/token", data=form | credentials(client))


async def refreshed(
    http: httpx2.AsyncClient, client: TestClient, token: str, scope: str = ""
) -> Tokens:
    """The answer to a refresh that succeeds."""
    response = await refresh(http, client, token, scope)
    assert response.status_code == 200, response.text
    answer: Tokens = response.json()
    return answer


async def act_for_itself(
    http: httpx2.AsyncClient, client: TestClient, scope: str = ""
) -> httpx2.Response:
    form = {"grant_type": "client_credentials", "scope": scope}
    return await http.post("/token", data=form | credentials(client))


async def own_token(http: httpx2.AsyncClient, client: TestClient, scope: str = "") -> str:
    """The access token of a client that acts for itself."""
    response = await act_for_itself(http, client, scope)
    assert response.status_code == 200, response.text
    token: str = response.json()["access_token"]
    return token


async def revoke(
    http: httpx2.AsyncClient, client: TestClient, token: str, hint: str = ""
) -> httpx2.Response:
    form = {"token": token, "token_type_hint": hint}
    return await http.post("/revoke", data=form | credentials(client))


async def revoked(http: httpx2.AsyncClient, client: TestClient, token: str, hint: str = "") -> None:
    """Revoke ``token``; the answer is the one and only of RFC 7009, section 2.2."""
    response = await revoke(http, client, token, hint)
    assert (response.status_code, response.text) == (200, "{}")


async def introspect(
    http: httpx2.AsyncClient, client: TestClient, token: str, hint: str = ""
) -> httpx2.Response:
    form = {"token": token, "token_type_hint": hint}
    return await http.post("/introspect", data=form, auth=client.basic)


async def introspected(
    http: httpx2.AsyncClient, client: TestClient, token: str, hint: str = ""
) -> Tokens:
    """What ``client`` is told of ``token``."""
    response = await introspect(http, client, token, hint)
    assert response.status_code == 200, response.text
    answer: Tokens = response.json()
    return answer


async def is_active(http: httpx2.AsyncClient, client: TestClient, token: str) -> bool:
    active: bool = (await introspected(http, client, token))["active"]
    return active


# Changes behind the server's back


def login_of(tokens: Tokens) -> UUID:
    return UUID(read_claims(tokens["access_token"])["sid"])


async def end(server: Server, tokens: Tokens) -> None:
    """End the login that the tokens come from."""
    async with server.database.transaction() as connection:
        await end_login(connection, login_of(tokens), server.clock.now())


async def ended_at(server: Server, tokens: Tokens) -> datetime | None:
    """When the login ended, as the database has it."""
    async with server.database.read() as connection:
        found: datetime | None = await connection.scalar(
            select(Login.ended_at).where(Login.id == login_of(tokens))
        )
    return found


async def delete_user(server: Server, user: TestUser) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(delete(User).where(User.id == user.id))


async def disable_client(server: Server, client: TestClient) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(
            update(Client)
            .where(Client.client_id == client.client_id)
            .values(disabled_at=server.clock.now())
        )


async def set_grants(server: Server, client: TestClient, *grant_types: str) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(
            update(Client)
            .where(Client.client_id == client.client_id)
            .values(grant_types=list(grant_types))
        )


async def give_to_user(server: Server, user: TestUser, scope: str) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(insert(UserScope).values(user_id=user.id, scope=scope))


async def take_from_user(server: Server, user: TestUser, *scopes: str) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(
            delete(UserScope).where(UserScope.user_id == user.id, UserScope.scope.in_(scopes))
        )


async def give_to_client(server: Server, client: TestClient, *scopes: str) -> None:
    rows = [{"client_id": client.client_id, "scope": scope} for scope in scopes]
    async with server.database.transaction() as connection:
        await connection.execute(insert(ClientScope), rows)


async def take_from_client(server: Server, client: TestClient, *scopes: str) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(
            delete(ClientScope).where(
                ClientScope.client_id == client.client_id, ClientScope.scope.in_(scopes)
            )
        )
