"""The server with what its libraries have, in place of what it changes of them.

Each change stands behind one constant. Without it the server is slower, or bounds less, and does
the same.
"""

from pathlib import Path

import httpx2
import pytest

from app.database import engines, sqlite_driver
from app.main import create_app
from app.web.http_protocol import BoundedHttpProtocol
from tests.conftest import ISSUER, make_settings
from tests.support import live_server as live
from tests.support.clock import TestClock
from tests.support.databases import Backend
from tests.support.factories import add_client, add_user, bearer, log_in
from tests.support.lifecycle import refresh
from tests.support.live_tokens import ALICE, CLIENT

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.mark.parametrize("one_trip", [True, False])
async def test_the_server_works_with_the_cursors_of_aiosqlite(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, *, one_trip: bool
) -> None:
    monkeypatch.setattr(engines, "ONE_TRIP_CURSORS", one_trip)
    url = backend.migrated()
    app = create_app(make_settings(database_url=url), TestClock())
    server, transport = app.state.server, httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=ISSUER) as http,
    ):
        async with server.database.read() as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            assert isinstance(raw, sqlite_driver.Connection) is one_trip
        alice = await add_user(server)
        web = await add_client(server, grant_types=("password", "refresh_token"))
        login = await log_in(http, alice, web)
        refreshed = await refresh(http, web, login["refresh_token"])
        assert refreshed.status_code == 200
        me = await http.get("/users/me", headers=bearer(refreshed.json()["access_token"]))
        assert me.json()["scopes"] == ["profile"]
        # A used token ends the login.
        reused = await refresh(http, web, login["refresh_token"])
        assert (reused.status_code, reused.json()["error"]) == (400, "invalid_grant")
    backend.drop(url)


CHANGED = """
import runpy
from app.cli import serve

serve.BOUND_CONNECTIONS = {bound}
serve_alone = serve.serve_alone
def tell_and_serve(serving):
    print("protocol:", serving.http)
    return serve_alone(serving)
serve.serve_alone = tell_and_serve
runpy.run_module("app", run_name="__main__")
"""
"""Goes on as ``python -m app``."""


@pytest.mark.parametrize(
    ("bound", "protocol"), [(True, str(BoundedHttpProtocol)), (False, "httptools")]
)
def test_the_server_works_with_the_protocol_of_uvicorn(
    backend: Backend, tmp_path: Path, *, bound: bool, protocol: str
) -> None:
    url = backend.seeded()
    (tmp_path / "changed.py").write_text(CHANGED.format(bound=bound))
    with (
        live.live_server(
            url, {"PYTHONPATH": f"{live.ROOT}:{tmp_path}"}, module="changed"
        ) as started,
        httpx2.Client(base_url=started.url, trust_env=False) as http,
    ):
        assert f"protocol: {protocol}" in started.log
        answer = http.post("/token", data={"grant_type": "password", **ALICE, **CLIENT})
        assert answer.status_code == 200
        me = http.get("/users/me", headers=bearer(answer.json()["access_token"]))
        assert me.json()["username"] == "alice"
    backend.drop(url)
