"""Sockets of a fork's own, over a connection of the server."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

import httpx2
import pytest
from fastapi import FastAPI, Security, WebSocket
from uvicorn.server import ServerState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.oauth2.bearer import CurrentUser, current_user
from app.serving.worker import SOCKET_MESSAGE_LIMIT, Serving
from app.web.http_protocol import BoundedHttpProtocol
from tests.support.factories import TestClient, TestUser, bearer, log_in
from tests.support.shared import of_this_module_alone

__all__ = ["of_this_module_alone"]  # a fixture


@pytest.fixture
async def address(app: FastAPI, http: httpx2.AsyncClient) -> AsyncGenerator[str]:
    """Where the application is served as ``latchkey serve --websockets`` does."""

    @app.websocket("/echo")
    async def echo(
        socket: WebSocket,
        user: Annotated[CurrentUser, Security(current_user, scopes=["profile"])],
    ) -> None:
        await socket.accept()
        await socket.send_text(user.username)
        await socket.send_text(await socket.receive_text())

    serving = Serving(
        host="127.0.0.1",
        port=0,
        uds=None,
        root_path="",
        keep_alive=5,
        limit_concurrency=None,
        grace=0,
        websockets=True,
        http=BoundedHttpProtocol,
        log_config={"version": 1, "disable_existing_loggers": False},
    )
    config = serving.config()
    config.app, config.factory = app, False
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: BoundedHttpProtocol(config, state, {}), "127.0.0.1", 0
    )
    host, port = server.sockets[0].getsockname()
    yield f"ws://{host}:{port}/echo"
    server.close()


@pytest.fixture
async def socket(
    address: str, http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> AsyncGenerator[ClientConnection]:
    token = (await log_in(http, alice, web, "profile"))["access_token"]
    async with connect(address, additional_headers=bearer(token)) as opened:
        yield opened


async def test_a_socket_is_open_to_whoever_has_the_scope(socket: ClientConnection) -> None:
    assert await socket.recv() == "alice"
    await socket.send("hello")
    assert await socket.recv() == "hello"


async def test_a_socket_is_closed_to_whoever_has_no_token(address: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(address)
    assert refused.value.response.status_code == 401
    assert refused.value.response.headers["WWW-Authenticate"].startswith('Bearer realm="latchkey"')


async def test_a_message_that_is_too_large_ends_the_socket(socket: ClientConnection) -> None:
    assert await socket.recv() == "alice"
    await socket.send("x" * (SOCKET_MESSAGE_LIMIT + 1))
    with pytest.raises(ConnectionClosed) as ended:
        await socket.recv()
    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == 1009
