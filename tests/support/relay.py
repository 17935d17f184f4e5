"""Something between the server and PostgreSQL that can fall silent without hanging up."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit


class Relay:
    """Passes bytes on to a Unix socket, until it is told to be silent."""

    def __init__(self, url: str) -> None:
        """``url`` is that of a database of :mod:`tests.support.postgresql`."""
        parts = urlsplit(url)
        self._path = parse_qs(parts.query)["host"][0] + "/.s.PGSQL.5432"
        self._database = parts.path
        self._talks = asyncio.Event()
        self._talks.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        """How many were made so far."""
        self.port = 0
        self.listening: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The same database, through this."""
        return f"postgresql://postgres@127.0.0.1:{self.port}{self._database}"

    def fall_silent(self) -> None:
        """Take whatever comes and pass nothing on."""
        self._talks.clear()

    def talk(self) -> None:
        """Pass everything on again, also what has waited."""
        self._talks.set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Begin with a new connection."""
        self.connections += 1
        there, back = await asyncio.open_unix_connection(self._path)
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass_on(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while data := await source.read(65536):
                    await self._talks.wait()
                    target.write(data)
        finally:
            target.close()

    async def go_away(self) -> None:
        """Listen no more, and hang up."""
        if self.listening is not None:
            self.listening.close()
        await self.close()

    async def close(self) -> None:
        """Hang up."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def relay_to(url: str) -> AsyncGenerator[Relay]:
    """A relay at a free port of the loopback address."""
    relay = Relay(url)
    async with await asyncio.start_server(relay.accept, "127.0.0.1", 0) as listening:
        relay.listening = listening
        relay.port = listening.sockets[0].getsockname()[1]
        try:
            yield relay
        finally:
            await relay.close()
