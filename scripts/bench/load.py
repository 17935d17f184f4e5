"""The load generator: raw HTTP/1.1 over keep-alive connections, at a fraction of a server's cost.

A closed loop sends the next request when the answer to the last one is there. An open loop sends
at fixed times, whatever happens to the answers.
"""

import asyncio
import re
import time
from base64 import b64encode
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import uvloop

WARM_UP = 0.4
"""Seconds that a closed loop runs before it is measured."""

MOST_KEPT = 1_000_000
"""Latencies: past it every second one is forgotten, and as many of those that come."""

DRAIN = 30.0
"""Seconds in which the last answers must come."""

PATIENCE = 30.0
"""Seconds that a measurement waits at most for more answers."""

Client = Generator[bytes, bytes]
"""Yields a request, is sent the body of its answer, yields the next, without end."""

Cpu = Callable[[], tuple[float, float]]
"""The CPU seconds so far of a server and of its database."""

_HEAD_END = b"\r\n\r\n"
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Sample:
    """What one measurement saw."""

    rate: float
    """Completed requests a second."""
    cpu_ms: float
    """The server's CPU time for each."""
    database_ms: float
    """That of PostgreSQL for each. SQLite's is the server's."""
    p50: float
    """Milliseconds; 0 where latency is not measured."""
    p99: float
    generator: float = 0.0
    """The share of a core that the generator took: near 1 it limits the rate."""
    errors: tuple[str, ...] = ()


def request(
    method: str,
    path: str,
    *,
    bearer: str | None = None,
    basic: tuple[str, str] | None = None,
    form: dict[str, str] | None = None,
) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "User-Agent: bench", "Accept: */*"]
    if bearer is not None:
        lines.append(f"Authorization: Bearer {bearer}")
    if basic is not None:
        lines.append(f"Authorization: Basic {b64encode(':'.join(basic).encode()).decode()}")
    body = b"" if form is None else urlencode(form).encode()
    if form is not None:
        lines.append("Content-Type: application/x-www-form-urlencoded")
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + _HEAD_END + body


def repeat(what: bytes) -> Client:
    """A client that sends the same request again and again."""
    while True:
        yield what


class _Connection(asyncio.Protocol):
    """One connection with at most one request under way.

    Where the server closes it after an answer, the next request opens another one, which counts
    into its latency.
    """

    def __init__(
        self, port: int, answered: Callable[["_Connection", float, int, bytes], None]
    ) -> None:
        self._port = port
        self._answered = answered
        self._ends = False
        self._next = b""
        self._received = b""
        self._sent_at = 0.0
        self._last: asyncio.Future[None] | None = None
        self.busy = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def send(self, what: bytes) -> None:
        self.busy = True
        self._sent_at = time.perf_counter()
        if self._ends:
            self._next = what
            self._transport.close()
        else:
            self._transport.write(what)

    def data_received(self, data: bytes) -> None:
        self._received = received = self._received + data if self._received else data
        end = received.find(_HEAD_END)
        if end < 0:
            return
        length = _CONTENT_LENGTH.search(received, 0, end)
        end += len(_HEAD_END)
        self._ends = _CLOSES.search(received, 0, end) is not None
        status = int(received[9:12])
        if length is None and status != 204:
            self._finish(0, b"an answer without Content-Length")
        elif len(received) >= (total := end + (int(length[1]) if length else 0)):
            self._finish(status, received[end:total])

    def connection_lost(self, _error: Exception | None) -> None:
        if self._next:
            self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect())
        elif self.busy:
            self._finish(0, b"the connection was lost")

    async def _reconnect(self) -> None:
        what, self._next, self._ends = self._next, b"", False
        try:
            await self.connect()
        except OSError as error:
            self._finish(0, str(error).encode())
        else:
            self._transport.write(what)

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, "127.0.0.1", self._port)

    def _finish(self, status: int, body: bytes) -> None:
        self.busy = False
        self._received = b""
        self._answered(self, time.perf_counter() - self._sent_at, status, body)
        if self._last is not None and not self.busy:
            self._last.set_result(None)

    async def close(self) -> None:
        """Wait for the answer that is under way, and close."""
        if self.busy:
            self._last = asyncio.get_running_loop().create_future()
            await self._last
        self._transport.close()


async def _connect(
    port: int, answered: Callable[[_Connection, float, int, bytes], None]
) -> _Connection:
    connection = _Connection(port, answered)
    await connection.connect()
    return connection


async def _drain(connections: Sequence[_Connection]) -> None:
    async with asyncio.timeout(DRAIN):
        for connection in connections:
            await connection.close()


class _Recorder:
    def __init__(self) -> None:
        self.begin()
        self.errors: list[str] = []

    def begin(self) -> None:
        """Count from here on."""
        self.latencies: list[float] = []
        self.done = 0
        self._stride = 1

    def record(self, latency: float, status: int, body: bytes) -> bool:
        """Keep what came; whether it was a success."""
        self.done += 1
        if self.done % self._stride == 0:
            self.latencies.append(latency)
        if len(self.latencies) == MOST_KEPT:
            del self.latencies[::2]
            self._stride *= 2
        if 200 <= status < 400:
            return True
        self.errors.append(f"{status} {body[:200].decode(errors='replace')}")
        return False


class _ClosedLoop(_Recorder):
    """Clients that never wait. One that gets an error stops."""

    def __init__(self, port: int, clients: Sequence[Client]) -> None:
        super().__init__()
        self._port = port
        self._clients = clients
        self._stopping = False
        self._connections: list[_Connection] = []

    async def start(self) -> None:
        for client in self._clients:
            connection = await _connect(self._port, self._next(client))
            self._connections.append(connection)
            connection.send(next(client))

    def _next(self, client: Client) -> Callable[[_Connection, float, int, bytes], None]:
        def answered(connection: _Connection, latency: float, status: int, body: bytes) -> None:
            if self.record(latency, status, body) and not self._stopping:
                connection.send(client.send(body))

        return answered

    async def stop(self) -> None:
        self._stopping = True
        await _drain(self._connections)


def _sample(
    done: int,
    latencies: list[float],
    elapsed: float,
    cpu: tuple[tuple[float, float], tuple[float, float]],
    own: float,
    errors: list[str],
) -> Sample:
    server, database = (after - before for before, after in zip(*cpu, strict=True))
    count = max(done, 1)
    ordered = sorted(latencies) or [0.0]
    return Sample(
        rate=done / elapsed,
        cpu_ms=server * 1000 / count,
        database_ms=database * 1000 / count,
        p50=ordered[len(ordered) // 2] * 1000,
        p99=ordered[len(ordered) * 99 // 100] * 1000,
        generator=own / elapsed,
        errors=tuple(errors),
    )


def closed_loop(
    port: int, clients: Sequence[Client], seconds: float, cpu: Cpu, least: int = 0
) -> Sample:
    """Measure ``clients``, one connection each, for longer if ``least`` answers take longer."""

    async def main() -> Sample:
        loop = _ClosedLoop(port, clients)
        await loop.start()
        await asyncio.sleep(WARM_UP)
        loop.begin()
        cpu_before, own_before = cpu(), time.process_time()
        started = time.perf_counter()
        await asyncio.sleep(seconds)
        if loop.done < least:
            await asyncio.sleep(min(PATIENCE, seconds * (least / max(loop.done, 1) - 1)))
        elapsed = time.perf_counter() - started
        done, latencies = loop.done, list(loop.latencies)
        used, own = (cpu_before, cpu()), time.process_time() - own_before
        await loop.stop()
        return _sample(done, latencies, elapsed, used, own, loop.errors)

    return uvloop.run(main())


def open_loop(
    port: int,
    what: bytes,
    per_second: float,
    seconds: float,
    cpu: Cpu,
    storm: Sequence[Client] = (),
    storm_port: int | None = None,
) -> Sample:
    """Measure ``what``, sent ``per_second``, while the clients of ``storm`` never wait.

    Those ask the server at ``storm_port``, unless it is the same one.
    """

    async def main() -> Sample:
        around = _ClosedLoop(storm_port or port, storm)
        await around.start()
        recorder = _Recorder()

        def answered(_from: _Connection, latency: float, status: int, body: bytes) -> None:
            recorder.record(latency, status, body)

        connections = [await _connect(port, answered) for _ in range(16)]
        await asyncio.sleep(WARM_UP)
        cpu_before, own_before, started = cpu(), time.process_time(), time.perf_counter()
        for number in range(int(per_second * seconds)):
            await asyncio.sleep(started + number / per_second - time.perf_counter())
            idle = next((each for each in connections if not each.busy), None)
            if idle is None:
                idle = await _connect(port, answered)
                connections.append(idle)
            idle.send(what)
        elapsed = time.perf_counter() - started
        used, own = (cpu_before, cpu()), time.process_time() - own_before
        await _drain(connections)
        await around.stop()
        errors = [*recorder.errors, *around.errors]
        return _sample(recorder.done, recorder.latencies, elapsed, used, own, errors)

    return uvloop.run(main())
