"""What goes through a server of tests: requests are recorded, and faults made on purpose."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STEP = 0.01
"""Seconds after which a slow answer looks whether its fault has ended."""


@dataclass(frozen=True)
class Request:
    """A request that was answered."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    """Their names in lower case."""
    body: bytes
    status: int

    @property
    def form(self) -> Mapping[str, list[str]]:
        """The body, read as ``application/x-www-form-urlencoded``."""
        return parse_qs(self.body.decode("latin-1"), keep_blank_values=True)


@dataclass
class Fault:
    """What is wrong with a path."""

    status: int | None
    """What it answers instead; None where it is only slow."""
    delay: float
    """Seconds."""
    left: int | None
    """How many requests it is still for; None without end."""


class Traffic:
    """An ASGI application around the one of the server."""

    def __init__(self, app: ASGIApp) -> None:
        """Nothing has come through, and nothing is wrong."""
        self._app = app
        self._faults: dict[str, Fault] = {}
        self.requests: list[Request] = []

    def set_fault(self, path: str, fault: Fault) -> None:
        """Let ``path`` be faulty, in place of what was wrong with it before."""
        self._faults[path] = fault

    def recover(self) -> None:
        """End every fault."""
        self._faults.clear()

    def reset(self) -> None:
        """The same, and forget the requests."""
        self.recover()
        self.requests.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, unless its path fails."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = bytearray()

        async def receive_recorded() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def send_recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.requests.append(_recorded(scope, bytes(body), message))
            await send(message)

        app = self._app
        fault = self._next_fault(scope["path"])
        if fault is not None:
            await self._wait(scope["path"], fault)
            if fault.status is not None:
                while (await receive_recorded()).get("more_body"):
                    pass
                app = PlainTextResponse("A fault that a test asked for.", fault.status)
        await app(scope, receive_recorded, send_recorded)

    async def _wait(self, path: str, fault: Fault) -> None:
        """Until the delay is over, or the fault."""
        until = time.monotonic() + fault.delay
        # A fault is ended from the thread of a test, so there is no event of the loop to wait for.
        while time.monotonic() < until and self._faults.get(path) is fault:  # noqa: ASYNC110
            await asyncio.sleep(STEP)

    def _next_fault(self, path: str) -> Fault | None:
        fault = self._faults.get(path)
        if fault is None or fault.left == 0:
            return None
        if fault.left is not None:
            fault.left -= 1
        return fault


def _recorded(scope: Scope, body: bytes, start: Message) -> Request:
    headers: dict[str, Any] = dict(Headers(scope=scope))
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True),
        headers=headers,
        body=body,
        status=start["status"],
    )
