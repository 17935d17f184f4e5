"""Behind PgBouncer, where a connection may be another one in the next transaction."""

import asyncio
from collections.abc import Generator

import pytest

from app.main import create_app
from tests.conftest import make_settings
from tests.support.clock import TestClock
from tests.support.databases import Backend
from tests.support.factories import add_client, add_user, bearer, log_in
from tests.support.lifecycle import refreshed, revoked
from tests.support.live_server import latchkey
from tests.support.pgbouncer import SERVERS, pgbouncer
from tests.support.shell import Shell, assert_line
from tests.support.started import started

BEHIND = {"LATCHKEY_DATABASE_PGBOUNCER": "true"}
AT_ONCE = 4 * SERVERS


@pytest.fixture
def empty(postgresql: Backend) -> Generator[str]:
    made = postgresql.empty()
    yield made
    postgresql.drop(made)


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_the_database_is_migrated_and_served_behind_pgbouncer(empty: str, mode: str) -> None:
    with pgbouncer(empty, mode) as url:
        for _ in range(2):  # the second on connections that the first has left behind
            latchkey(url, "db", "upgrade", environment=BEHIND)
        asyncio.run(use(url))


def test_who_has_not_told_the_server_of_pgbouncer_is_told_how(empty: str) -> None:
    with pgbouncer(empty, "session") as url:
        assert_line(
            Shell(url)("db", "check"),
            "PgBouncer refuses the connection: unsupported startup parameter: lock_timeout: set "
            "LATCHKEY_DATABASE_PGBOUNCER=true",
        )


async def use(url: str) -> None:
    """More clients at once than there are connections to PostgreSQL."""
    app = create_app(make_settings(database_url=url, database_pgbouncer=True), TestClock())
    server = app.state.server
    async with started(app) as http:
        web = await add_client(
            server, grant_types=("password", "refresh_token"), scopes=("profile",)
        )
        users = [await add_user(server, f"user {n}", scopes=("profile",)) for n in range(AT_ONCE)]

        async def live(n: int) -> None:
            for _ in range(3):
                tokens = await log_in(http, users[n], web)
                tokens = await refreshed(http, web, tokens["refresh_token"])
                me = await http.get("/users/me", headers=bearer(tokens["access_token"]))
                assert me.json()["username"] == f"user {n}"
                await revoked(http, web, tokens["refresh_token"])
                me = await http.get("/users/me", headers=bearer(tokens["access_token"]))
                assert me.status_code == 401

        await asyncio.gather(*(live(n) for n in range(AT_ONCE)))
