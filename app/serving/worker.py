"""One worker: uvicorn, as this server wants it, and ended so that nobody is left without an answer.

It is told to end by SIGTERM. First ``/readyz`` is red and every answer closes its connection, for
as long as proxies may need to notice; then it stops listening, having accepted what had connected
by then; then requests under way are finished. Each of these has an end of its own.
"""

import asyncio
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import Any, cast

import uvicorn

from app import NAME
from app.log import get_logger
from app.server import Server
from app.server.server import CLOSING_TIMEOUT
from app.settings import SettingsError

log = get_logger(NAME)

SHUTDOWN_TIMEOUT = 14
"""Seconds that requests under way may take when the server is told to end: more than a database
that says nothing is waited for. With a grace of five seconds and what closing may take, the whole
is less than the thirty after which Kubernetes kills."""

SOCKET_MESSAGE_LIMIT = 64 * 1024
"""Bytes of one message that a WebSocket takes."""

HEARTBEAT = 1
"""Seconds between two signs of life of a worker."""


@dataclass(frozen=True)
class Serving:
    """What ``latchkey serve`` was asked for. It is handed to the workers, so it can be pickled."""

    host: str
    port: int
    uds: str | None
    root_path: str
    keep_alive: int
    limit_concurrency: int | None
    grace: int
    websockets: bool
    http: type[asyncio.Protocol] | str
    log_config: dict[str, Any]

    def config(self, beat: Callable[[], None] | None = None) -> uvicorn.Config:
        """What uvicorn is told; ``beat`` is called about once in :data:`HEARTBEAT` seconds."""

        async def notify() -> None:
            if beat is not None:
                beat()

        return uvicorn.Config(
            "app.main:create_worker",
            factory=True,
            host=self.host,
            port=self.port,
            uds=self.uds,
            http=self.http,
            ws="websockets-sansio" if self.websockets else "none",
            ws_max_size=SOCKET_MESSAGE_LIMIT,
            lifespan="on",
            root_path=self.root_path,
            proxy_headers=False,  # they are read in app.web.proxies
            server_header=False,
            timeout_keep_alive=self.keep_alive,
            limit_concurrency=self.limit_concurrency,
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
            callback_notify=notify,
            timeout_notify=HEARTBEAT,
            log_config=self.log_config,
        )

    @property
    def longest_end(self) -> float:
        """Seconds within which a worker that is told to end has ended, if nothing is wrong."""
        return self.grace + SHUTDOWN_TIMEOUT + CLOSING_TIMEOUT + 1

    @contextmanager
    def listening(self) -> Generator[socket.socket]:
        """The socket, which the caller closes earlier if it wants to; a path of it is removed.

        Raises :class:`SettingsError` if it cannot be opened.
        """
        if self.uds:
            _remove_left_over(self.uds)
        address = self.uds or (self.host, self.port)
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        opened = socket.socket(socket.AF_UNIX if self.uds else family)
        try:
            if not self.uds:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
        except OSError as error:
            opened.close()
            reason = error.strerror or error  # a path that is too long has no number
            raise SettingsError(f"cannot listen on {self.where}: {reason}") from None
        try:
            if self.uds:
                os.chmod(self.uds, 0o666)  # noqa: S103 - its folder says who may reach it
            log.info("listens", where=self.where)
            yield opened
        finally:
            opened.close()
            if self.uds:
                with suppress(OSError):
                    os.unlink(self.uds)

    @property
    def where(self) -> str:
        """What is listened on, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.uds or f"http://{host}:{self.port}"


def _remove_left_over(path: str) -> None:
    """Remove the socket of a server that was killed; leave one that somebody listens on.

    Raises :class:`SettingsError` for what is no socket, which is left as well.
    """
    with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise SettingsError(f"cannot listen on {path}: it is there and is no socket")
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)


class Worker(uvicorn.Server):
    """uvicorn's server, which takes its leave."""

    def __init__(self, config: uvicorn.Config, grace: int) -> None:
        """``grace`` is in seconds, and for SIGTERM alone: who presses Ctrl+C does not wait."""
        super().__init__(config)
        self._grace = grace

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve; end as soon as the supervisor has, if there is one."""
        parent = parent_process()
        if parent is not None:
            asyncio.get_running_loop().add_reader(parent.sentinel, self._orphaned, parent.sentinel)
        await super().startup(sockets)

    def _orphaned(self, sentinel: int) -> None:
        asyncio.get_running_loop().remove_reader(sentinel)
        log.error("the supervisor has ended: so does this worker, to free its port")
        self._grace = 0
        self.handle_exit(signal.SIGTERM, None)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say that the end is near, wait for that to be noticed, listen no more, and finish."""
        cast(Server, self.lifespan.state["server"]).phase = "stopping"
        if self._captured_signals[:1] == [signal.SIGTERM]:
            await self._wait_for_proxies()
        for connection in self._stop_listening(sockets or []):
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        await super().shutdown(sockets)

    async def _wait_for_proxies(self) -> None:
        ends = time.monotonic() + self._grace
        ticks = 0
        while time.monotonic() < ends and not self.force_exit:
            await asyncio.sleep(0.1)
            ticks += 1
            await self.on_tick(ticks)

    def _stop_listening(self, sockets: list[socket.socket]) -> list[socket.socket]:
        """Close the sockets. What has connected before is accepted: it would be lost with them."""
        accepted = []
        for listening in sockets:
            listening.setblocking(False)
            try:
                while True:
                    accepted.append(listening.accept()[0])
            except OSError:
                listening.close()
        for server in self.servers:
            server.close()
        return accepted

    def _protocol(self) -> asyncio.Protocol:
        make = cast(Callable[..., asyncio.Protocol], self.config.http_protocol_class)
        return make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def serve_alone(serving: Serving) -> int:
    """Serve in this process until a signal comes. Returns the exit code.

    Raises :class:`SettingsError` if the server cannot listen.
    """
    _end_well()
    config = serving.config()  # it also begins the log
    with serving.listening() as listening:
        Worker(config, serving.grace).run([listening])
    return 0


def work(serving: Serving, listening: socket.socket, beats: Connection) -> None:
    """Be a worker of a supervisor, in a process of its own."""

    def beat() -> None:
        with suppress(OSError):  # the supervisor has ended: see Worker.startup
            beats.send_bytes(b".")

    _end_well()
    Worker(serving.config(beat), serving.grace).run([listening])


def _end_well() -> None:
    """uvicorn finishes what is under way and then raises the signal again: that was a good end."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: sys.exit(0))
