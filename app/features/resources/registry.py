"""The resources of the database, as the protocol asks for them."""

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.database.engines import Database
from app.database.recent import Recent
from app.features.resources.model import RegisteredResource, ResourceClient, ResourceScope
from app.identity.clients import RegisteredClient
from app.identity.resources import Resource, Resources
from app.models import Client
from app.models.base import ScopeSet

SCOPES_OF_RESOURCE = (
    select(type_coerce(func.aggregate_strings(ResourceScope.scope, " "), ScopeSet))
    .where(ResourceScope.resource_id == RegisteredResource.id)
    .scalar_subquery()
)


def is_open_to(client_id: str) -> ColumnElement[bool]:
    """Whether a client may have tokens for a resource."""
    named = exists().where(
        ResourceClient.resource_id == RegisteredResource.id,
        ResourceClient.client_id == client_id,
    )
    by_itself = exists().where(Client.client_id == client_id, Client.unused_after.is_not(None))
    return or_(named, and_(RegisteredResource.self_registered, by_itself))


class RegisteredResources(Resources):
    """Kept for a moment, as clients are: see :mod:`app.database.recent`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Nothing is read yet."""
        self._database = database
        self._servers: Recent[str, Mapping[str, str | None]] = Recent(self._load_servers, clock)
        self._of_clients: Recent[str, Mapping[str, Resource]] = Recent(self._load, clock)

    async def _load_servers(self, _key: str) -> Mapping[str, str | None]:
        """All identifiers, each with the client that serves it."""
        query = select(RegisteredResource.identifier, RegisteredResource.server_id)
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return {row.identifier: row.server_id for row in rows}

    async def _load(self, client_id: str) -> Mapping[str, Resource]:
        query = select(
            RegisteredResource.normal_form,
            RegisteredResource.identifier,
            RegisteredResource.name,
            SCOPES_OF_RESOURCE.label("scopes"),
        ).where(is_open_to(client_id))
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return {row.normal_form: Resource(row.identifier, row.name, row.scopes) for row in rows}

    async def of_client(self, client: RegisteredClient) -> Mapping[str, Resource]:
        """See :class:`Resources`. Where there are no resources, no client is looked for."""
        if not await self._servers.get("all"):
            return {}
        return await self._of_clients.get(client.client_id)

    async def is_known(self, audience: str) -> bool:
        """See :class:`Resources`."""
        return audience in await self._servers.get("all")

    async def served_by(self, client_id: str) -> frozenset[str]:
        """See :class:`Resources`."""
        servers = await self._servers.get("all")
        return frozenset(each for each, server_id in servers.items() if server_id == client_id)

    async def find_open_scopes(self, connection: AsyncConnection) -> frozenset[str]:
        """See :class:`Resources`."""
        understood = select(ResourceScope.scope).join(
            RegisteredResource, RegisteredResource.id == ResourceScope.resource_id
        )
        return frozenset(
            await connection.scalars(understood.where(RegisteredResource.self_registered))
        )

    async def hold(
        self, connection: AsyncConnection, client_id: str, identifiers: Collection[str]
    ) -> bool:
        """See :class:`Resources`."""
        held = (
            select(RegisteredResource.identifier)
            .where(RegisteredResource.identifier.in_(identifiers), is_open_to(client_id))
            .with_for_update(read=True, key_share=True, of=RegisteredResource)
        )
        return set(await connection.scalars(held)) == set(identifiers)
