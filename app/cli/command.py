"""What every command shares: what it works on, one way to answer, one way to fail."""

import asyncio
import inspect
import sqlite3
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, TypeVar, cast

import typer
from sqlalchemy.exc import SQLAlchemyError

from app import NAME
from app.cli.later import features_at_hand
from app.cli.output import show, show_list
from app.clock import Clock
from app.database.engines import Database
from app.database.faults import NOT_MIGRATED, described
from app.errors import Problem
from app.oauth2 import grants  # noqa: F401 - clients can be registered for them
from app.security.passwords import UnacceptablePasswordError
from app.settings import Settings, SettingsError, load_settings
from app.settings.single_line import NotOneLineError, single_line

if TYPE_CHECKING:
    from app.server import Server

Place = TypeVar("Place")
Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")

_KEYWORD = inspect.Parameter.KEYWORD_ONLY

Json = Annotated[bool, typer.Option("--json", help="Print only JSON on stdout.")]

REFUSED = 1


class FailingInOneLine:
    """Turns what an operator can fix into one line on stderr and exit code 1."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Raise :class:`typer.Exit` instead of what has a line."""
        if error is not None and (line := _line_of(error)):
            print(f"{NAME}: {line}", file=sys.stderr)
            raise typer.Exit(REFUSED) from None


def _line_of(error: BaseException) -> str | None:
    match error:
        case Problem():
            return error.line
        case SettingsError() | UnacceptablePasswordError():
            return str(error)
        case NotOneLineError():
            return f"the input is not accepted: {error}"
        case UnicodeError():
            return "the input is not UTF-8"
        case SQLAlchemyError() | sqlite3.Error() | OSError():
            return described(error)
    return None


def settings() -> Settings:
    """The settings, or exit code 1 with one line."""
    with FailingInOneLine():
        return load_settings()


@dataclass(frozen=True)
class Deployment:
    """What most commands need. A whole server would also hash passwords and sign tokens."""

    settings: Settings
    clock: Clock
    database: Database


@asynccontextmanager
async def _deployment(settings: Settings) -> AsyncGenerator[Deployment]:
    database = Database.of(settings)
    try:
        yield Deployment(settings, Clock(), database)
    finally:
        await database.close()


def _require_database(database: Database) -> None:
    if database.is_missing:
        raise SettingsError(NOT_MIGRATED)


@asynccontextmanager
async def _server(settings: Settings) -> AsyncGenerator["Server"]:
    from app.server import Server  # with all that it can do: most commands need no server

    server = Server(settings, Clock(), features_at_hand.get()())
    _require_database(server.database)
    try:
        yield server
    finally:
        await server.close()


def run(work: Callable[["Server"], Awaitable[Result]]) -> Result:
    """Do ``work`` on a server that is not serving."""
    return _run(_server, work)


def run_without_server(work: Callable[[Deployment], Awaitable[Result]]) -> Result:
    """Do ``work`` that needs no more than the settings, the clock and the database."""
    return _run(_deployment, work)


def _run(
    opened: Callable[[Settings], AbstractAsyncContextManager[Place]],
    work: Callable[[Place], Awaitable[Result]],
) -> Result:
    async def main() -> Result:
        async with opened(load_settings()) as place:
            return await work(place)

    with FailingInOneLine():
        return asyncio.run(main())


def given(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


Record = Mapping[str, Any]


@dataclass(frozen=True)
class Noted:
    """A record, and what a person is told under it."""

    record: Record
    note: str


Answer = Record | Noted | Sequence[Record] | str
"""What a command prints. A string is printed as it is."""

Work = Callable[Concatenate[Place, Parameters], Awaitable[Answer]]


def command(
    cli: typer.Typer, name: str
) -> Callable[[Work[Deployment, Parameters]], Work[Deployment, Parameters]]:
    """Make a command of what takes a :class:`Deployment` and then arguments and options.

    Its answer is printed, and ``--json`` added, which it is told if it takes ``json`` itself.
    """
    return lambda work: _add(cli, name, run_without_server, work)


def server_command(
    cli: typer.Typer, name: str, *, dashes: bool = False
) -> Callable[[Work["Server", Parameters]], Work["Server", Parameters]]:
    """The same for what takes a :class:`Server`.

    With ``dashes`` an argument may begin with one, as one in 64 of the ids of keys does.
    """
    return lambda work: _add(cli, name, run, work, {"ignore_unknown_options": dashes})


def _add(
    cli: typer.Typer,
    name: str,
    run: Callable[[Callable[[Place], Awaitable[Answer]]], Answer],
    work: Work[Place, Parameters],
    context: Mapping[str, Any] | None = None,
) -> Work[Place, Parameters]:
    parameters = list(inspect.signature(work).parameters.values())[1:]
    wants_json = any(parameter.name == "json" for parameter in parameters)
    if not wants_json:
        parameters.append(inspect.Parameter("json", _KEYWORD, default=False, annotation=Json))

    do = cast(Callable[..., Awaitable[Answer]], work)

    def command(**arguments: Any) -> None:
        as_json = arguments["json"] if wants_json else arguments.pop("json")

        async def answer(place: Any) -> Answer:
            _require_database(place.database)
            return await do(place, **arguments)

        _print_answer(run(answer), as_json)

    command.__doc__ = work.__doc__
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    vars(command)["__signature__"] = inspect.Signature(parameters)
    cli.command(name, context_settings=dict(context or {}))(command)
    return work


def _print_answer(answer: Answer, as_json: bool) -> None:
    match answer:
        case str():
            print(answer)
        case Noted():
            show(answer.record, as_json, answer.note)
        case Mapping():
            show(answer, as_json)
        case _:
            show_list(answer, as_json)


def read_secret(what: str) -> str:
    """The line on stdin; on a terminal, what is typed blindly, twice."""
    if sys.stdin.isatty():
        typed: str = typer.prompt(what, hide_input=True, confirmation_prompt=True, err=True)
        return typed
    with FailingInOneLine():
        return single_line(sys.stdin.read())
