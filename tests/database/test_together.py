"""Rows of several tables that are written at once."""

import uuid
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError

from app.audit.trail import NOWHERE, Event
from app.database.together import insert_together
from app.login.logins import login_row
from app.models import AuditEvent, Login, RefreshToken
from app.server import Server
from app.tokens.refresh_tokens import first_refresh_token
from tests.support.factories import TestClient, TestUser


def row_of_a_login(server: Server, user_id: uuid.UUID, client: TestClient) -> dict[str, Any]:
    now = server.clock.now()
    return login_row(
        user_id=user_id,
        client_id=client.client_id,
        scope="profile",
        origin=NOWHERE,
        now=now,
        expires_at=now,
    )


def rows_of_events(server: Server, *actors: str) -> list[dict[str, Any]]:
    now = server.clock.now()
    return [Event(type="token.issued", actor=actor).row(now) for actor in actors]


async def test_rows_refer_to_each_other_and_those_of_one_table_keep_their_order(
    server: Server, alice: TestUser, web: TestClient
) -> None:
    login = row_of_a_login(server, alice.id, web)
    _, token = first_refresh_token(login["id"], server.clock.now())
    events = rows_of_events(server, "first", "second")
    async with server.database.transaction() as connection:
        await insert_together(
            connection, (Login, [login]), (RefreshToken, [token]), (AuditEvent, events)
        )
    async with server.database.read() as connection:
        stored = (await connection.execute(select(Login.id, Login.amr, Login.ended_at))).one()
        assert tuple(stored) == (login["id"], ["pwd"], None)
        kept = select(RefreshToken.login_id, RefreshToken.token_hash, RefreshToken.successors)
        assert tuple((await connection.execute(kept)).one()) == (
            login["id"],
            token["token_hash"],
            0,
        )
        actors = select(AuditEvent.actor).where(AuditEvent.type == "token.issued")
        assert list(await connection.scalars(actors.order_by(AuditEvent.id))) == ["first", "second"]


async def test_nothing_is_there_if_one_of_them_is_refused(server: Server, web: TestClient) -> None:
    login = row_of_a_login(server, uuid.uuid4(), web)  # of nobody
    events = rows_of_events(server, "nobody")
    with pytest.raises(IntegrityError):
        await server.database.transact(
            lambda connection: insert_together(connection, (AuditEvent, events), (Login, [login]))
        )
    async with server.database.read() as connection:
        actors = select(AuditEvent.id).where(AuditEvent.actor == "nobody")
        assert list(await connection.scalars(actors)) == []


async def test_postgresql_is_asked_once(server: Server, alice: TestUser, web: TestClient) -> None:
    login = row_of_a_login(server, alice.id, web)
    sent: list[str] = []
    async with server.database.transaction() as connection:

        @event.listens_for(connection.sync_connection, "before_cursor_execute")
        def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            sent.append(statement)

        events = rows_of_events(server, "first", "second")
        await insert_together(connection, (Login, [login]), (AuditEvent, events))
    assert len(sent) == (2 if server.database.is_sqlite else 1)
