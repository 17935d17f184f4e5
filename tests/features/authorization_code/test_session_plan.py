"""What it takes to end a session does not grow with the logins that came through none."""

import uuid

from sqlalchemy import event, insert, text

from app.audit.trail import NOWHERE
from app.features.authorization_code.browser_sessions import end_session
from app.login.logins import login_row
from app.models import Login
from app.server import Server
from tests.support.factories import TestClient, TestUser
from tests.support.on_sqlite import backend as backend

MANY = 2000


async def test_on_sqlite_its_logins_are_still_looked_up_by_a_key_after_an_analyze(
    server: Server, alice: TestUser, web: TestClient
) -> None:
    now = server.clock.now()
    logins = [
        login_row(
            user_id=alice.id,
            client_id=web.client_id,
            scope="profile",
            origin=NOWHERE,
            now=now,
            expires_at=now,
        )
        for _ in range(MANY)
    ]
    async with server.database.transaction() as connection:
        await connection.execute(insert(Login), logins)
        await connection.execute(text("ANALYZE"))
    asked: list[tuple[str, object]] = []
    async with server.database.transaction() as connection:

        @event.listens_for(connection.sync_connection, "before_cursor_execute")
        def note(_c: object, _cu: object, statement: str, parameters: object, *_: object) -> None:
            asked.append((statement, parameters))

        await end_session(connection, uuid.uuid4(), now)
        event.remove(connection.sync_connection, "before_cursor_execute", note)
        plans = []
        for statement, parameters in asked:
            rows = await connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statement}",
                tuple(parameters),  # type: ignore[arg-type]
            )
            plans += [str(row[-1]) for row in rows]
    assert [line for line in plans if line.startswith("SEARCH logins USING")]
    assert [line for line in plans if line.startswith("SCAN logins")] == []
