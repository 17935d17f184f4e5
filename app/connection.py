"""What a connection may cost before a request is there: a bound on its head, and a deadline.

Without them a client can send headers without end, or hold a connection for ever by sending a
byte now and then. What is complete is judged by :mod:`app.limits`.
"""

import asyncio

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT = 131_072
"""Bytes that are read without the headers being complete. More than :mod:`app.limits` allows, so
that most of what is too large is answered in the format of its endpoint."""

REQUEST_TIMEOUT = 60.0
"""Seconds from the connection, or from a request's first byte, to its last: longer than a body
may take, so that the endpoint's own answer goes first."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which waits neither for ever nor for headers without end.

    It speaks HTTP/1 alone.
    """

    _complete = False
    _in_head = True
    _head_size = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(REQUEST_TIMEOUT, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, and wait for the rest if there is one."""
        self._complete = False
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        if self._complete:
            return
        if self._timer is None:
            self._timer = self.loop.call_later(REQUEST_TIMEOUT, self._give_up)
        if self._in_head:
            self._head_size += len(data)
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

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Read a request that offers another protocol as if it did not (RFC 9110, section 7.8).

        The parser stops behind such a head and would take the body for the next request.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("This is no proxy.")
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
        self.data_received(b"\r\n".join([*head, b"", rest]))

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        if self._in_head:
            self._close_with(b"408 Request Timeout")
        else:
            self.transport.close()

    def _close_with(self, status: bytes) -> None:
        if not self.transport.is_closing():
            head = b"HTTP/1.1 %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            self.transport.write(head % status)
            self.transport.close()
