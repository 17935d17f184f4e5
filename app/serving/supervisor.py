"""The workers of one instance: started, watched, replaced, and ended together.

A worker that ends is replaced while the others serve on; one that is silent is killed first. SIGHUP
replaces them all, one after the other, so that they read their settings anew. SIGTERM and SIGINT
end them; the supervisor stops listening first, so that the last worker to do so is the last to
accept. One that does not end in time is killed, and that is not a good end.
"""

import multiprocessing
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from types import FrameType

from app import NAME
from app.log import get_logger
from app.serving.worker import Serving, work

log = get_logger(NAME)

SILENCE = 30.0
"""Seconds after which a worker that gave no sign of life is killed."""

START_TIMEOUT = 60.0
"""Seconds in which a worker has begun to serve."""

LONGEST_PAUSE = 30.0
"""Seconds between two starts of a worker that ends again and again; the pause doubles from one."""

PRELOAD = True
"""False lets each worker import everything by itself, which takes a second and 40 MiB more."""


def _context() -> SpawnContext | ForkServerContext:
    """How workers are started: forked from a process that has imported everything, where it can.

    The fork server of :mod:`multiprocessing` has neither threads nor an event loop that a fork
    could break. It needs a socket in a folder for temporary files.
    """
    possible = "forkserver" in multiprocessing.get_all_start_methods()
    if not (PRELOAD and possible and _has_temporary_folder()):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["app.preloaded"])
    return context


def _has_temporary_folder() -> bool:
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        return False
    return True


@dataclass
class _Running:
    process: BaseProcess
    beats: Connection
    born: float
    heard: float | None = None
    """When it gave its latest sign of life; None until it serves."""

    def listen(self) -> None:
        with suppress(EOFError, OSError):  # it has ended
            while self.beats.poll():
                self.beats.recv_bytes()
                self.heard = time.monotonic()

    def has_begun(self) -> bool:
        return self.heard is not None or self.has_ended()

    def has_ended(self) -> bool:
        return not self.process.is_alive()

    @property
    def is_silent(self) -> bool:
        patience = START_TIMEOUT if self.heard is None else SILENCE
        return time.monotonic() - (self.heard or self.born) > patience


class Supervisor:
    """As many workers as were asked for, on one socket."""

    def __init__(self, serving: Serving, listening: socket.socket, workers: int) -> None:
        """Nothing is started yet."""
        self._context = _context()
        self._serving = serving
        self._listening = listening
        self._workers: list[_Running] = []
        self._wanted = workers
        self._pause = 0.0
        self._not_before = 0.0
        self._ending = False
        self._renewing = False
        self._woken, self._wake = os.pipe()

    def run(self) -> int:
        """Serve until a signal comes. Returns the exit code: 0 if every worker has ended well."""
        os.set_blocking(self._wake, False)
        os.set_blocking(self._woken, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._end)
        signal.signal(signal.SIGHUP, self._renew)
        while not self._ending:
            self._replace_ended()
            self._kill_silent()
            if self._renewing:
                self._renewing = False
                self._renew_all()
            self._wait()
        return self._end_all()

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        self._ending = True

    def _renew(self, _signal: int, _frame: FrameType | None) -> None:
        self._renewing = True

    def _wait(self, seconds: float = 0.5) -> None:
        """Wait until a signal comes or a worker ends; then hear all of them."""
        wait([self._woken, *(each.process.sentinel for each in self._workers)], seconds)
        with suppress(BlockingIOError):
            os.read(self._woken, 512)
        for each in self._workers:
            each.listen()

    def _start(self) -> _Running:
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=work, args=(self._serving, self._listening, theirs))
        process.start()
        theirs.close()
        return _Running(process, ours, time.monotonic())

    def _replace_ended(self) -> None:
        now = time.monotonic()
        for each in [each for each in self._workers if not each.process.is_alive()]:
            log.error("a worker has ended", pid=each.process.pid, exit_code=each.process.exitcode)
            self._forget(each)
            # One that has served is replaced at once; one that does not start, later and later.
            self._pause = 0 if each.heard else min(max(1, 2 * self._pause), LONGEST_PAUSE)
            self._not_before = now + self._pause
        while len(self._workers) < self._wanted and now >= self._not_before:
            self._workers.append(self._start())

    def _forget(self, worker: _Running) -> None:
        self._workers.remove(worker)
        worker.process.join()
        worker.beats.close()

    def _kill_silent(self) -> None:
        for each in self._workers:
            if each.is_silent:
                log.error("a worker is silent and is killed", pid=each.process.pid)
                each.process.kill()
                each.process.join()

    def _renew_all(self) -> None:
        for old in list(self._workers):
            new = self._start()
            self._workers.append(new)
            self._until(new.has_begun)
            if self._ending:
                return
            if new.heard is None:
                log.error("a new worker did not start: the others serve on", pid=new.process.pid)
                new.process.kill()
                self._forget(new)
                return
            old.process.terminate()
            self._until(old.has_ended, self._serving.longest_end)
            old.process.kill()
            self._forget(old)

    def _until(self, condition: Callable[[], bool], seconds: float = START_TIMEOUT) -> None:
        ends = time.monotonic() + seconds
        while not (condition() or self._ending or time.monotonic() > ends):
            self._wait(0.1)

    def _end_all(self) -> int:
        self._listening.close()
        for each in self._workers:
            each.process.terminate()
        ends = time.monotonic() + self._serving.longest_end
        for each in self._workers:
            each.process.join(max(0, ends - time.monotonic()))
            if each.process.is_alive():
                log.error("a worker does not end and is killed", pid=each.process.pid)
                each.process.kill()
                each.process.join()
        good = (0, -signal.SIGTERM)  # the latter is one that had not begun yet
        return 0 if all(each.process.exitcode in good for each in self._workers) else 1


def serve_together(serving: Serving, workers: int) -> int:
    """Serve with several workers until a signal comes. Returns the exit code.

    Raises :class:`SettingsError` if the server cannot listen.
    """
    serving.config()  # it begins the log
    with serving.listening() as listening:
        return Supervisor(serving, listening, workers).run()
