"""Why the database cannot be used, in one line: the driver's reason, and what to look at."""

import sqlite3
import ssl

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

_SETTING = "see LATCHKEY_DATABASE_URL"

_NOT_MIGRATED = ("42P01", "42703")
"""SQLSTATE of a table or a column that is not there."""


NOT_MIGRATED = "the database is not migrated: run `latchkey db upgrade`"
"""What to do where there is no schema, or an older one."""


def is_unmigrated(error: BaseException) -> bool:
    """Whether a table or a column is not there."""
    cause = _innermost(error)
    if isinstance(cause, sqlite3.Error):
        return str(cause).startswith(("no such table", "no such column"))
    return (getattr(cause, "sqlstate", None) or "").startswith(_NOT_MIGRATED)


def named(error: BaseException) -> dict[str, str | None]:
    """The class of an error and what the database calls it, for the log.

    That is a name such as ``SQLITE_FULL``, or a SQLSTATE. Unlike a sentence of the driver, neither
    ever holds a value.
    """
    cause = _innermost(error)
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    return {"kind": type(error).__name__, "code": code}


def described(error: SQLAlchemyError | OSError | sqlite3.Error) -> str:
    """What went wrong, for whoever runs a command. Never a value of the URL that is secret."""
    cause = _innermost(error)
    state = getattr(cause, "sqlstate", None) or ""
    reason = " ".join(str(cause).split()) or type(cause).__name__
    if is_unmigrated(error):
        return NOT_MIGRATED
    if "unsupported startup parameter" in reason:
        return f"PgBouncer refuses the connection: {reason}: set LATCHKEY_DATABASE_PGBOUNCER=true"
    if state == "3D000":
        return f"the database cannot be reached: {reason}: create it, or {_SETTING}"
    if "unable to open database file" in reason:
        return "the database cannot be opened: its folder is missing or cannot be written to"
    if isinstance(cause, sqlite3.Error):
        return f"the database cannot be used: {reason}: {_SETTING}, and who may write to its folder"
    if isinstance(cause, ssl.SSLError):
        reason = getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or reason
        return f"the database cannot be reached: its certificate or TLS: {reason}: {_SETTING}"
    if isinstance(error, DBAPIError) and not isinstance(cause, OSError) and not _at_the_door(state):
        return f"the database reported an error: {_first_sentence(reason)}"
    return f"the database cannot be reached: {reason}: {_SETTING}"


def _innermost(error: BaseException) -> BaseException:
    """What the driver raised, under what SQLAlchemy has made of it."""
    while True:
        below = getattr(error, "orig", None) or error.__cause__
        if below is None:
            return error
        error = below


def _at_the_door(state: str) -> bool:
    """Whether the server has let nobody in: authentication, connection, no room, starting up."""
    return state.startswith(("28", "08", "53", "57"))


def _first_sentence(reason: str) -> str:
    # What follows can show the values of a row.
    return reason.partition("DETAIL:")[0].strip()
