"""What a connection may cost: over a socket, with short deadlines."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from app.web import http_protocol as connection
from app.web.http_protocol import BoundedHttpProtocol

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
    server_side: "Observed"

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


class Observed(BoundedHttpProtocol):
    """A connection as the server sees it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.held, self.unread, self.lost = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.flow.full:
            self.held.set()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.unread.set()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.lost.set()


@dataclass
class Listener:
    """A server of one application; every test reaches it over connections of its own."""

    config: Config
    state: ServerState = field(default_factory=ServerState)
    accepted: asyncio.Queue[Observed] = field(default_factory=asyncio.Queue)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    address: tuple[str, int] = ("", 0)

    def accept(self) -> Observed:
        protocol = Observed(self.config, self.state, {})
        self.accepted.put_nowait(protocol)
        return protocol

    async def call(self) -> Caller:
        reader, writer = await asyncio.open_connection(*self.address)
        self.writers.append(writer)
        async with asyncio.timeout(5):
            return Caller(reader, writer, await self.accepted.get())


@pytest.fixture
def application() -> Any:
    return answer_at_once


@pytest.fixture
def deadline() -> float:
    """In seconds. Where it is not what a test is about, a busy machine gets longer."""
    return DEADLINE


@pytest.fixture
async def listener(
    monkeypatch: pytest.MonkeyPatch, application: Any, deadline: float
) -> AsyncGenerator[Listener]:
    monkeypatch.setattr(connection, "REQUEST_TIMEOUT", deadline)
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT", deadline)
    config = Config(application, log_config=None, ws="none")
    config.load()
    listener = Listener(config)
    server = await asyncio.get_running_loop().create_server(listener.accept, "127.0.0.1", 0)
    listener.address = server.sockets[0].getsockname()
    yield listener
    for writer in listener.writers:
        writer.close()
    server.close()


@pytest.fixture
async def caller(listener: Listener) -> Caller:
    return await listener.call()


async def test_requests_in_time_are_answered_one_after_the_other(caller: Caller) -> None:
    for _ in range(3):
        caller.send(REQUEST)
        assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")


async def test_a_connection_that_sends_nothing_is_closed(caller: Caller) -> None:
    assert (await caller.rest()).startswith(b"HTTP/1.1 408 ")


async def test_a_head_that_comes_byte_by_byte_is_408_however_lively_it_is(caller: Caller) -> None:
    async def drip() -> None:
        for number in range(len(REQUEST) - 1):
            if caller.server_side.transport.is_closing():
                return  # what is sent now would be answered by a reset
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


# Requests in line, and answers that nobody reads


class Gate:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.open = asyncio.Event()
        self.entered = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun += 1
        self.entered.set()
        await self.open.wait()
        await answer_at_once(scope, receive, send)


MANY = 10_000
"""Requests, of a quarter of a megabyte together."""


@pytest.mark.parametrize("application", [Gate()])
async def test_requests_in_line_are_not_read_before_their_turn_and_all_are_answered(
    caller: Caller, application: Gate
) -> None:
    application.begun, application.open = 0, asyncio.Event()
    caller.send(REQUEST * MANY)
    async with asyncio.timeout(5):
        await caller.server_side.held.wait()
    for _ in range(100):  # as often as it likes to read on
        await asyncio.sleep(0)
    assert application.begun == 1
    assert len(caller.server_side.pipeline) <= connection.PIECE // len(REQUEST)
    assert len(caller.server_side._unparsed) <= 262_144  # what asyncio reads at once
    assert caller.server_side.flow.read_paused
    application.open.set()
    for _ in range(MANY):
        assert (await caller.answer()).endswith(b"ok")


@pytest.mark.parametrize("application", [Gate()])
async def test_an_application_that_asks_for_more_of_a_body_lets_nothing_else_in(
    caller: Caller, application: Gate
) -> None:
    application.begun, application.open = 0, asyncio.Event()
    caller.send(REQUEST * MANY)
    async with asyncio.timeout(5):
        await caller.server_side.held.wait()
    flow = caller.server_side.flow
    flow.resume_reading()  # as uvicorn does whenever a body is asked for
    assert flow.read_paused
    application.open.set()


@pytest.mark.parametrize("deadline", [5.0])
@pytest.mark.parametrize("application", [answer_with_length])
@pytest.mark.parametrize("head", [POST.replace(b"5", b"99"), UPGRADE % 99], ids=["post", "upgrade"])
async def test_bodies_in_line_are_each_read_whole(caller: Caller, head: bytes) -> None:
    caller.send((head + b"x" * 99) * 100)
    for _ in range(100):
        assert (await caller.answer()).endswith(b"99")


LARGE = 20_000_000
"""Bytes; more than the buffers of the two sockets take."""


class Bytes:
    """An application that answers with so many of them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.answered = 0

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"%d" % self.size)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": bytes(self.size)})
        self.answered += 1


@pytest.mark.parametrize("application", [Bytes(LARGE)])
@pytest.mark.parametrize("last", [b"", b"Connection: close\r\n"], ids=["keep_alive", "close"])
async def test_a_client_that_does_not_read_its_answer_loses_the_connection(
    caller: Caller, application: Bytes, last: bytes
) -> None:
    application.answered = 0
    caller.send((REQUEST[:-2] + last + b"\r\n") * 10)
    async with asyncio.timeout(5):
        await caller.server_side.unread.wait()
    for _ in range(100):  # as often as it likes to write on
        await asyncio.sleep(0)
    assert application.answered == 1
    assert 0 < caller.server_side.transport.get_write_buffer_size() < LARGE
    async with asyncio.timeout(5):
        await caller.server_side.lost.wait()
    assert caller.server_side not in caller.server_side.connections
    assert not caller.server_side.pipeline


@pytest.mark.parametrize("application", [Bytes(20_000)])
async def test_no_answer_is_begun_while_another_one_is_not_taken(caller: Caller) -> None:
    caller.send(REQUEST * (LARGE // 20_000))
    async with asyncio.timeout(5):
        await caller.server_side.unread.wait()
        for _ in range(100):  # as often as it likes to write on
            await asyncio.sleep(0)
        assert caller.server_side.transport.get_write_buffer_size() <= 20_000
        await caller.server_side.lost.wait()


@pytest.mark.parametrize("application", [Bytes(LARGE)])
async def test_a_client_that_reads_gets_all_of_a_large_answer(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT", 60)
    for _ in range(2):
        caller.send(REQUEST)
        async with asyncio.timeout(60):
            await caller.reader.readuntil(b"\r\n\r\n")
            assert await caller.reader.readexactly(LARGE) == bytes(LARGE)


class Listening:
    """An application that waits for its client to go away."""

    def __init__(self) -> None:
        self.begun, self.noticed = asyncio.Event(), asyncio.Event()

    async def __call__(self, _scope: Any, receive: Any, _send: Any) -> None:
        self.begun.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        self.noticed.set()


@pytest.mark.parametrize("application", [Listening()])
async def test_a_request_learns_that_its_client_is_gone_although_others_are_in_line(
    caller: Caller, application: Listening
) -> None:
    caller.send(REQUEST * 2)
    async with asyncio.timeout(5):
        await application.begun.wait()
        caller.writer.close()
        await application.noticed.wait()


# How many connections


async def test_a_connection_past_the_limit_takes_the_place_of_the_quietest_one(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECTION_LIMIT", 2)
    first, second = await listener.call(), await listener.call()
    first.send(REQUEST)
    assert (await first.answer()).startswith(b"HTTP/1.1 200 ")
    third = await listener.call()
    assert await second.rest() == b""
    for caller in (first, third):
        caller.send(REQUEST)
        assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("application", [Gate()])
async def test_a_connection_past_the_limit_is_503_while_all_others_are_answered(
    listener: Listener, application: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    application.open, application.entered = asyncio.Event(), asyncio.Event()
    monkeypatch.setattr(connection, "CONNECTION_LIMIT", 1)
    first = await listener.call()
    first.send(REQUEST)
    async with asyncio.timeout(5):
        await application.entered.wait()
    refused = await (await listener.call()).rest()
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 2\r\n" in refused
    application.open.set()
    assert (await first.answer()).startswith(b"HTTP/1.1 200 ")
