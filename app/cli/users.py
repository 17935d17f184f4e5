"""``latchkey users``: people who log in."""

from typing import Annotated, Any

import typer

from app.cli.command import Json, read_stdin, run, show
from app.errors import InvalidError, NotFoundError
from app.security.opaque import generate_secret
from app.security.passwords import check_new_password
from app.server import Server
from app.services.digest import remove_digest_credential, set_digest_credential
from app.services.scopes import SPEAK_OF_A_USER
from app.services.users import create_user, find_account

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


@cli.command("set-digest")
def set_digest(
    username: Annotated[str, typer.Argument(help="Compared without regard to case.")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the Digest password from stdin.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the credential away.")] = False,
    json: Json = False,
) -> None:
    """Make or remove the HTTP Digest credential of a user.

    Its password must not be the login password. Unless it comes on stdin it is generated and
    shown once. The credential holds for LATCHKEY_REALM, and for no other realm.
    """
    given = read_stdin() if password_stdin else None
    password = generate_secret() if given is None else given

    async def work(server: Server) -> dict[str, Any]:
        async with server.database.read() as connection:
            account = await find_account(connection, username)
        if account is None:
            raise NotFoundError(f"there is no user {username!r}")
        if remove:
            async with server.database.transaction() as connection:
                await remove_digest_credential(connection, account.id)
            return {"username": account.username, "digest": False}
        check_new_password(password, account.username, server.settings.password_min_length)
        if (await server.passwords.verify(password, account.password_hash))[0]:
            raise InvalidError("the Digest password must differ from the login password")
        async with server.database.transaction() as connection:
            await set_digest_credential(
                connection,
                server.encryption,
                user_id=account.id,
                username=account.username,
                password=password,
                realm=server.settings.realm,
                now=server.clock.now(),
            )
        return {"username": account.username, "digest": True, "realm": server.settings.realm}

    record = run(work)
    generated = given is None and not remove
    if generated:
        record["password"] = password
    show(record, json, "The password is shown this once." if generated else "")
