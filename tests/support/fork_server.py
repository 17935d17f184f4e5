"""A process that has imported what programs import, and becomes one whenever it is asked to.

``python -m tests.support.fork_server FD MODULE…`` listens on the socket ``FD`` until its standard
input ends. Whoever connects sends the standard streams of a program and a line of JSON that says
which; it is told the process id in a line, and its exit code in another. Whoever hangs up before
ends the program.

This is not the fork server of :mod:`multiprocessing`, which is the parent of functions: programs
want streams of their own and an end like that of any process, and shells start them, too.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """What ``python -m MODULE`` is told in ``folder``."""

    module: str
    arguments: list[str]
    environment: dict[str, str]
    folder: str

    def run(self) -> None:
        """Run it as the program of this process, which has the streams of another so far."""
        os.environ.clear()
        os.environ.update(self.environment)
        os.chdir(self.folder)
        others = [path for path in self.environment.get("PYTHONPATH", "").split(os.pathsep) if path]
        sys.path[:] = [self.folder, *others, *_INSTALLED]
        importlib.invalidate_caches()
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            stream.reconfigure(  # type: ignore[union-attr]
                line_buffering=stream.isatty() or stream is sys.stderr,
                write_through="PYTHONUNBUFFERED" in self.environment,
            )
        sys.dont_write_bytecode = bool(self.environment.get("PYTHONDONTWRITEBYTECODE"))
        sys.argv[1:] = self.arguments
        gc.enable()
        runpy.run_module(self.module, run_name="__main__", alter_sys=True)


_HERE = {str(Path(__file__).parents[2]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)}

_INSTALLED = [path for path in sys.path if path not in _HERE]
"""Where everything is looked for that is not beside the program."""


def next_program(listening: socket.socket) -> Program | None:
    """Returns in a new process for each program; and None in this one, in the end."""
    while True:
        ready, _, _ = select.select([listening.fileno(), 0], [], [])
        if 0 in ready:
            return None
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # of those whose program has ended
                pass
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            return _program_of(connection)
        connection.close()


def _program_of(connection: socket.socket) -> Program:
    """Returns in the process of the program; the other one waits for its end, and ends."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile() as lines:
        program = Program(*json.loads(lines.readline()))
    ended, ending = os.pipe()
    os.set_blocking(ending, False)
    signal.set_wakeup_fd(ending)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # is told there
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(ended)
        os.close(ending)
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        return program
    for stream in (0, 1, 2, *streams):
        os.close(stream)
    connection.sendall(f"{pid}\n".encode())
    asked, _, _ = select.select([connection.fileno(), ended], [], [])
    if connection.fileno() in asked:  # whoever has asked for it is gone
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    for name in sys.argv[2:]:
        importlib.import_module(name)
    gc.freeze()
    asked = next_program(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        asked.run()
