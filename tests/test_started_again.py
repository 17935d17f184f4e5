"""One application object that is started more than once, and sockets of a fork's own."""

import asyncio
from collections.abc import Generator
from typing import Annotated

import pytest
from fastapi import FastAPI, Security, WebSocket
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse

from app.clock import Clock
from app.main import create_app
from app.oauth2.bearer import CurrentUser, current_user
from app.server import Server
from tests.conftest import ISSUER, make_settings
from tests.support.databases import Backend
from tests.support.factories import PASSWORD, add_client, add_user


@pytest.fixture
def app(sqlite: Backend) -> Generator[FastAPI]:
    """An application whose database has alice and a public client."""
    url = sqlite.migrated()
    settings = make_settings(database_url=url)

    async def prepare() -> None:
        server = Server(settings, Clock())
        await add_user(server)
        await add_client(server, "app", is_public=True)
        await server.close()

    asyncio.run(prepare())
    yield create_app(settings)
    sqlite.drop(url)


def log_in(http: TestClient, password: str = PASSWORD) -> tuple[int, str]:
    """The status, and the access token if there is one."""
    form = {
        "grant_type": "password",
        "client_id": "app",
        "username": "alice",
        "password": password,
        "scope": "profile",
    }
    answer = http.post("/token", data=form)
    return answer.status_code, answer.json().get("access_token", "")


def test_an_application_that_was_stopped_can_be_started_again(app: FastAPI) -> None:
    for _ in range(2):
        with TestClient(app, ISSUER) as http:
            assert log_in(http)[0] == 200
            assert log_in(http, "wrong")[0] == 400
            assert http.get("/readyz").status_code == 200


def test_a_socket_is_protected_like_a_route(app: FastAPI) -> None:
    @app.websocket("/socket")
    async def socket(
        websocket: WebSocket,
        user: Annotated[CurrentUser, Security(current_user, scopes=["profile"])],
    ) -> None:
        await websocket.accept()
        await websocket.send_text(user.username)

    with TestClient(app, ISSUER) as http:
        headers = {"Authorization": f"Bearer {log_in(http)[1]}"}
        with http.websocket_connect("/socket", headers=headers) as opened:
            assert opened.receive_text() == "alice"
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            http.websocket_connect("/socket"),
        ):
            pass
    assert refused.value.status_code == 401
    assert refused.value.headers["www-authenticate"].startswith('Bearer realm="latchkey"')
