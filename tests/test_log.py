"""When lines of the log are written."""

import asyncio
import io
import logging
import subprocess
import sys

import httpx2
import pytest
from fastapi import FastAPI

from app.log import ACCESS_LOG, BatchedStream
from tests.support.databases import Backend
from tests.support.live_server import live_server


class Stream(io.StringIO):
    """Keeps each write, and tells of the first."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []
        self.written = asyncio.Event()

    def write(self, text: str) -> int:
        self.writes.append(text)
        self.written.set()
        return len(text)


def line(text: str, logger: str = ACCESS_LOG) -> logging.LogRecord:
    return logging.LogRecord(logger, logging.INFO, __file__, 1, text, None, None)


async def test_lines_about_requests_are_written_together() -> None:
    stream = Stream()
    handler = BatchedStream(stream)
    for text in ("one", "two", "three"):
        handler.handle(line(text))
    assert stream.writes == []
    await stream.written.wait()
    assert stream.writes == ["one\ntwo\nthree\n"]


async def test_any_other_line_is_written_at_once_behind_those_that_wait() -> None:
    stream = Stream()
    handler = BatchedStream(stream)
    handler.handle(line("a request"))
    handler.handle(line("a fault", logger="latchkey"))
    assert stream.writes == ["a request\na fault\n"]


def test_without_an_event_loop_nothing_waits() -> None:
    stream = Stream()
    BatchedStream(stream).handle(line("a request"))
    assert stream.writes == ["a request\n"]


async def test_an_application_that_is_stopped_writes_what_waits(app: FastAPI) -> None:
    stream = Stream()
    handler = BatchedStream(stream)
    logging.getLogger().addHandler(handler)
    async with app.router.lifespan_context(app):
        handler.handle(line("the last request"))
        assert stream.writes == []
    logging.getLogger().removeHandler(handler)
    assert stream.writes == ["the last request\n"]


def test_a_process_that_exits_writes_what_waits() -> None:
    script = """
import asyncio, logging.config, sys
from app.log import ACCESS_LOG, log_config
logging.config.dictConfig(log_config("json", access_log=True))
async def main():
    logging.getLogger(ACCESS_LOG).info("the last request")
    sys.exit(0)
asyncio.run(main())
"""
    command = [sys.executable, "-c", script]
    written = subprocess.check_output(command, stderr=subprocess.STDOUT, text=True)
    assert "the last request" in written


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_is_told_to_stop_has_logged_every_request(
    sqlite: Backend, workers: int
) -> None:
    paths = [f"/nowhere/{number}" for number in range(20)]
    settings = {"LATCHKEY_LOG_FORMAT": "json"}
    with live_server(sqlite.seeded(), settings, workers) as server:
        with httpx2.Client(base_url=server.url, trust_env=False) as http:
            for path in paths:
                assert http.get(path).status_code == 404
        server.stop()
        assert [path for path in paths if f'"{path}"' not in server.log] == []
