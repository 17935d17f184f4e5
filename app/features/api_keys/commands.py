"""``latchkey api-keys``: credentials of users' own programs."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from app.cli.command import Deployment, Noted, Record, command
from app.errors import NotFoundError
from app.features.api_keys.service import (
    create_api_key,
    list_api_keys,
    revoke_api_key,
)
from app.identity.users import Account, find_account
from app.management.authority import operating
from app.management.lifetimes import lifetime_of
from app.settings import TEN_YEARS

cli = typer.Typer(no_args_is_help=True, help="Create, list and revoke API keys.")

Username = Annotated[str, typer.Argument(help="The owner; case-insensitive.")]


@command(cli, "create")
async def create(
    deployment: Deployment,
    username: Username,
    name: Annotated[
        str, typer.Option(help="A name for the owner to recognise it by.")
    ] = "command line",
    scope: Annotated[
        list[str] | None, typer.Option(help="A scope of the owner; may be repeated.")
    ] = None,
    expires_in: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=TEN_YEARS,
            help="Seconds, at most LATCHKEY_API_KEY_TTL, which is also the default.",
        ),
    ] = None,
) -> Noted:
    """Create an API key and print it; it is shown only once."""
    async with operating(deployment.database, deployment.clock) as operator:
        owner = await _find(operator.connection, username)
        record, key = await create_api_key(
            operator,
            owner=owner,
            permitted=owner.scopes,
            name=name,
            scopes=scope or (),
            lifetime=lifetime_of(expires_in, deployment.settings.api_key_ttl),
        )
    return Noted({**_plain(asdict(record)), "key": key}, "The key is shown only once.")


@command(cli, "list")
async def show_keys(
    deployment: Deployment,
    username: Annotated[str | None, typer.Argument(help="Only the keys of this user.")] = None,
) -> Sequence[Record]:
    """List API keys, newest first."""
    async with deployment.database.read() as connection:
        owner_id = None if username is None else (await _find(connection, username)).id
        records = await list_api_keys(connection, owner_id)
    return [_plain(asdict(record)) for record in records]


@command(cli, "revoke")
async def revoke(
    deployment: Deployment,
    key_id: Annotated[uuid.UUID, typer.Argument(help="From `api-keys list`.")],
) -> Record:
    """Revoke an API key, effective at once."""
    async with operating(deployment.database, deployment.clock) as operator:
        await revoke_api_key(operator, None, key_id)
    return {"id": str(key_id), "revoked": True}


async def _find(connection: AsyncConnection, username: str) -> Account:
    account = await find_account(connection, username)
    if account is None:
        raise NotFoundError(told=f"there is no user {username!r}")
    return account


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "id": str(record["id"]), "scopes": list(record["scopes"])}
