"""``latchkey users set-digest``."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.command import Noted, read_secret, server_command
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

if TYPE_CHECKING:
    from app.server import Server

cli = typer.Typer()


@server_command(cli, "set-digest")
async def set_digest(
    server: "Server",
    username: Annotated[str, typer.Argument(help="Case-insensitive.")],
    password_stdin: Annotated[
        bool,
        typer.Option(
            "--password-stdin", help="Read it from stdin, or prompt for it on a terminal."
        ),
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the credential.")] = False,
) -> Noted:
    """Create or remove a user's HTTP Digest credential.

    Its password must differ from the login password. Without --password-stdin, it is generated
    and shown once. The credential is valid only for the realm in LATCHKEY_REALM.
    """
    if not (remove or server.settings.demo_routes):
        raise ConflictError(
            told="nothing takes a Digest credential here: the samples that do are served with "
            "LATCHKEY_DEMO_ROUTES=true"
        )
    given = read_secret("Password") if password_stdin else None
    password = generate_secret() if given is None else given
    async with server.database.read() as connection:
        account = await find_account(connection, username)
    if account is None:
        raise NotFoundError(told=f"there is no user {username!r}")
    if not remove:
        server.password_rules.check(password, account.username)
        if (await server.passwords.verify(password, account.password_hash))[0]:
            raise InvalidError(told="the Digest password must differ from the login password")
    realm = server.settings.realm
    async with operating(server.database, server.clock) as operator:
        held = await hold_user(operator.connection, account.id)
        if held is None or held.security_stamp != account.security_stamp:
            raise ConflictError(told="the user was changed in the meantime: try again")
        if remove:
            removed = await remove_digest_credential(operator.connection, account.id)
            if removed:
                await operator.record(REMOVED, user_id=account.id)
            return Noted({"username": account.username, "digest": False, "removed": removed}, "")
        await set_digest_credential(
            operator.connection,
            server.encryption,
            user_id=account.id,
            username=account.username,
            password=password,
            realm=realm,
            now=operator.now,
        )
        await operator.record(SET, user_id=account.id)
    record = {"username": account.username, "digest": True, "realm": realm}
    if given is not None:
        return Noted(record, "")
    return Noted({**record, "password": password}, "The password is shown only once.")
