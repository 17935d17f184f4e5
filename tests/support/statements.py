"""What a server asks of its database."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from app.server import Server


@contextmanager
def noting(server: Server) -> Generator[list[tuple[str, Any]]]:
    """The statements that are run within, with their parameters."""
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cu: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    engines = (server.database._reader.sync_engine, server.database._writer.sync_engine)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield asked
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)
