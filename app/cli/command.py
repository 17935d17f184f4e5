"""What every command shares: a server to work on, one way to answer, one way to fail."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Column, Table
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.clock import Clock
from app.errors import Problem
from app.feature import Feature
from app.identity.scopes import ScopeRefusedError
from app.security.passwords import UnacceptablePasswordError
from app.server import Server
from app.settings import Settings, SettingsError, load_settings

Result = TypeVar("Result")

Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]

features: ContextVar[Sequence[Feature]] = ContextVar("features")
"""What this command line was made with: see :func:`app.cli.command_line`."""

REFUSED = 1

ENDLESS = 1_000_000
"""Columns of what has no width."""


@contextmanager
def failing_in_one_line() -> Generator[None]:
    """Turn what an operator can mend into one line on stderr and exit code 1."""
    try:
        yield
    except ScopeRefusedError as refusal:
        _fail(refusal.line)
    except (Problem, SettingsError, UnacceptablePasswordError) as refusal:
        _fail(refusal.detail if isinstance(refusal, Problem) else str(refusal))
    except DBAPIError as error:
        missing = "no such table" in str(error.orig) or "does not exist" in str(error.orig)
        if missing:
            _fail("the database is not migrated: run `latchkey db upgrade`")
        _fail(f"the database refused: {type(error).__name__}")
    except UnicodeError:
        _fail("what was given is not UTF-8")
    except (SQLAlchemyError, OSError) as error:
        _fail(f"the database cannot be reached: {type(error).__name__}")


def _fail(line: str) -> None:
    print(f"latchkey: {line}", file=sys.stderr)
    raise typer.Exit(REFUSED) from None


def settings() -> Settings:
    """The settings, or exit code 1 with one line."""
    with failing_in_one_line():
        return load_settings()
    raise AssertionError("failing_in_one_line left")


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncGenerator[Server]:
    server = Server(settings, Clock(), features.get())
    try:
        yield server
    finally:
        await server.close()


def run(work: Callable[[Server], Awaitable[Result]]) -> Result:
    """Do ``work`` on a server that is not serving."""

    async def main() -> Result:
        async with _opened(load_settings()) as server:
            return await work(server)

    with failing_in_one_line():
        return asyncio.run(main())
    raise AssertionError("failing_in_one_line left")


def read_secret(what: str) -> str:
    """What is on stdin, less one trailing newline; on a terminal, what is typed blindly, twice."""
    if sys.stdin.isatty():
        typed: str = typer.prompt(what, hide_input=True, confirmation_prompt=True, err=True)
        return typed
    with failing_in_one_line():
        return sys.stdin.read().removesuffix("\n")
    raise AssertionError("failing_in_one_line left")


def show(record: Mapping[str, Any], as_json: bool, note: str = "") -> None:
    """Print one record: as JSON, or as a table of its fields with ``note`` under it."""
    if as_json:
        print(json.dumps(record, default=_plain))
        return
    _print(_fields(record), note)


def show_list(records: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print records: as a JSON list, or as a table with a line for each.

    Where that is wider than the terminal, each has a table of its own: no value is cut.
    """
    if as_json:
        print(json.dumps(records, default=_plain))
        return
    table = Table(*(records[0] if records else []))
    for record in records:
        table.add_row(*(_cell(value) for value in record.values()))
    console = _console()
    if (
        console.measure(table, options=console.options.update(width=ENDLESS)).maximum
        > console.width
    ):
        _print(*map(_fields, records))
    else:
        _print(table)


def _fields(record: Mapping[str, Any]) -> Table:
    table = Table(Column(no_wrap=True), Column(overflow="fold"), show_header=False)
    for name, value in record.items():
        table.add_row(name, _cell(value))
    return table


def _console() -> Console:
    # A pipe has no width: a value must never be cut in the middle of a line that is parsed.
    # What others named a record is printed as it is, and not read as markup.
    width = None if sys.stdout.isatty() else ENDLESS
    return Console(width=width, markup=False, emoji=False, highlight=False)


def _print(*parts: object) -> None:
    _console().print(*(part for part in parts if part), sep="\n")


def _plain(value: object) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    text = " ".join(value) if isinstance(value, list) else _plain(value)
    # Nor may it steer the terminal.
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
