"""``latchkey scopes``: what a token can permit."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.command import Deployment, Record, command, server_command
from app.identity.scopes import list_scopes
from app.management.authority import operating
from app.management.scopes import create_scope, delete_scope, describe_scope

if TYPE_CHECKING:
    from app.server import Server

cli = typer.Typer(no_args_is_help=True, help="Create, list and delete scopes.")

Name = Annotated[str, typer.Argument(help="From `scopes list`.")]
Description = Annotated[str, typer.Option(help="Shown to users on the consent page.")]


@command(cli, "create")
async def create(
    deployment: Deployment,
    name: Annotated[str, typer.Argument(help="Such as reports:read.")],
    description: Description,
) -> Record:
    """Create a scope, which everyone with scopes:write is then given.

    It appears in /docs and in the metadata within two seconds.
    """
    async with operating(deployment.database, deployment.clock) as operator:
        await create_scope(operator, name=name, description=description)
    return {"name": name, "description": description}


@command(cli, "list")
async def show_scopes(deployment: Deployment) -> list[Record]:
    """List every scope, by name."""
    async with deployment.database.read() as connection:
        known = await list_scopes(connection)
    return [{"name": name, "description": text} for name, text in known.items()]


@command(cli, "update")
async def update(deployment: Deployment, name: Name, description: Description) -> Record:
    """Change the description that users see on the consent page."""
    async with operating(deployment.database, deployment.clock) as operator:
        await describe_scope(operator, name, description)
    return {"name": name, "description": description}


@server_command(cli, "delete")
async def delete(server: "Server", name: Name) -> Record:
    """Delete a scope that no one but holders of scopes:write has."""
    async with operating(server.database, server.clock) as operator:
        await delete_scope(
            operator, name, built_in=server.built_in_scopes, holders=server.scope_holders
        )
    return {"name": name, "deleted": True}
