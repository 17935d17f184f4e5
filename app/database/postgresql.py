"""PostgreSQL's connections: how they are opened, how long one waits for them, and what ends them.

The server bounds what it does itself. But a server that has gone without a word, or a proxy that is
stuck, says nothing at all; so every statement is bounded on this side as well, a little later. A
connection that was silent for so long is not waited for again: it is aborted, and so is whatever
else the pool has, when it is wanted next.
"""

import socket
from typing import Any

from sqlalchemy import Dialect, ExceptionContext, event
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor, ExecutionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine

CONNECT_TIMEOUT = 5.0
"""Seconds until a connection is open."""

STATEMENT_TIMEOUT = 10.0
"""Seconds until a statement is answered."""

SERVER_TIMEOUTS = {"lock_timeout": "5s", "statement_timeout": "9s"}
"""What the server keeps to by itself: both end before :data:`STATEMENT_TIMEOUT`, so that it is only
reached where the server is silent."""

KEEPALIVE = {
    "TCP_KEEPIDLE": 30,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
}
"""Seconds without traffic before the system asks the other side, between two questions, and how
many go unanswered: an idle connection whose other end is gone is known to be after a minute."""

UNNAMED: dict[str, Any] = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": str,  # always empty: PostgreSQL's unnamed statement
}
"""Nothing is prepared under a name that the next client of a pooled connection might find."""

READ_ONLY = "25006"
"""SQLSTATE of a write on a standby, or on a primary that was told to take none."""


def connect_arguments(*, pgbouncer: bool, timeout: float | None = None) -> dict[str, Any]:
    """What asyncpg is told, through SQLAlchemy, when it opens a connection.

    Behind ``pgbouncer`` a connection may be another one in the next transaction: nothing is
    prepared under a name, and nothing set for the session, which it would refuse. ``timeout`` is
    in seconds, :data:`CONNECT_TIMEOUT` unless it is given.
    """
    arguments: dict[str, Any] = {
        "timeout": timeout or CONNECT_TIMEOUT,
        "command_timeout": STATEMENT_TIMEOUT,
    }
    if pgbouncer:
        return arguments | UNNAMED
    return arguments | {"server_settings": SERVER_TIMEOUTS}


def prepare(engine: AsyncEngine) -> None:
    """Make the connections of ``engine`` behave as this module says."""
    event.listen(engine.sync_engine, "do_connect", _connect)
    event.listen(engine.sync_engine, "handle_error", _judge)
    event.listen(engine.sync_engine.pool, "connect", _keep_alive)
    event.listen(engine.sync_engine.pool, "checkout", _replace_closed)


def repeat_outdated(engine: AsyncEngine) -> None:
    """Repeat a statement whose plan a migration has outdated, where it is no transaction's part.

    The server refuses it before it does anything. In a transaction all of that is lost: see
    :func:`~app.database.engines.retry_conflicts`.
    """
    event.listen(engine.sync_engine, "do_execute", _execute)


def _connect(
    dialect: Dialect, _record: object, arguments: list[Any], parameters: dict[str, Any]
) -> DBAPIConnection:
    # A server that starts, stops or is full is an outage like one that is not there, and
    # not every way of not being there is a ConnectionError by itself.
    try:
        return dialect.connect(*arguments, **parameters)
    except (dialect.loaded_dbapi.Error, OSError) as error:
        raise ConnectionError(type(error).__name__) from error


def _keep_alive(connection: DBAPIConnection, _record: object) -> None:
    opened: socket.socket = connection.driver_connection._transport.get_extra_info("socket")
    if opened.family == socket.AF_UNIX:
        return
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):  # not everywhere
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _replace_closed(connection: DBAPIConnection, _record: object, _proxy: object) -> None:
    # What a ping would find out with a round trip, the driver knows already.
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _judge(context: ExceptionContext) -> None:
    _forget_rows(context)
    error = context.original_exception
    if isinstance(error, TimeoutError):
        # Nobody says goodbye to whom nobody hears.
        if context.connection is not None and not context.connection.invalidated:
            driver = context.connection.connection.driver_connection
            assert driver is not None  # noqa: S101 - it has just been used
            driver.terminate()
        context.is_disconnect = True
    elif getattr(error, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True  # the address may lead to another server by now


def _forget_rows(context: ExceptionContext) -> None:
    """PostgreSQL shows the row that it refused, with all that is in it: the log must not."""
    import asyncpg  # which SQLite does not need

    driver_error = context.original_exception.__cause__
    if isinstance(driver_error, asyncpg.PostgresError):
        driver_error.detail = None
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None:
            error.args = tuple(str(part).partition("\nDETAIL:")[0] for part in error.args)


def _execute(
    cursor: DBAPICursor, statement: str, parameters: Any, context: ExecutionContext
) -> bool:
    try:
        cursor.execute(statement, parameters)
    except Exception as error:
        if not is_outdated(error):
            raise
        context.handle_dbapi_exception(error)  # SQLAlchemy forgets what it has prepared
        context.pre_exec()
        cursor.execute(statement, parameters)
    return True


def is_outdated(error: BaseException | None) -> bool:
    """Whether the driver reports a statement that was prepared before a change of the schema."""
    import asyncpg

    return isinstance(getattr(error, "__cause__", None), asyncpg.InvalidCachedStatementError)
