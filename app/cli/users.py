"""``latchkey users``: people who log in."""

from typing import Annotated, Any

import typer

from app.cli.command import Json, read_stdin, run, show
from app.security.opaque import generate_secret
from app.security.passwords import check_new_password
from app.server import Server
from app.services.scopes import SPEAK_OF_A_USER
from app.services.users import create_user

cli = typer.Typer(no_args_is_help=True, help="Create and manage users.")


@cli.callback()
def users() -> None:
    """Create and manage users."""


@cli.command("create")
def create(
    username: Annotated[str, typer.Argument(help="Compared without regard to case.")],
    email: Annotated[str | None, typer.Option(help="Not verified yet.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from stdin.")
    ] = False,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="A scope the user has; may be repeated. Without it: " + " ".join(SPEAK_OF_A_USER)
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Create a user. Unless it comes on stdin, the password is generated and shown once."""
    given = read_stdin() if password_stdin else None
    password = generate_secret() if given is None else given
    scopes = scope or list(SPEAK_OF_A_USER)

    async def work(server: Server) -> dict[str, Any]:
        check_new_password(password, username, server.settings.password_min_length)
        password_hash = server.passwords.hash_now(password)
        async with server.database.transaction() as connection:
            user_id = await create_user(
                connection,
                username=username,
                email=email,
                password_hash=password_hash,
                scopes=scopes,
                now=server.clock.now(),
            )
        return {"id": str(user_id), "username": username, "email": email, "scopes": scopes}

    record = run(work)
    if given is None:
        record["password"] = password
    show(record, json, "" if given else "The password is shown this once.")
