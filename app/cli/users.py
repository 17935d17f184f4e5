"""``latchkey users``: people who log in."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from app.cli.command import Json, read_secret, run, show, show_list
from app.database.paging import every
from app.identity.scopes import SPEAK_OF_A_USER, list_scopes
from app.management.authority import operating
from app.management.users import (
    UserChanges,
    UserRecord,
    change_user,
    delete_user,
    get_user_by_name,
    list_users,
    register_user,
    set_password,
)
from app.security.opaque import generate_secret
from app.security.passwords import check_new_password
from app.server import Server

cli = typer.Typer(no_args_is_help=True, help="Create and manage users.")


Username = Annotated[str, typer.Argument(help="Compared without regard to case.")]


@cli.callback()
def users() -> None:
    """Create and manage users."""


@cli.command("create")
def create(
    username: Annotated[str, typer.Argument(help="Compared without regard to case.")],
    email: Annotated[str | None, typer.Option(help="Not verified yet.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="From stdin; on a terminal it is asked for.")
    ] = False,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="A scope the user has; may be repeated. Without it: " + " ".join(SPEAK_OF_A_USER)
        ),
    ] = None,
    all_scopes: Annotated[
        bool, typer.Option("--all-scopes", help="Every scope there is: the first administrator.")
    ] = False,
    json: Json = False,
) -> None:
    """Create a user. Unless it is given, the password is generated and shown once."""
    if scope and all_scopes:
        raise typer.BadParameter("--scope and --all-scopes exclude each other")
    given = read_secret("Password") if password_stdin else None
    password = generate_secret() if given is None else given

    async def work(server: Server) -> dict[str, Any]:
        check_new_password(password, username, server.settings.password_min_length)
        password_hash = server.passwords.hash_now(password)
        async with operating(server.database, server.clock) as operator:
            user = await register_user(
                operator,
                username=username,
                email=email,
                password_hash=password_hash,
                scopes=list(await list_scopes(operator.connection))
                if all_scopes
                else scope or SPEAK_OF_A_USER,
            )
        return _plain(user)

    record = run(work)
    if given is None:
        record["password"] = password
    show(record, json, "" if given else "The password is shown this once.")


@cli.command("list")
def show_users(
    name: Annotated[str, typer.Option(help="Only names that begin so.")] = "",
    disabled: Annotated[
        bool | None, typer.Option("--disabled/--enabled", help="Only these, or only the others.")
    ] = None,
    json: Json = False,
) -> None:
    """List users, by name."""

    async def work(server: Server) -> list[dict[str, Any]]:
        async with server.database.read() as connection:
            users = await every(
                lambda after, limit: list_users(
                    connection, limit=limit, after=after, name_starts_with=name, disabled=disabled
                ),
                lambda user: user.username,
            )
        return [_plain(user) for user in users]

    show_list(run(work), json)


@cli.command("show")
def show_user(username: Username, json: Json = False) -> None:
    """Show a user."""

    async def work(server: Server) -> dict[str, Any]:
        async with server.database.read() as connection:
            return _plain(await get_user_by_name(connection, username))

    show(run(work), json)


@cli.command("set-password")
def set_user_password(
    username: Username,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="From stdin; on a terminal it is asked for.")
    ] = False,
    json: Json = False,
) -> None:
    """Give a user another password; all their logins end, and their API keys are revoked.

    Unless it is given it is generated and shown once.
    """
    given = read_secret("Password") if password_stdin else None
    password = generate_secret() if given is None else given

    async def work(server: Server) -> dict[str, Any]:
        async with server.database.read() as connection:
            user = await get_user_by_name(connection, username)
        check_new_password(password, user.username, server.settings.password_min_length)
        password_hash = server.passwords.hash_now(password)
        async with operating(server.database, server.clock) as operator:
            await set_password(operator, user.id, password_hash, revoke=server.revocations)
        return {"id": str(user.id), "username": user.username}

    record = run(work)
    if given is None:
        record["password"] = password
    show(record, json, "" if given else "The password is shown this once.")


@cli.command("set-scopes")
def set_scopes(
    username: Username,
    scope: Annotated[
        list[str] | None, typer.Option(help="All that the user shall have; may be repeated.")
    ] = None,
    json: Json = False,
) -> None:
    """Give a user exactly these scopes; without any, none."""
    _change(username, UserChanges(scopes=scope or []), json)


@cli.command("disable")
def disable(username: Username, json: Json = False) -> None:
    """Shut a user out at once: logins, tokens, API keys, Basic and Digest."""
    _change(username, UserChanges(disabled=True), json)


@cli.command("enable")
def enable(username: Username, json: Json = False) -> None:
    """Let a disabled user in again. Logins that ended stay ended."""
    _change(username, UserChanges(disabled=False), json)


@cli.command("delete")
def delete(username: Username, json: Json = False) -> None:
    """Delete a user and all that is theirs. The audit trail stays."""

    async def work(server: Server) -> dict[str, Any]:
        async with operating(server.database, server.clock) as operator:
            user = await get_user_by_name(operator.connection, username)
            await delete_user(operator, user.id)
        return {"id": str(user.id), "username": user.username, "deleted": True}

    show(run(work), json)


def _change(username: str, changes: UserChanges, json: bool) -> None:
    async def work(server: Server) -> dict[str, Any]:
        async with operating(server.database, server.clock) as operator:
            user = await get_user_by_name(operator.connection, username)
            return _plain(await change_user(operator, user.id, changes))

    show(run(work), json)


def _plain(user: UserRecord) -> dict[str, Any]:
    return {**asdict(user), "id": str(user.id), "scopes": list(user.scopes)}
