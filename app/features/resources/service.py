"""Managing resources: what the API under ``/resources`` and ``latchkey resources`` do."""

import uuid
from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Text,
    cast,
    delete,
    false,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)

from app.audit.trail import FeatureEventType
from app.database.engines import insert_new
from app.errors import ConflictError, InvalidError, NotFoundError
from app.features.resources.model import (
    RegisteredResource,
    ResourceClient,
    ResourceScope,
)
from app.features.resources.records import (
    NewResource,
    ResourceDefinition,
    ResourceRecord,
    get_resource,
)
from app.identity.definition import Changes, validated
from app.identity.resources import normal_form
from app.identity.scopes import ABOUT_THE_USER, require_known
from app.management.authority import SEES_USERS, Actor
from app.management.clients import get_client
from app.management.versions import ANY_VERSION, Versions
from app.models import Client, ClientScope, Login
from app.oauth2.resource import is_this_server
from app.settings import Settings

CREATED = FeatureEventType("resource.created")
CHANGED = FeatureEventType("resource.changed")
DELETED = FeatureEventType("resource.deleted")


async def create_resource(actor: Actor, wanted: NewResource) -> ResourceRecord:
    """Register a resource. Raises a :class:`~app.errors.Problem`."""
    connection, form = actor.connection, str(normal_form(wanted.identifier))
    taken = "a resource with this identifier already exists"
    named = RegisteredResource.normal_form == form
    if await connection.scalar(select(RegisteredResource.id).where(named)):
        raise ConflictError(told=taken)
    await _judge(actor, wanted.scopes, wanted.clients, wanted.server)
    resource_id = uuid.uuid4()
    await insert_new(
        connection,
        taken,
        insert(RegisteredResource).values(
            id=resource_id,
            identifier=wanted.identifier,
            normal_form=form,
            name=wanted.name or wanted.identifier,
            self_registered=wanted.self_registered,
            server_id=wanted.server,
            created_at=actor.now,
            updated_at=actor.now,
        ),
    )
    await _set_scopes(actor, resource_id, wanted.scopes)
    await _set_clients(actor, resource_id, wanted.clients)
    await _pass_on(actor, (), wanted.scopes if wanted.self_registered else ())
    resource = await get_resource(connection, resource_id)
    await actor.record(CREATED, **_described(resource))
    return resource


async def change_resource(
    actor: Actor, resource_id: uuid.UUID, changes: Changes, expected: Versions = ANY_VERSION
) -> ResourceRecord:
    """Change fields of a resource. A client that it is taken away from loses its logins for it.

    Raises a :class:`~app.errors.Problem`.
    """
    connection = actor.connection
    before = await _get_managed(actor, resource_id, expected)
    known = before.model_dump(include=set(ResourceDefinition.model_fields))
    after = validated(ResourceDefinition, known | dict(changes))
    await _judge(actor, after.scopes, set(after.clients) - set(before.clients), after.server)
    await connection.execute(
        update(RegisteredResource)
        .where(RegisteredResource.id == resource_id)
        .values(
            name=after.name or before.identifier,
            self_registered=after.self_registered,
            server_id=after.server,
            updated_at=actor.now,
        )
    )
    await _set_scopes(actor, resource_id, after.scopes)
    await _set_clients(actor, resource_id, after.clients)
    await _end_logins(
        actor,
        before.identifier,
        Login.client_id.in_(set(before.clients) - set(after.clients)),
        by_themselves=before.self_registered and not after.self_registered,
    )
    await _pass_on(
        actor,
        before.scopes if before.self_registered else (),
        after.scopes if after.self_registered else (),
    )
    resource = await get_resource(connection, resource_id)
    old = _described(before)
    difference = {name: value for name, value in _described(resource).items() if value != old[name]}
    if difference:
        await actor.record(CHANGED, **{"identifier": before.identifier, **difference})
    return resource


async def delete_resource(
    actor: Actor, resource_id: uuid.UUID, expected: Versions = ANY_VERSION
) -> None:
    """Delete a resource; every login for it ends. Raises a :class:`~app.errors.Problem`."""
    resource = await _get_managed(actor, resource_id, expected)
    await _end_logins(actor, resource.identifier, true())
    await actor.connection.execute(
        delete(RegisteredResource).where(RegisteredResource.id == resource_id)
    )
    await _pass_on(actor, resource.scopes if resource.self_registered else (), ())
    await actor.record(DELETED, identifier=resource.identifier)


def require_elsewhere(settings: Settings, resource: ResourceRecord) -> None:
    """Raise :class:`InvalidError` for this server itself, if it is open to clients of anybody."""
    if resource.self_registered and is_this_server(settings, resource.identifier):
        raise InvalidError(
            told="this server itself cannot be open to clients that registered themselves",
            field="self_registered",
        )


async def _get_managed(actor: Actor, resource_id: uuid.UUID, expected: Versions) -> ResourceRecord:
    """The resource, if the actor may change it. Whoever begins a login for it waits."""
    held = select(RegisteredResource.id).where(RegisteredResource.id == resource_id)
    await actor.connection.execute(held.with_for_update())
    resource = await get_resource(actor.connection, resource_id)
    for client_id in resource.clients:
        actor.require_over((await get_client(actor.connection, client_id)).scopes)
    expected.require(resource.updated_at)
    return resource


async def _judge(
    actor: Actor, scopes: Collection[str], clients: Collection[str], server: str | None
) -> None:
    """Whether the actor may let these clients have tokens with these scopes, and who sees them.

    To tell a client whose tokens they are is worth what ``introspect: any`` is.
    """
    actor.require_to_grant(await require_known(actor.connection, list(scopes)))
    for field, names in (("clients", clients), ("server", [server] if server else [])):
        for client_id in names:
            try:
                client = await get_client(actor.connection, client_id)
            except NotFoundError:
                raise InvalidError(told="there is no client with that id", field=field) from None
            actor.require_over(client.scopes)
    if server:
        actor.require_to_grant({SEES_USERS})


async def _set_scopes(actor: Actor, resource_id: uuid.UUID, scopes: Collection[str]) -> None:
    of_resource = ResourceScope.resource_id == resource_id
    await actor.connection.execute(delete(ResourceScope).where(of_resource))
    rows = [{"resource_id": resource_id, "scope": scope} for scope in sorted(set(scopes))]
    if rows:
        await actor.connection.execute(insert(ResourceScope), rows)


async def _set_clients(actor: Actor, resource_id: uuid.UUID, clients: Collection[str]) -> None:
    of_resource = ResourceClient.resource_id == resource_id
    await actor.connection.execute(delete(ResourceClient).where(of_resource))
    rows = [{"resource_id": resource_id, "client_id": each} for each in sorted(set(clients))]
    if rows:
        await actor.connection.execute(insert(ResourceClient), rows)


async def _end_logins(
    actor: Actor,
    identifier: str,
    of_clients: ColumnElement[bool],
    *,
    by_themselves: bool = False,
) -> None:
    """End what clients have for a resource that they may have no longer.

    With ``by_themselves`` also what those have that registered themselves.
    """
    # As it is in the list: a URI has no quotes.
    named = cast(Login.resources, Text).contains(f'"{identifier}"', autoescape=True)
    if by_themselves:
        registered = select(Client.client_id).where(Client.unused_after.is_not(None))
        of_clients = or_(of_clients, Login.client_id.in_(registered))
    await actor.connection.execute(
        update(Login).where(Login.ended_at.is_(None), of_clients, named).values(ended_at=actor.now)
    )


async def _pass_on(actor: Actor, before: Collection[str], after: Collection[str]) -> None:
    """Let clients that registered themselves have what open resources understand, and no more."""
    connection = actor.connection
    registered = select(Client.client_id).where(Client.unused_after.is_not(None))
    still = select(ResourceScope.scope).where(
        ResourceScope.resource_id == RegisteredResource.id, RegisteredResource.self_registered
    )
    lost = [scope for scope in set(before) - set(after) if scope not in ABOUT_THE_USER]
    await connection.execute(
        delete(ClientScope).where(
            ClientScope.scope.in_(lost),
            ClientScope.scope.not_in(still),
            ClientScope.client_id.in_(registered),
        )
    )
    for scope in sorted(set(after) - set(before)):
        had = select(ClientScope.client_id).where(ClientScope.scope == scope)
        gaining = select(Client.client_id, literal(scope), false()).where(
            Client.unused_after.is_not(None), Client.client_id.not_in(had)
        )
        await connection.execute(
            insert(ClientScope).from_select(["client_id", "scope", "is_default"], gaining)
        )


def _described(resource: ResourceRecord) -> dict[str, Any]:
    """What the audit trail has of a resource, in the words of the API."""
    return resource.model_dump(exclude={"id", "created_at", "updated_at"})
