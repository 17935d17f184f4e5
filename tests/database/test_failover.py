"""A database with two addresses, of which one goes away: PostgreSQL alone."""

from collections.abc import Generator

import pytest

from app.main import create_app
from tests.conftest import make_settings
from tests.support.clock import TestClock
from tests.support.databases import Backend
from tests.support.factories import add_client, add_user, bearer, log_in
from tests.support.relay import relay_to
from tests.support.started import started


@pytest.fixture
def url(postgresql: Backend) -> Generator[str]:
    made = postgresql.migrated()
    yield made
    postgresql.drop(made)


async def test_the_other_address_is_used_and_what_was_acknowledged_is_there(url: str) -> None:
    async with relay_to(url) as first, relay_to(url) as second:
        both = f"host=127.0.0.1:{first.port}&host=127.0.0.1:{second.port}"
        name = first.url.rpartition("/")[2]
        address = f"postgresql://postgres@/{name}?{both}&target_session_attrs=read-write"
        app = create_app(make_settings(database_url=address), TestClock())
        async with started(app) as http:
            alice, web = await add_user(app.state.server), await add_client(app.state.server)
            tokens = await log_in(http, alice, web)
            assert (first.connections > 0, second.connections) == (True, 0)
            await first.go_away()
            me = await http.get("/users/me", headers=bearer(tokens["access_token"]))
            if me.status_code == 503:  # for a connection that was lost in its use
                me = await http.get("/users/me", headers=bearer(tokens["access_token"]))
            assert me.json()["username"] == alice.username
            await log_in(http, alice, web)
            assert second.connections > 0
