"""Scopes in a file of ``latchkey apply``."""

from collections.abc import Collection, Mapping

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from app.identity.definition import STRICT
from app.identity.scopes import list_scopes
from app.management.authority import Actor
from app.management.kinds import Kind, Record
from app.management.scopes import create_scope, delete_scope, describe_scope


class DeclaredScope(BaseModel):
    """A scope."""

    model_config = STRICT

    name: str
    description: str


class Scopes(Kind[DeclaredScope]):
    """Scopes, by name."""

    section = "scopes"
    noun = "scope"
    key = "name"
    model = DeclaredScope

    def __init__(
        self, built_in: Collection[str], holders: Mapping[str, InstrumentedAttribute[str]]
    ) -> None:
        """``built_in`` are never deleted; ``holders`` are the columns of what can have a scope."""
        self._built_in = built_in
        self._holders = holders

    async def find(self, connection: AsyncConnection, name: str) -> Record | None:
        """Its description."""
        known = await list_scopes(connection)
        return {"description": known[name]} if name in known else None

    async def create(self, actor: Actor, declared: DeclaredScope) -> None:
        """Add one."""
        await create_scope(actor, name=declared.name, description=declared.description)

    async def change(self, actor: Actor, declared: DeclaredScope) -> None:
        """Describe one."""
        await describe_scope(actor, declared.name, declared.description)

    async def delete(self, actor: Actor, name: str) -> None:
        """Delete one that nobody was given by hand."""
        await delete_scope(actor, name, built_in=self._built_in, holders=self._holders)
