"""``latchkey scopes``: what a token can permit."""

from typing import Annotated, Any

import typer

from app.cli.command import Json, run, show, show_list
from app.identity.scopes import list_scopes
from app.management.authority import operating
from app.management.scopes import create_scope, delete_scope
from app.server import Server

cli = typer.Typer(no_args_is_help=True, help="Create, list and delete scopes.")


@cli.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Such as reports:read.")],
    description: Annotated[str, typer.Option(help="What people read when asked to allow it.")],
    json: Json = False,
) -> None:
    """Add a scope, which everybody with scopes:write then has.

    It shows in /docs and in the metadata within two seconds.
    """

    async def work(server: Server) -> dict[str, Any]:
        async with operating(server.database, server.clock) as operator:
            await create_scope(operator, name=name, description=description)
        return {"name": name, "description": description}

    show(run(work), json)


@cli.command("list")
def show_scopes(json: Json = False) -> None:
    """List every scope, by name."""

    async def work(server: Server) -> list[dict[str, Any]]:
        async with server.database.read() as connection:
            known = await list_scopes(connection)
        return [{"name": name, "description": text} for name, text in known.items()]

    show_list(run(work), json)


@cli.command("delete")
def delete(
    name: Annotated[str, typer.Argument(help="From `scopes list`.")], json: Json = False
) -> None:
    """Delete a scope that nobody has but those with scopes:write, and no API key."""

    async def work(server: Server) -> dict[str, Any]:
        async with operating(server.database, server.clock) as operator:
            await delete_scope(
                operator,
                name,
                built_in=server.built_in_scopes,
                holders=server.scope_holders,
            )
        return {"name": name, "deleted": True}

    show(run(work), json)
