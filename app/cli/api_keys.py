"""``latchkey api-keys``: credentials of users' own programs."""

import uuid
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

import typer

from app.cli.command import Json, note, run, show, show_list
from app.errors import NotFoundError
from app.server import Server
from app.services.api_keys import create_api_key, list_api_keys, revoke_api_key
from app.services.users import Account, find_account
from app.settings import TEN_YEARS

cli = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")

Username = Annotated[str, typer.Argument(help="The owner. Compared without regard to case.")]


@cli.command("create")
def create(
    username: Username,
    name: Annotated[str, typer.Option(help="What the owner knows it by.")] = "command line",
    scope: Annotated[
        list[str] | None, typer.Option(help="A scope of the owner; may be repeated.")
    ] = None,
    expires_in: Annotated[
        int | None, typer.Option(min=1, max=TEN_YEARS, help="Seconds; without it the key stays.")
    ] = None,
    json: Json = False,
) -> None:
    """Make an API key and print it, this once."""

    async def work(server: Server) -> dict[str, Any]:
        owner = await _find(server, username)
        now = server.clock.now()
        async with server.database.transaction() as connection:
            record, key = await create_api_key(
                connection,
                owner=owner,
                name=name,
                scopes=scope or (),
                now=now,
                expires_at=None if expires_in is None else now + timedelta(seconds=expires_in),
            )
            created = {"key": str(record.id), "scopes": list(record.scopes)}
            await note(connection, server, "api_key.created", owner.id, **created)
        return {**_plain(asdict(record)), "key": key}

    show(run(work), json, "The key is shown this once.")


@cli.command("list")
def show_keys(
    username: Annotated[str | None, typer.Argument(help="Only the keys of this user.")] = None,
    json: Json = False,
) -> None:
    """List API keys, newest first."""

    async def work(server: Server) -> list[dict[str, Any]]:
        owner_id = None if username is None else (await _find(server, username)).id
        async with server.database.read() as connection:
            records = await list_api_keys(connection, owner_id)
        return [_plain(asdict(record)) for record in records]

    show_list(run(work), json)


@cli.command("revoke")
def revoke(
    key_id: Annotated[uuid.UUID, typer.Argument(help="From `api-keys list`.")],
    json: Json = False,
) -> None:
    """Make an API key useless, at once."""

    async def work(server: Server) -> dict[str, Any]:
        async with server.database.transaction() as connection:
            owner_id = await revoke_api_key(connection, None, key_id, server.clock.now())
            await note(connection, server, "api_key.revoked", owner_id, key=str(key_id))
        return {"id": str(key_id), "revoked": True}

    show(run(work), json)


async def _find(server: Server, username: str) -> Account:
    async with server.database.read() as connection:
        account = await find_account(connection, username)
    if account is None:
        raise NotFoundError(f"there is no user {username!r}")
    return account


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "id": str(record["id"]), "scopes": list(record["scopes"])}
