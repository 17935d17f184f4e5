"""Programs of the project in processes of their own, forked from one that has imported it all.

What a program imports takes more of the processor than most of what tests have it do.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import IO

from app.database.schema import ROOT


class Forked:
    """A process that was forked. It is not a child of this one."""

    def __init__(self, connection: socket.socket) -> None:
        """``connection`` tells what becomes of it."""
        self._told = connection.makefile()
        self.pid = int(self._told.readline())
        self._code: int | None = None

    @property
    def exitcode(self) -> int | None:
        """As :class:`subprocess.Popen` has it; None while the process runs."""
        return self.wait(0)

    def wait(self, timeout: float) -> int | None:
        """The exit code once the process has ended; None if it has not in these seconds."""
        if self._code is None and select.select([self._told], [], [], timeout)[0]:
            self._code = int(self._told.readline())
            self._told.close()
        return self._code

    def stop(self, timeout: float = 40) -> None:
        """Ask it to end, if it has not; insist after these seconds."""
        if self.exitcode is None:
            self._send(signal.SIGTERM)
            if self.wait(timeout) is None:
                self.kill()

    def kill(self) -> None:
        """``kill -9``, if it has not ended; it has then."""
        if self.exitcode is None:
            self._send(signal.SIGKILL)
            assert self.wait(10) is not None

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # it has just ended, which was not told yet
            os.kill(self.pid, number)


class ForkServer:
    """Forks processes that have imported some modules. It is started when there is a first one."""

    def __init__(self, *modules: str) -> None:
        """Of the checkout that is tested, and of libraries."""
        self._modules = modules

    @cached_property
    def address(self) -> str:
        """The path of its socket: see :mod:`tests.support.fork_server`."""
        self._folder = tempfile.TemporaryDirectory(prefix="latchkey")  # goes with this object
        path = f"{self._folder.name}/socket"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            listening.listen(100)
            number = listening.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.fork_server", str(number), *self._modules],
                cwd=ROOT,
                stdin=subprocess.PIPE,  # ends with this process
                pass_fds=[number],
                start_new_session=True,  # or passwords are typed at the terminal of the tests
            )
        return path

    def start(
        self,
        *command: str,
        environment: Mapping[str, str],
        folder: Path,
        streams: Sequence[IO[bytes]],
    ) -> Forked:
        """Start ``python -m`` with a module and its arguments; ``streams`` are 0, 1 and 2."""
        module, *arguments = command
        program = [module, arguments, dict(environment), str(folder)]
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.address)
            socket.send_fds(connection, [b" "], [stream.fileno() for stream in streams])
            connection.sendall(json.dumps(program).encode() + b"\n")
            return Forked(connection)

    def run(
        self,
        *command: str,
        environment: Mapping[str, str],
        folder: Path,
        stdin: str = "",
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """What becomes of ``python -m`` with these arguments, once it has ended."""
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as output,
            tempfile.TemporaryFile() as errors,
        ):
            given.write(stdin.encode())
            given.seek(0)
            streams = given, output, errors
            process = self.start(*command, environment=environment, folder=folder, streams=streams)
            code = process.wait(timeout)
            if code is None:
                process.kill()
                raise subprocess.TimeoutExpired(command, timeout)
            written = []
            for file in (output, errors):
                file.seek(0)
                written.append(file.read().decode())
        return subprocess.CompletedProcess(command, code, *written)


OURS = ForkServer(
    *("app.preloaded", "app.database.migrations", "alembic.command", "app.operations.demo"),
    *("app.cli.clients", "app.cli.db", "app.cli.seed_demo", "app.cli.serve", "app.cli.users"),
)
"""For the code of this checkout."""

LIBRARIES = ForkServer(
    *("aiosqlite", "alembic.command", "alembic.config", "asyncpg", "cryptography.x509", "fastapi"),
    *("jinja2", "jwt", "passlib.context", "pydantic_settings", "rich.markdown", "structlog"),
    *("sqlalchemy.dialects.postgresql.asyncpg", "sqlalchemy.ext.asyncio", "typer.main"),
    *("uvicorn.main", "yaml"),
)
"""For code of somewhere else."""


def fork_server(environment: Mapping[str, str]) -> ForkServer:
    """The one for processes with this ``PYTHONPATH``."""
    return OURS if str(ROOT) in environment["PYTHONPATH"].split(os.pathsep) else LIBRARIES
