"""What a connection may cost before there is a request: over a socket, with a short deadline."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from app import connection
from app.connection import BoundedHttpProtocol

DEADLINE = 0.1

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"


async def answer_at_once(_scope: Any, _receive: Any, send: Any) -> None:
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@dataclass
class Caller:
    """The other end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> bytes:
        """The head and the body of the next answer of :func:`answer_at_once`."""
        async with asyncio.timeout(5):
            head = await self.reader.readuntil(b"\r\n\r\n")
            return head + await self.reader.readexactly(2)

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        async with asyncio.timeout(5):
            return await self.reader.read()


@pytest.fixture
def application() -> Any:
    return answer_at_once


@pytest.fixture
async def caller(monkeypatch: pytest.MonkeyPatch, application: Any) -> AsyncGenerator[Caller]:
    monkeypatch.setattr(connection, "REQUEST_TIMEOUT", DEADLINE)
    config = Config(application, log_config=None, ws="none")
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: BoundedHttpProtocol(config, ServerState(), {}), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    yield Caller(reader, writer)
    writer.close()
    server.close()


async def test_requests_in_time_are_answered_one_after_the_other(caller: Caller) -> None:
    for _ in range(3):
        caller.send(REQUEST)
        assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")


async def test_a_connection_that_sends_nothing_is_closed(caller: Caller) -> None:
    assert (await caller.rest()).startswith(b"HTTP/1.1 408 ")


async def test_a_head_that_comes_byte_by_byte_is_408_however_lively_it_is(caller: Caller) -> None:
    async def drip() -> None:
        for number in range(len(REQUEST) - 1):
            caller.send(REQUEST[number : number + 1])
            await asyncio.sleep(DEADLINE / 10)

    dripping = asyncio.create_task(drip())
    assert (await caller.rest()).startswith(b"HTTP/1.1 408 ")
    dripping.cancel()


async def test_a_second_request_has_a_deadline_of_its_own(caller: Caller) -> None:
    caller.send(REQUEST)
    await caller.answer()
    caller.send(REQUEST[:-1])
    assert (await caller.rest()).startswith(b"HTTP/1.1 408 ")


async def test_empty_lines_do_not_hold_a_connection(caller: Caller) -> None:
    caller.send(REQUEST)
    await caller.answer()
    caller.send(b"\r\n")
    assert (await caller.rest()).startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_is_still_coming_long_after_the_answer_is_cut_off(
    caller: Caller,
) -> None:
    caller.send(POST + b"abc")
    assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")
    assert await caller.rest() == b""


async def test_a_request_in_pieces_is_read_if_it_is_in_time(caller: Caller) -> None:
    for piece in (POST[:10], POST[10:40], POST[40:], b"abc", b"de"):
        caller.send(piece)
        await asyncio.sleep(0)
    assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")


async def test_headers_without_end_are_431(caller: Caller) -> None:
    caller.send(REQUEST[:-2] + b"X: " + b"x" * (connection.HEAD_LIMIT + 1))
    assert (await caller.rest()).startswith(b"HTTP/1.1 431 ")


async def test_a_large_head_that_is_complete_reaches_the_application(caller: Caller) -> None:
    caller.send(REQUEST[:-2] + b"X: " + b"x" * 100_000 + b"\r\n\r\n")
    assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")


# Other protocols


async def answer_with_length(_scope: Any, receive: Any, send: Any) -> None:
    """Two digits: how many bytes the body has."""
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message["body"]), message["more_body"]
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"%02d" % length})


SMUGGLED = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"

UPGRADE = (
    b"POST / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: %d\r\n\r\n"
)


@pytest.mark.parametrize("application", [answer_with_length])
@pytest.mark.parametrize("pieces", [1, 2], ids=["at_once", "body_later"])
async def test_a_request_that_offers_another_protocol_is_read_with_its_body(
    caller: Caller, pieces: int
) -> None:
    head = UPGRADE % len(SMUGGLED)
    if pieces == 1:
        caller.send(head + SMUGGLED)
    else:
        caller.send(head)
        await asyncio.sleep(0)
        caller.send(SMUGGLED)
    assert (await caller.answer()).endswith(b"\r\n\r\n%02d" % len(SMUGGLED))
    caller.send(UPGRADE % 3 + b"abc" + REQUEST)
    assert (await caller.answer()).endswith(b"03")
    assert (await caller.answer()).endswith(b"00")


async def test_a_websocket_is_not_begun(caller: Caller) -> None:
    caller.send(REQUEST[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")


async def test_this_is_no_proxy(caller: Caller) -> None:
    caller.send(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await caller.rest()).startswith(b"HTTP/1.1 400 ")
