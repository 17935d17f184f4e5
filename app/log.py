"""Logs: one line an event, as JSON or as text, for the application and for uvicorn alike.

Importing this module configures structlog, so that whoever starts the application, nothing but
these processors sees an event. A traceback never shows the values of variables.
"""

import asyncio
import logging
import sys
from contextlib import nullcontext, suppress
from contextvars import ContextVar
from typing import Any, Literal, TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from app import NAME

ACCESS_LOG = f"{NAME}.access"
"""The logger of requests."""

REQUEST_ID: ContextVar[str] = ContextVar("request_id")
"""The id of the request that is being answered, which is on every line about it."""

TRACE_ID: ContextVar[str | None] = ContextVar("trace_id", default=None)
"""The trace that this request belongs to, if there is one (W3C Trace Context)."""


def add_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put the request's ids onto a line, as structlog's own processor does for such variables."""
    request_id = REQUEST_ID.get(None)
    if request_id is not None:
        event["request_id"] = request_id
        trace_id = TRACE_ID.get()
        if trace_id is not None:
            event["trace_id"] = trace_id
    return event


_SHARED: list[Processor] = [
    add_ids,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]

structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_SHARED,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of that name."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


PAUSE = 0.01
"""Seconds in which lines about requests gather."""

MOST_TOGETHER = 500
"""Lines of one write."""


class BatchedStream(logging.StreamHandler[TextIO]):
    """Writes the lines about requests together, when the event loop gets to it.

    Any other line is written at once, behind those that wait. An orderly end loses nothing: see
    :func:`write_what_waits`.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        """Nothing waits yet. The stream is stderr unless one is given."""
        super().__init__(stream)
        self._waiting: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or let it wait."""
        try:
            self._waiting.append(self.format(record) + self.terminator)
        except Exception:
            self.handleError(record)
        if record.name != ACCESS_LOG or len(self._waiting) >= MOST_TOGETHER:
            self.flush()
        elif len(self._waiting) == 1:
            try:
                asyncio.get_running_loop().call_later(PAUSE, self.flush)
            except RuntimeError:  # there is no event loop
                self.flush()

    def flush(self) -> None:
        """Write what waits."""
        with self.lock or nullcontext():
            lines, self._waiting = self._waiting, []
            with suppress(OSError, ValueError):  # whose stream is gone can be told nothing
                self.stream.write("".join(lines))
                super().flush()


def write_what_waits() -> None:
    """Write the lines about requests that wait: not every server ends with a line of its own."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, BatchedStream):
            handler.flush()


def log_config(log_format: Literal["json", "text"], access_log: bool) -> dict[str, Any]:
    """The configuration that uvicorn hands to :func:`logging.config.dictConfig` in each worker."""
    renderers: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *renderers,
                ],
            }
        },
        "handlers": {"stderr": {"class": "app.log.BatchedStream", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            "alembic": {"level": "WARNING"},
            ACCESS_LOG: {"level": "INFO" if access_log else "WARNING"},
            "uvicorn.access": {"level": "CRITICAL", "propagate": False},  # ours has no secrets
        },
    }
