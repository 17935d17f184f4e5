"""``latchkey users set-digest``."""

from typing import Annotated, Any

import typer

from app.cli.command import Json, read_secret, run, show
from app.errors import ConflictError, InvalidError, NotFoundError
from app.features.schemes.digest_credentials import (
    REMOVED,
    SET,
    remove_digest_credential,
    set_digest_credential,
)
from app.identity.users import find_account, hold_user
from app.management.authority import operating
from app.security.opaque import generate_secret
from app.security.passwords import check_new_password
from app.server import Server

cli = typer.Typer()

Username = Annotated[str, typer.Argument(help="Compared without regard to case.")]


@cli.command("set-digest")
def set_digest(
    username: Username,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="From stdin; on a terminal it is asked for.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the credential away.")] = False,
    json: Json = False,
) -> None:
    """Make or remove the HTTP Digest credential of a user.

    Its password must not be the login password. Unless it is given it is generated and
    shown once. The credential holds for LATCHKEY_REALM, and for no other realm.
    """
    given = read_secret("Password") if password_stdin else None
    password = generate_secret() if given is None else given

    async def work(server: Server) -> dict[str, Any]:
        async with server.database.read() as connection:
            account = await find_account(connection, username)
        if account is None:
            raise NotFoundError(f"there is no user {username!r}")
        if not remove:
            check_new_password(password, account.username, server.settings.password_min_length)
            if (await server.passwords.verify(password, account.password_hash))[0]:
                raise InvalidError("the Digest password must differ from the login password")
        async with operating(server.database, server.clock) as operator:
            held = await hold_user(operator.connection, account.id)
            if held is None or held.security_stamp != account.security_stamp:
                raise ConflictError("the user was changed in the meantime: try again")
            if remove:
                removed = await remove_digest_credential(operator.connection, account.id)
                if removed:
                    await operator.record(REMOVED, user_id=account.id)
                return {"username": account.username, "digest": False, "removed": removed}
            await set_digest_credential(
                operator.connection,
                server.encryption,
                user_id=account.id,
                username=account.username,
                password=password,
                realm=server.settings.realm,
                now=operator.now,
            )
            await operator.record(SET, user_id=account.id)
        return {"username": account.username, "digest": True, "realm": server.settings.realm}

    record = run(work)
    generated = given is None and not remove
    if generated:
        record["password"] = password
    show(record, json, "The password is shown this once." if generated else "")
