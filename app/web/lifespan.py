"""A worker's beginning and end: what must be true before it answers, and what is waited for.

A mistake of the operator stops the start, whatever the program that serves. What may pass by itself
is waited for: a worker whose database is away for a second must not end, and with it all others.
Meanwhile it answers 503, and ``/readyz`` is red.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import NAME
from app.database.engines import OUTAGES, is_outage
from app.errors import Problem
from app.log import get_logger
from app.server import Server
from app.settings import SettingsError

log = get_logger(NAME)

PAUSE = 1.0
"""Seconds between two attempts to start."""

MISTAKES = (SettingsError, Problem)
"""What is raised for something that the operator has to change."""


def line_of(error: BaseException | None) -> str | None:
    """What is told of an error that stops the start; None if it is a fault."""
    match error:
        case SettingsError():
            return str(error)
        case Problem():
            return error.line
        case Exception() if isinstance(error, OUTAGES) and is_outage(error):
            return f"the database cannot be reached: {type(error).__name__}"
    return None


@asynccontextmanager
async def lifespan_of(
    server: Server, start: Callable[[], Awaitable[None]], *, patient: bool
) -> AsyncGenerator[None]:
    """Let ``server`` serve once ``start`` succeeds, and close it at the end of the block.

    An outage is waited for; with ``patient`` mistakes are as well. That is for the workers of a
    supervisor that made sure of a first good start: what is wrong now has come since, and others
    serve on. Raises the mistake otherwise.
    """
    waiting: asyncio.Task[None] | None = None
    try:
        try:
            await start()
            server.phase = "serving"
        except (*MISTAKES, *OUTAGES) as error:
            line = line_of(error)
            if line is None or not (patient or isinstance(error, OUTAGES)):
                raise
            log.error("cannot serve yet", reason=line)
            waiting = asyncio.create_task(_start_later(server, start))
        yield
    finally:
        if waiting is not None:
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting
        await server.close()


async def _start_later(server: Server, start: Callable[[], Awaitable[None]]) -> None:
    told: str | None = None
    while True:
        await asyncio.sleep(PAUSE)
        try:
            await start()
        except Exception as error:
            line = line_of(error) or f"an unexpected fault: {type(error).__name__}"
            if line != told:
                log.error("cannot serve yet", reason=line)
                told = line
        else:
            if server.phase == "starting":
                server.phase = "serving"
                log.info("serves now")
            return


class MadeAtStart:
    """An application that is made when its server starts it: importing it reads no settings.

    A mistake is told in one line, where the program that serves shows what an application says.
    """

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        """``make`` is called once; it may raise :class:`SettingsError`."""
        self._make = make
        self._made: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start, answer, end."""

        async def tell(message: Message) -> None:
            line = line_of(sys.exc_info()[1])
            if message["type"] == "lifespan.startup.failed" and line is not None:
                message = {**message, "message": f"{NAME}: {line}"}
            await send(message)

        if self._made is None:
            try:
                self._made = self._make()
            except SettingsError:
                if scope["type"] != "lifespan":
                    raise
                await receive()
                await tell({"type": "lifespan.startup.failed"})
                return
        await self._made(scope, receive, tell if scope["type"] == "lifespan" else send)
