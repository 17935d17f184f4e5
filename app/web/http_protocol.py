"""What a connection may cost: bounds on what is kept for it, and deadlines.

Without them a client can send headers or requests without end, hold a connection for ever by
sending a byte now and then, or leave its answers unread. A request that is complete is judged by
:mod:`app.web.limits`.
"""

import asyncio
import time
from typing import Any, cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.errors import RETRY_AFTER

HEAD_LIMIT = 131_072
"""Bytes that are read without the headers being complete. More than :mod:`app.web.limits` allows,
so that most of what is too large is answered in the format of its endpoint."""

REQUEST_TIMEOUT = 60.0
"""Seconds from the connection, or from a request's first byte, to its last: longer than a body
may take, so that the endpoint's own answer goes first."""

FIRST_REQUEST_TIMEOUT = 1.0
"""Seconds that the first request of a connection may take to arrive when the server ends."""

ANSWER_TIMEOUT = 60.0
"""Seconds in which a client takes what was written to it, or loses the connection."""

PIECE = 1024
"""Bytes that are parsed at once. While a request waits for the answer to an earlier one nothing
more is parsed or read, so that no more wait than fit into one piece."""

MOST_TOGETHER = 65_536
"""Bytes that are written at once, at most: a longer answer goes in pieces."""

CONNECTION_LIMIT = 900
"""Connections of one worker. A further one takes the place of the one that has asked for nothing
the longest, so that nobody keeps others out by being connected; where all are being answered it is
answered 503. Most systems give a process 1024 files, of which the database has some."""


class WholeAnswers:
    """A transport that writes the head of an answer together with its body.

    uvicorn writes them one after the other. Where nothing may be left unsent, each would be a call
    of its own to the system, and that is an eighth of a small request.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """What is written is sent by the end of this turn of the ``loop``."""
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        """Everything else is the transport's."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write ``data`` with what comes next, unless it is much already."""
        if not self._waiting:
            self._loop.call_soon(self._send)
        self._waiting.append(data)
        self._size += len(data)
        if self._size > MOST_TOGETHER:
            self._send()

    def close(self) -> None:
        """Close the connection behind what was written."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        # The connection may have been lost meanwhile: then nobody is there to be told.
        if self._waiting and not self._transport.is_closing():
            self._transport.write(b"".join(self._waiting))
        self._waiting.clear()
        self._size = 0


class Flow(FlowControl):
    """uvicorn's, which does not read on while there is more than can be answered now."""

    full = False

    def resume_reading(self) -> None:
        """Read on, unless there is enough."""
        if not self.full:
            super().resume_reading()


class BoundedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which neither waits nor keeps without end.

    It speaks HTTP/1 alone, and WebSocket where ``serve --websockets`` asks for it.
    """

    flow: Flow

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """The arguments are uvicorn's."""
        super().__init__(*arguments, **named)
        self._unparsed = bytearray()
        self._answering: RequestResponseCycle | None = None
        self._complete = False
        self._in_head = True
        self._head_size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None
        self._quiet_since = 0.0
        self._connection_limit = self.limit_concurrency or CONNECTION_LIMIT
        self.limit_concurrency = None  # uvicorn's answer has no Retry-After

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        crowded = len(self.connections) >= self._connection_limit
        super().connection_made(cast(asyncio.Transport, WholeAnswers(transport, self.loop)))
        self.flow = Flow(transport)
        # What a client has not taken is known at once, and what is behind it is not made yet.
        transport.set_write_buffer_limits(high=0)
        self._quiet_since = time.monotonic()
        if crowded and not self._make_room():
            self._close_with(b"503 Service Unavailable", b"Retry-After: %d\r\n" % RETRY_AFTER)
            return
        self._timer = self.loop.call_later(REQUEST_TIMEOUT, self._give_up)

    def _make_room(self) -> bool:
        """Close the connection that has asked for nothing the longest; False if all are busy."""
        quiet = [
            each
            for each in self.connections
            if isinstance(each, BoundedHttpProtocol) and each is not self and each.is_quiet
        ]
        if not quiet:
            return False
        min(quiet, key=lambda each: each._quiet_since).transport.close()
        return True

    def shutdown(self) -> None:
        """Called by the server when it ends: close, but not in the face of a first request."""
        if self.cycle is None:
            self.loop.call_later(FIRST_REQUEST_TIMEOUT, super().shutdown)
        else:
            super().shutdown()

    @property
    def is_quiet(self) -> bool:
        """Whether no request of this connection is being answered."""
        answered = self._answering is None or self._answering.response_complete
        return answered and not self.transport.is_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        self._stop_answering()
        self._unparsed.clear()
        self.pipeline.clear()
        if self._answering is not None:
            # uvicorn tells it to the request that was read last, which may be another one.
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def pause_writing(self) -> None:
        """Called by the transport when the client does not take what is written at once."""
        self._answer_timer = self.loop.call_later(ANSWER_TIMEOUT, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Called by the transport when the client has taken everything."""
        self._stop_answering()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Read on, and wait for the rest if there is one."""
        self._unset_keepalive_if_required()
        self._unparsed += data
        self._parse()

    def on_response_complete(self) -> None:
        """Called when a request is answered: go on with what has waited for it."""
        super().on_response_complete()
        self._quiet_since = time.monotonic()
        if self.flow.full and not self.pipeline:
            self.flow.full = False
            self.flow.resume_reading()
            self._parse()

    def _parse(self) -> None:
        while self._unparsed and not self.transport.is_closing():
            if self.pipeline:
                self.flow.pause_reading()
                self.flow.full = True
                self._stop_waiting()  # it is the client that waits
                return
            piece = bytes(self._unparsed[:PIECE])
            del self._unparsed[:PIECE]
            self._parse_piece(piece)

    def _parse_piece(self, piece: bytes) -> None:
        self._complete = False
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self._become_a_socket()
            else:
                self._ignore_upgrade(piece[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        if self._complete:
            return
        if self._timer is None:
            self._timer = self.loop.call_later(REQUEST_TIMEOUT, self._give_up)
        if self._in_head:
            self._head_size += len(piece)
            if self._head_size > HEAD_LIMIT:
                self._close_with(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """Called by the parser at the first byte of a request."""
        self._complete = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if self.parser.should_upgrade():
            return  # it comes again: see _ignore_upgrade
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Called by the parser at the last byte of a request."""
        if self.parser.should_upgrade():
            return
        self._complete = self._in_head = True
        self._head_size = 0
        self._stop_waiting()
        super().on_message_complete()

    def _become_a_socket(self) -> None:
        """Leave the connection to uvicorn's WebSocket protocol, if the server was told to.

        A client waits for the answer before it says more (RFC 6455, section 4.1).
        """
        self._stop_waiting()
        self._unparsed.clear()
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.handle_websocket_upgrade()

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Read a request that offers another protocol as if it did not (RFC 9110, section 7.8).

        The parser stops behind such a head and would take the body for the next request.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("This server is not a proxy.")
            return
        head = [b"%b %b HTTP/1.1" % (method, self.url)]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                value = b", ".join(token for token in tokens if token.lower() != b"upgrade")
            if name != b"upgrade":
                head.append(b"%b: %b" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._unparsed[:0] = b"\r\n".join([*head, b"", rest])

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_answering(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def _give_up(self) -> None:
        if self._in_head:
            self._close_with(b"408 Request Timeout")
        else:
            self.transport.close()

    def _close_with(self, status: bytes, more: bytes = b"") -> None:
        if not self.transport.is_closing():
            head = b"HTTP/1.1 %b\r\n%bContent-Length: 0\r\nConnection: close\r\n\r\n"
            self.transport.write(head % (status, more))
            self.transport.close()
