"""Clients in a file of ``latchkey apply``."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidError, NotFoundError
from app.features.apply.secrets import SecretReference
from app.identity.definition import STRICT, validated
from app.identity.registration import (
    SECRET_METHODS,
    ClientMetadata,
    Registration,
    add_client,
    create_client,
)
from app.management.authority import Actor
from app.management.clients import (
    ClientRecord,
    change_client,
    delete_client,
    get_client,
    note_creation,
    rotate_secret,
)
from app.management.kinds import Kind, Record
from app.models import ClientSecret
from app.security.opaque import matches


class DeclaredClient(ClientMetadata):
    """A client, as a whole: what is left out has its default.

    But a client that was disabled stays so unless the file says ``disabled: false``, and without
    ``client_secret`` its secret stays as it is.
    """

    model_config = STRICT

    client_id: str
    public: bool = False
    every_scope: bool = False
    disabled: bool | None = None
    client_secret: SecretReference | None = None


class Clients(Kind[DeclaredClient]):
    """Clients, by id."""

    section = "clients"
    noun = "client"
    key = "client_id"
    model = DeclaredClient

    async def find(self, connection: AsyncConnection, name: str) -> Record | None:
        """All but the id; of its secret only since when it is good."""
        client = await _find(connection, name)
        if client is None:
            return None
        secrets = select(ClientSecret.created_at).where(
            ClientSecret.client_id == name, ClientSecret.expires_at.is_(None)
        )
        since = (await connection.scalars(secrets.order_by(ClientSecret.created_at))).all()
        return {
            **client.model_dump(exclude={"client_id", "created_at", "updated_at", "disabled_at"}),
            "disabled": client.disabled_at is not None,
            "client_secret": f"of {since[-1].isoformat()}" if since else None,
        }

    async def create(self, actor: Actor, declared: DeclaredClient) -> None:
        """Register one. A secret is never made up here: nobody would see it."""
        registration = _registration(declared)
        asked = set(registration.stored_auth_methods)
        if declared.client_secret is None and asked and asked.issubset(SECRET_METHODS):
            raise InvalidError(
                told="a new confidential client needs a client_secret: {env: NAME} or {file: PATH}"
            )
        add = add_client if registration.client_secret is None else create_client
        await add(actor.connection, registration, actor.now, every_scope=declared.every_scope)
        await note_creation(actor, await get_client(actor.connection, declared.client_id))
        if declared.disabled:
            await change_client(actor, declared.client_id, {"disabled": True})

    async def change(self, actor: Actor, declared: DeclaredClient) -> None:
        """Bring the registration to what is declared.

        A new secret is the client's at once; the one before it stays good for a week, as if it
        had been rotated by hand.
        """
        registration = _registration(declared)
        before = await get_client(actor.connection, declared.client_id)
        policy = declared.model_dump(
            include={*ClientMetadata.model_fields, "public", "every_scope"}
        )
        if declared.disabled is not None:
            policy["disabled"] = declared.disabled
        wanted = {**policy, "auth_methods": registration.stored_auth_methods}
        wanted["default_scopes"] = sorted(set(declared.default_scopes))
        wanted["scopes"] = sorted({*declared.scopes, *declared.default_scopes})
        if declared.every_scope:
            wanted["scopes"] = before.scopes
        as_it_is = {**before.model_dump(), "disabled": before.disabled_at is not None}
        if any(as_it_is[name] != value for name, value in wanted.items()):
            await change_client(actor, declared.client_id, policy)
        secret = registration.client_secret
        if secret is not None and not await _is_current(
            actor.connection, declared.client_id, secret.get_secret_value()
        ):
            await rotate_secret(actor, declared.client_id, secret=secret.get_secret_value())

    async def delete(self, actor: Actor, name: str) -> None:
        """Delete one; every login through it ends with it."""
        await delete_client(actor, name)


async def _find(connection: AsyncConnection, client_id: str) -> ClientRecord | None:
    try:
        return await get_client(connection, client_id)
    except NotFoundError:
        return None


def _registration(declared: DeclaredClient) -> Registration:
    values: dict[str, Any] = declared.model_dump(
        include={*ClientMetadata.model_fields, "client_id", "public"}
    )
    if declared.client_secret is not None:
        values["client_secret"] = declared.client_secret.read()
    return validated(Registration, values)


async def _is_current(connection: AsyncConnection, client_id: str, secret: str) -> bool:
    """Whether it is one of the client's, and is not being rotated out."""
    current = select(ClientSecret.secret_hash).where(
        ClientSecret.client_id == client_id, ClientSecret.expires_at.is_(None)
    )
    return matches(secret, (await connection.scalars(current)).all())
