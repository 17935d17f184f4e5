"""``latchkey resources``: what access tokens can be for."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from app.cli.command import Deployment, Record, command, given
from app.database.paging import every
from app.features.resources.records import (
    NewResource,
    ResourceRecord,
    find_resource,
    list_resources,
)
from app.features.resources.service import (
    change_resource,
    create_resource,
    delete_resource,
    require_elsewhere,
)
from app.identity.definition import validated
from app.management.authority import operating

cli = typer.Typer(no_args_is_help=True, help="Register and manage resources (RFC 8707).")

Many = list[str] | None

Uri = Annotated[str, typer.Argument(help="What names it: the `aud` of its tokens.")]
Name = Annotated[str | None, typer.Option(help="Shown to users on the consent page.")]
Scope = Annotated[Many, typer.Option(help="A scope that it understands; may be repeated.")]
Client = Annotated[
    Many, typer.Option(help="The id of a client that may have its tokens; may be repeated.")
]
Server = Annotated[
    str | None, typer.Option(help="The id of the client that serves it and introspects its tokens.")
]
SelfRegistered = Annotated[
    bool | None,
    typer.Option(
        "--self-registered/--no-self-registered",
        help="Whether clients that registered themselves may have its tokens, too.",
    ),
]


@command(cli, "create")
async def create(
    deployment: Deployment,
    uri: Uri,
    name: Name = None,
    scope: Scope = None,
    client: Client = None,
    server: Server = None,
    self_registered: SelfRegistered = None,
) -> Record:
    """Register a resource. A client that asks for it gets tokens for it, with its scopes.

    Without --scope its tokens can have any. A client with a resource can ask for those alone that
    it is registered for, and for tokens for this server by naming none.
    """
    wanted = given(
        identifier=uri,
        name=name,
        scopes=scope,
        clients=client,
        server=server,
        self_registered=self_registered,
    )
    async with operating(deployment.database, deployment.clock) as operator:
        resource = await create_resource(operator, validated(NewResource, wanted))
        require_elsewhere(deployment.settings, resource)
    return _plain(resource)


@command(cli, "list")
async def show_list(deployment: Deployment) -> Sequence[Record]:
    """List resources, by identifier."""
    async with deployment.database.read() as connection:
        records = await every(
            lambda after, limit: list_resources(connection, limit=limit, after=after),
            lambda resource: resource.identifier,
        )
    return [_plain(record) for record in records]


@command(cli, "show")
async def show(deployment: Deployment, uri: Uri) -> Record:
    """Show a resource."""
    async with deployment.database.read() as connection:
        return _plain(await find_resource(connection, uri))


@command(cli, "update")
async def update(
    deployment: Deployment,
    uri: Uri,
    name: Name = None,
    scope: Scope = None,
    client: Client = None,
    server: Server = None,
    self_registered: SelfRegistered = None,
) -> Record:
    """Change a resource. Options replace the old values; those that are left out change nothing.

    An empty value removes all: `--scope ''`, `--client ''`, `--server ''`. A client that it is
    taken away from loses its logins for it.
    """
    wanted = given(name=name, scopes=scope, clients=client, server=server)
    changes = {field: _emptied(value) for field, value in wanted.items()}
    changes |= given(self_registered=self_registered)
    async with operating(deployment.database, deployment.clock) as operator:
        resource = await find_resource(operator.connection, uri)
        changed = await change_resource(operator, resource.id, changes)
        require_elsewhere(deployment.settings, changed)
    return _plain(changed)


@command(cli, "delete")
async def delete(deployment: Deployment, uri: Uri) -> Record:
    """Delete a resource. Every login for it ends."""
    async with operating(deployment.database, deployment.clock) as operator:
        resource = await find_resource(operator.connection, uri)
        await delete_resource(operator, resource.id)
    return {"identifier": resource.identifier, "deleted": True}


def _emptied(value: Any) -> Any:
    if isinstance(value, list):
        return [each for each in value if each]
    return value or None


def _plain(resource: ResourceRecord) -> dict[str, Any]:
    record = resource.model_dump()
    return {"identifier": record.pop("identifier"), **record, "id": str(record["id"])}
