"""``latchkey app-passwords``: what applications of users send in place of the password."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from app.cli.command import Deployment, Record, command
from app.errors import NotFoundError
from app.features.app_passwords.service import list_app_passwords, revoke_app_password
from app.identity.users import find_account
from app.management.authority import operating

cli = typer.Typer(no_args_is_help=True, help="List and revoke app passwords.")


@command(cli, "list")
async def show_app_passwords(
    deployment: Deployment,
    username: Annotated[str | None, typer.Argument(help="Only those of this user.")] = None,
) -> Sequence[Record]:
    """List app passwords, newest first."""
    async with deployment.database.read() as connection:
        user_id = None
        if username is not None:
            account = await find_account(connection, username)
            if account is None:
                raise NotFoundError(told=f"there is no user {username!r}")
            user_id = account.id
        records = await list_app_passwords(connection, user_id)
    return [
        {**asdict(record), "id": str(record.id), "scopes": list(record.scopes)}
        for record in records
    ]


@command(cli, "revoke")
async def revoke(
    deployment: Deployment,
    app_password_id: Annotated[uuid.UUID, typer.Argument(help="From `app-passwords list`.")],
) -> Record:
    """Revoke an app password, and end the logins that began with it."""
    async with operating(deployment.database, deployment.clock) as operator:
        await revoke_app_password(operator, None, app_password_id)
    return {"id": str(app_password_id), "revoked": True}
