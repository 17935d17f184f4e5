"""Claims in a file of ``latchkey apply``, and in an export, with their values."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidError, NotFoundError
from app.features.claims.model import ClientClaim, Holder, UserClaim
from app.features.claims.service import (
    ClaimDefinition,
    declare_claim,
    delete_claim,
    get_claim,
    list_claims,
    set_values,
)
from app.identity.profile import username_key
from app.management.authority import Actor
from app.management.kinds import Kind, Record
from app.management.users import get_user_by_name
from app.models import User

Values = Mapping[str, Any]


class ClaimWithValues(ClaimDefinition):
    """A claim. Values that are left out stay: they come from elsewhere, too."""

    users: dict[str, Any] | None = Field(default=None, description="Values by user name.")
    clients: dict[str, Any] | None = Field(default=None, description="Values by client id.")


class Claims(Kind[ClaimWithValues]):
    """Claims, by name."""

    section = "claims"
    noun = "claim"
    key = "name"
    model = ClaimWithValues

    async def names(self, connection: AsyncConnection) -> Sequence[str]:
        """All of them."""
        return [claim.name for claim in await list_claims(connection)]

    async def find(self, connection: AsyncConnection, name: str) -> Record | None:
        """All but when it was declared."""
        try:
            claim = await get_claim(connection, name)
        except NotFoundError:
            return None
        described = claim.model_dump(include={"type", "scope", "places"})
        users, clients = await _values(connection, name)
        return {**described, "users": users, "clients": clients}

    async def create(self, actor: Actor, declared: ClaimWithValues) -> None:
        """Declare one, with its values."""
        said = declared.model_dump(include=set(ClaimDefinition.model_fields))
        await declare_claim(actor, ClaimDefinition.model_validate(said))
        await _bring(actor, declared)

    async def change(self, actor: Actor, declared: ClaimWithValues) -> None:
        """Bring the values to what is said. What a claim is stays: else delete it first."""
        there = await get_claim(actor.connection, declared.name)
        said = (declared.type, declared.scope, sorted(declared.places))
        if said != (there.type, there.scope, sorted(there.places)):
            raise InvalidError(told="a claim cannot become another one: delete it first")
        await _bring(actor, declared)

    async def delete(self, actor: Actor, name: str) -> None:
        """Delete one, and all its values."""
        await delete_claim(actor, name)


async def _values(connection: AsyncConnection, name: str) -> tuple[Values, Values]:
    of_users = (
        select(User.username, UserClaim.value)
        .join(User, User.id == UserClaim.user_id)
        .where(UserClaim.name == name)
    )
    of_clients = select(ClientClaim.client_id, ClientClaim.value).where(ClientClaim.name == name)
    users = {row.username: row.value for row in await connection.execute(of_users)}
    clients = {row.client_id: row.value for row in await connection.execute(of_clients)}
    return dict(sorted(users.items())), dict(sorted(clients.items()))


async def _bring(actor: Actor, declared: ClaimWithValues) -> None:
    connection, name = actor.connection, declared.name
    users, clients = await _values(connection, name)
    if declared.users is not None:
        wanted = {username_key(user): (user, value) for user, value in declared.users.items()}
        without = {username_key(user): (user, None) for user in users}
        for user, value in (without | wanted).values():
            holder: Holder = (await get_user_by_name(connection, user)).id
            await set_values(actor, holder, {name: value})
    if declared.clients is not None:
        for client_id, value in (dict.fromkeys(clients) | declared.clients).items():
            await set_values(actor, client_id, {name: value})
