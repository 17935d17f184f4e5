"""A refresh costs the same however many tokens there are, even if it was planned for a few."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import event

from app.audit.trail import NOWHERE
from app.server import Server
from app.tokens import refresh_postgresql, refresh_tokens
from tests.support.factories import TestUser, add_client, log_in

ROTATIONS = {"in one statement": refresh_postgresql.rotate, "in steps": refresh_tokens.rotate}


@pytest.mark.parametrize("rotation", ROTATIONS)
@pytest.mark.parametrize("grace", [0, 60])
@pytest.mark.parametrize("backend", ["postgresql"], indirect=True, scope="session")
async def test_every_row_is_looked_up_by_a_key(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, rotation: str, grace: int
) -> None:
    web = await add_client(server, grant_types=("password", "refresh_token"))
    for _ in range(8):
        tokens = await log_in(http, alice, web)
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cu: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    engines = (server.database._reader.sync_engine, server.database._writer.sync_engine)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    now, token = server.clock.now(), tokens["refresh_token"]
    await ROTATIONS[rotation](
        server.database, token, web.client_id, [], now, timedelta(seconds=grace), NOWHERE
    )
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)

    plans = []
    async with server.database.read() as connection:
        for statement, parameters in asked:
            rows = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
            plans += [str(row[0]) for row in rows]
    assert [line for line in plans if "Update on refresh_tokens" in line]
    assert [line for line in plans if "Seq Scan on refresh_tokens" in line or "Hash" in line] == []
