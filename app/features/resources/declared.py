"""Resources in a file of ``latchkey apply``."""

from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotFoundError
from app.features.resources.records import (
    NewResource,
    ResourceDefinition,
    ResourceRecord,
    find_resource,
)
from app.features.resources.service import change_resource, create_resource, delete_resource
from app.identity.resources import normal_form
from app.management.authority import Actor
from app.management.kinds import Kind, Record


class Resources(Kind[NewResource]):
    """Resources, by their URI, as a whole: what is left out has its default."""

    section = "resources"
    noun = "resource"
    key = "identifier"
    model = NewResource

    def same(self, name: str) -> str:
        """As URIs are compared."""
        return normal_form(name) or name

    async def find(self, connection: AsyncConnection, name: str) -> Record | None:
        """All but the id, and when it was."""
        try:
            return _described(await find_resource(connection, name))
        except NotFoundError:
            return None

    async def create(self, actor: Actor, declared: NewResource) -> None:
        """Register one."""
        await create_resource(actor, declared)

    async def change(self, actor: Actor, declared: NewResource) -> None:
        """Change one; a client that it is taken away from loses its logins for it."""
        before = await find_resource(actor.connection, declared.identifier)
        wanted = declared.model_dump(include=set(ResourceDefinition.model_fields))
        wanted["name"] = declared.name or before.identifier
        for field in ("scopes", "clients"):
            wanted[field] = sorted(set(wanted[field]))
        if wanted != _described(before):
            await change_resource(actor, before.id, wanted)

    async def delete(self, actor: Actor, name: str) -> None:
        """Delete one; every login for it ends."""
        await delete_resource(actor, (await find_resource(actor.connection, name)).id)


def _described(resource: ResourceRecord) -> Record:
    return resource.model_dump(include=set(ResourceDefinition.model_fields))
