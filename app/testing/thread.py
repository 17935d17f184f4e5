"""A server in a thread of the tests' process."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self, TypeVar

import uvicorn
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.main import create_app
from app.models import Base
from app.server import Server
from app.settings import Settings
from app.testing.clock import MovableClock
from app.testing.migrated import copy_migrated
from app.testing.traffic import Traffic

Result = TypeVar("Result")

LOOPBACK = "127.0.0.1"

START_TIMEOUT = 60
"""Seconds, on a machine that is busy with other tests."""

CHEAP: Mapping[str, object] = {
    "environment": "development",
    "docs": False,
    "demo_routes": False,
    "default_client_id": "",
    "password_hash_memory_kib": 8,
    "password_hash_time": 1,
}


class ServerThread:
    """A server on a port of its own, with a database that is thrown away."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], kept_in: Path | None) -> None:
        """See :meth:`running`."""
        self._socket = socket.socket()
        self._socket.bind((LOOPBACK, 0))
        self.url = f"http://{LOOPBACK}:{self._socket.getsockname()[1]}"
        """Where it listens, which is its issuer."""
        self.clock = MovableClock()
        """``clock.advance(seconds)`` lets time pass, ``clock.now()`` tells it."""
        database = folder / "tests.db"
        copy_migrated(database, kept_in)
        given = {
            **CHEAP,
            "issuer": self.url,
            **settings,
            "database_url": f"sqlite:///{database}",
        }
        # Neither the environment nor a .env file has settings that are meant for it.
        configured = Settings(_env_file=None, _env_prefix="\0", **given)
        app = create_app(configured, self.clock)
        self._server: Server = app.state.server
        self._traffic = Traffic(app)
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                self._traffic,
                lifespan="on",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
            )
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="authorization server")
        self._first_rows: Mapping[str, Sequence[dict[str, Any]]] = {}

    @classmethod
    @contextmanager
    def running(
        cls, settings: Mapping[str, Any] | None = None, *, kept_in: Path | None = None
    ) -> Generator[Self]:
        """A started server, until the block ends.

        ``settings`` have names such as ``access_token_ttl``; the others are as in development.
        ``kept_in`` is a folder for the migrated database that later servers begin with.
        """
        with TemporaryDirectory() as name:
            server = cls(Path(name), settings or {}, kept_in)
            server._start()
            try:
                yield server
            finally:
                server._stop()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._uvicorn.serve(sockets=[self._socket]))
        finally:
            self._loop.close()

    def _start(self) -> None:
        self._socket.listen()  # who comes now waits
        self._thread.start()

        async def wait_until_started() -> None:
            async with asyncio.timeout(START_TIMEOUT):
                while not self._uvicorn.started:
                    if self._uvicorn.should_exit:
                        raise RuntimeError("the authorization server did not start: see its log")
                    await asyncio.sleep(0.005)
            async with self._server.database.read() as connection:
                self._first_rows = await _read_rows(connection)

        self._do(wait_until_started())

    def _stop(self) -> None:
        self._traffic.recover()
        self._uvicorn.should_exit = True
        self._thread.join()
        self._socket.close()

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run ``work`` where the server runs, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _write(self, work: Callable[[AsyncConnection, datetime], Awaitable[Result]]) -> Result:
        async def written() -> Result:
            async with self._server.database.transaction() as connection:
                result = await work(connection, self.clock.now())
            self.clock.age_what_is_kept()
            return result

        return self._do(written())

    def _restore(self) -> None:
        async def restore(connection: AsyncConnection, _now: datetime) -> None:
            tables = Base.metadata.sorted_tables
            for table in reversed(tables):
                await connection.execute(delete(table))
            for table in tables:
                if rows := self._first_rows[table.name]:
                    await connection.execute(insert(table), rows)

        self._write(restore)


async def _read_rows(connection: AsyncConnection) -> Mapping[str, Sequence[dict[str, Any]]]:
    found = {}
    for table in Base.metadata.sorted_tables:
        rows = (await connection.execute(select(table))).mappings()
        found[table.name] = [dict(row) for row in rows]
    return found
