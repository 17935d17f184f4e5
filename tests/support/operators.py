"""Who manages, with which token; what they send; and what the audit trail has of it."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import httpx2
from sqlalchemy import insert

from app.audit.trail import NOWHERE, RecordedEvent, list_events
from app.identity.clients import find_client
from app.identity.scopes import BUILT_IN
from app.login.logins import login_row
from app.login.strength import PASSWORD_ALONE
from app.models import Login
from app.server import Server
from tests.support.assertions import assert_problem
from tests.support.databases import SAMPLE_SCOPES
from tests.support.factories import TestClient, TestUser, add_client, add_user, bearer

EVERY_SCOPE = tuple(sorted({*BUILT_IN, *SAMPLE_SCOPES}))
"""Those of a database of the tests, whichever features are there; a fork has its own beside."""

NOBODYS = "00000000-0000-4000-8000-000000000000"
NO_USER = "There is no such user."
NO_CLIENT = "There is no such client."
SENTINEL = "sentinel-of-the-input"
INVALID = "The request does not have the form that is described."

TOO_GREAT = "You can only manage users and clients whose scopes you have yourself."
NOT_YOURS = "You can only grant scopes that you have yourself."
THE_LAST = "This is the last administrator: create another one first."


async def add_console(server: Server) -> TestClient:
    """A public client through which people manage."""
    return await add_client(
        server,
        "console",
        is_public=True,
        grant_types=("password", "refresh_token"),
        scopes=EVERY_SCOPE,
        default_scopes=EVERY_SCOPE,
    )


async def add_somebody(server: Server, *scopes: str, name: str = "somebody") -> TestUser:
    """A user whose name nobody else has."""
    return await add_user(server, f"{name} {uuid.uuid4()}", scopes=scopes)


async def token_of(
    server: Server,
    user: TestUser,
    *scopes: str,
    client_id: str = "console",
    amr: Sequence[str] = PASSWORD_ALONE,
) -> dict[str, str]:
    """The header with a token of ``user`` that has these scopes, without a password check."""
    now = server.clock.now()
    scope = " ".join(scopes)
    login = login_row(
        user_id=user.id,
        client_id=client_id,
        scope=scope,
        origin=NOWHERE,
        now=now,
        expires_at=now + timedelta(days=1),
        amr=amr,
    )
    async with server.database.transaction() as connection:
        await connection.execute(insert(Login), login)
    token = server.access_tokens.sign(
        await server.access_tokens.signing_key(),
        subject=str(user.id),
        client_id=client_id,
        scope=scope,
        login_id=login["id"],
        lifetime=server.settings.access_token_ttl,
        authentication={} if amr == PASSWORD_ALONE else {"amr": list(amr)},
    )
    return bearer(token)


async def token_of_client(server: Server, client: TestClient, *scopes: str) -> dict[str, str]:
    """The header with a token of a client that acts for itself."""
    async with server.database.read() as connection:
        stored = await find_client(connection, client.client_id)
    token = server.access_tokens.sign(
        await server.access_tokens.signing_key(),
        subject=client.client_id,
        client_id=client.client_id,
        scope=" ".join(scopes),
        login_id=None,
        client_stamp=stored.security_stamp if stored else "",
        lifetime=server.settings.access_token_ttl,
    )
    return bearer(token)


def written(moment: datetime) -> str:
    """A time, as JSON answers have it."""
    return moment.isoformat().replace("+00:00", "Z")


def assert_refused(response: httpx2.Response, status: int, detail: str) -> None:
    """A whole problem without a list of fields."""
    assert assert_problem(response, status) == {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }


def assert_invalid(response: httpx2.Response, *errors: tuple[str, str]) -> None:
    """A whole problem with the fields at fault."""
    assert assert_problem(response, 422) == {
        "type": "about:blank",
        "title": HTTPStatus(422).phrase,
        "status": 422,
        "detail": INVALID,
        "errors": [{"field": field, "reason": reason} for field, reason in errors],
    }


async def walk(
    http: httpx2.AsyncClient,
    headers: Mapping[str, str],
    path: str,
    kind: str,
    key: str,
    **parameters: Any,
) -> list[list[Any]]:
    """What every page of a list has under ``key``."""
    pages: list[list[Any]] = []
    while True:
        response = await http.get(path, params=parameters, headers=headers)
        assert response.status_code == 200, response.text
        body = response.json()
        assert set(body) == {kind, "next_cursor"}
        pages.append([record[key] for record in body[kind]])
        if body["next_cursor"] is None:
            return pages
        parameters["cursor"] = body["next_cursor"]


async def events(server: Server, **filters: Any) -> Sequence[RecordedEvent]:
    """The newest events that match, oldest first; those that wait are written before."""
    await server.audit_batch.write()
    async with server.database.read() as connection:
        return (await list_events(connection, limit=1000, **filters))[::-1]
