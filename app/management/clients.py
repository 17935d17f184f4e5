"""Managing clients: what the API under ``/clients`` and ``latchkey clients`` do."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import Row, Select, delete, func, insert, or_, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidError, NotFoundError
from app.identity.definition import Changes, validated
from app.identity.registration import (
    COLUMNS,
    ClientMetadata,
    Registration,
    allowed_scopes,
    check_every_scope,
    create_client,
    set_client_scopes,
)
from app.login.endings import end_with_client
from app.management.authority import SEES_USERS, Actor
from app.management.versions import ANY_VERSION, Versions
from app.models import Client, ClientScope, ClientSecret, Login
from app.models.base import ScopeSet, generate_stamp
from app.security.opaque import generate_secret, hash_secret

SECRET_OVERLAP = timedelta(days=7)
"""In which a secret that is being rotated out stays good, unless told otherwise."""


class ClientRecord(ClientMetadata):
    """A client. Its secret cannot be shown again."""

    client_id: str
    public: bool
    every_scope: bool = Field(description="Including scopes that are added later.")
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None
    self_registered: bool = Field(description="Nobody has checked what it says of itself.")


def _scopes(*conditions: Any) -> Any:
    names = type_coerce(func.aggregate_strings(ClientScope.scope, " "), ScopeSet)
    of_client = ClientScope.client_id == Client.client_id
    return select(names).where(of_client, *conditions).scalar_subquery()


def _select() -> Select[Any]:
    return select(
        Client.client_id,
        *(getattr(Client, name) for name in COLUMNS),
        Client.is_public.label("public"),
        Client.every_scope,
        _scopes().label("scopes"),
        _scopes(ClientScope.is_default).label("default_scopes"),
        Client.created_at,
        Client.updated_at,
        Client.disabled_at,
        Client.unused_after.is_not(None).label("self_registered"),
    )


def _record(row: Row[Any]) -> ClientRecord:
    scopes = {name: sorted(row._mapping[name]) for name in ("scopes", "default_scopes")}
    # What is stored may break a rule of today.
    return ClientRecord.model_construct(**{**row._mapping, **scopes})


async def get_client(connection: AsyncConnection, client_id: str) -> ClientRecord:
    """The client of that id. Raises :class:`NotFoundError`."""
    query = _select().where(Client.client_id == client_id)
    possible = "\x00" not in client_id  # which PostgreSQL would refuse to look for
    row = (await connection.execute(query)).one_or_none() if possible else None
    if row is None:
        raise NotFoundError(told="There is no such client.")
    return _record(row)


async def list_clients(
    connection: AsyncConnection,
    *,
    limit: int,
    after: str | None = None,
    disabled: bool | None = None,
) -> Sequence[ClientRecord]:
    """At most ``limit`` clients that match, by id, beginning behind the client ``after``."""
    query = _select()
    if after is not None:
        query = query.where(Client.client_id > after)
    if disabled is not None:
        query = query.where(
            Client.disabled_at.is_not(None) if disabled else Client.disabled_at.is_(None)
        )
    rows = await connection.execute(query.order_by(Client.client_id).limit(limit))
    return [_record(row) for row in rows]


async def register_client(
    actor: Actor, registration: Registration
) -> tuple[ClientRecord, str | None]:
    """Add a client; return it and, if it is confidential, its secret, this once."""
    actor.require_to_grant(await allowed_scopes(actor.connection, registration))
    actor.require_to_grant(_worth(registration))
    client_id, secret = await create_client(actor.connection, registration, actor.now)
    client = await get_client(actor.connection, client_id)
    await note_creation(actor, client)
    return client, secret


def _worth(client: Registration | ClientRecord) -> Collection[str]:
    """What a client can learn beside what its scopes open."""
    return {SEES_USERS} if client.introspect == "any" else ()


async def note_creation(actor: Actor, client: ClientRecord) -> None:
    """Write down what a new client is."""
    await actor.record("client.created", client_id=client.client_id, **_described(client))


async def _get_managed(actor: Actor, client_id: str, expected: Versions) -> ClientRecord:
    """The client, if the actor may change it. Whoever manages does so one after the other."""
    client = await get_client(actor.connection, client_id)
    actor.require_over([*client.scopes, *_worth(client)])
    expected.require(client.updated_at)
    return client


async def change_client(
    actor: Actor, client_id: str, changes: Changes, expected: Versions = ANY_VERSION
) -> ClientRecord:
    """Change fields of a client's registration, ``every_scope``, or whether it is ``disabled``.

    Raises a :class:`~app.errors.Problem`.
    """
    connection = actor.connection
    before = await _get_managed(actor, client_id, expected)
    wanted = dict(changes)
    disabled = wanted.pop("disabled", None)
    every_scope = wanted.pop("every_scope", before.every_scope and "scopes" not in wanted)
    if "scopes" in wanted and "default_scopes" not in wanted:
        # A default scope is allowed: one that stayed would give back what is taken away.
        kept = [scope for scope in before.default_scopes if scope in wanted["scopes"]]
        wanted["default_scopes"] = kept
    values: dict[str, Any] = {"updated_at": actor.now, "every_scope": every_scope}
    if wanted or every_scope != before.every_scope:
        # A client that breaks a rule of today can be disabled all the same.
        after = validated(Registration, _as_registration(before) | wanted)
        check_every_scope(after, every_scope)
        allowed = await allowed_scopes(connection, after, every_scope)
        actor.require_to_grant(allowed.difference(before.scopes))
        actor.require_to_grant(_worth(after))
        values |= after.columns()
        if "scopes" in wanted or "default_scopes" in wanted:
            await set_client_scopes(connection, client_id, allowed, after.default_scopes)
        if after.public != before.public:
            # A public client has none, and what it had before does not come back to life.
            of_client = ClientSecret.client_id == client_id
            await connection.execute(delete(ClientSecret).where(of_client))
            values["security_stamp"] = generate_stamp()
    if disabled is not None and disabled != (before.disabled_at is not None):
        values["disabled_at"] = None
        if disabled:
            await _end_everything(actor, client_id)
            values |= {"disabled_at": actor.now, "security_stamp": generate_stamp()}
    await connection.execute(update(Client).where(Client.client_id == client_id).values(values))
    client = await get_client(connection, client_id)
    old = _described(before)
    difference = {name: value for name, value in _described(client).items() if value != old[name]}
    if difference:
        await actor.record("client.changed", client_id=client_id, **difference)
    return client


async def _end_everything(actor: Actor, client_id: str) -> None:
    """End what was issued through a client: it does not come back when the client does.

    Waits for whatever is being issued through it, and is waited for.
    """
    connection = actor.connection
    await connection.execute(
        select(Client.client_id).where(Client.client_id == client_id).with_for_update()
    )
    now = actor.now
    await connection.execute(
        update(Login)
        .where(Login.client_id == client_id, Login.ended_at.is_(None), Login.expires_at > now)
        .values(ended_at=now)
    )
    await end_with_client(connection, client_id, now)


def _described(client: ClientRecord) -> dict[str, Any]:
    """What the audit trail has of a client, in the words of the API."""
    left_out = {"client_id", "created_at", "updated_at", "disabled_at", "self_registered"}
    described = client.model_dump(exclude=left_out)
    return {**described, "disabled": client.disabled_at is not None}


def _as_registration(client: ClientRecord) -> dict[str, Any]:
    known = {*ClientMetadata.model_fields, "public"}
    if client.public:
        known.remove("auth_methods")  # "none" is implied
    return client.model_dump(include=known)


async def rotate_secret(
    actor: Actor,
    client_id: str,
    overlap: timedelta = SECRET_OVERLAP,
    expected: Versions = ANY_VERSION,
    *,
    secret: str | None = None,
) -> tuple[str, datetime]:
    """Give a client another secret; return it, this once, and until when the old one is good.

    It is a generated one unless it is given.

    Two are valid at a time: an even older one is good no longer. An overlap of zero is for a
    secret that has leaked: the tokens that the client got for itself are void then too. Raises a
    :class:`~app.errors.Problem`.
    """
    connection, now = actor.connection, actor.now
    client = await _get_managed(actor, client_id, expected)
    if client.public:
        raise InvalidError(told="a public client cannot have a secret")
    until = now + overlap
    # The current secret is the one that does not expire: after an import all are of one age.
    rotated_out = ClientSecret.expires_at.is_not(None)
    current = (
        select(ClientSecret.id)
        .where(ClientSecret.client_id == client_id)
        .order_by(rotated_out, ClientSecret.created_at.desc(), ClientSecret.id)
        .limit(1)
        .scalar_subquery()
    )
    stale = or_(ClientSecret.id != current, ClientSecret.expires_at <= now)
    await connection.execute(delete(ClientSecret).where(ClientSecret.client_id == client_id, stale))
    await connection.execute(
        update(ClientSecret)
        .where(
            ClientSecret.client_id == client_id,
            or_(ClientSecret.expires_at.is_(None), ClientSecret.expires_at > until),
        )
        .values(expires_at=until)
    )
    secret = secret or generate_secret()
    await connection.execute(
        insert(ClientSecret).values(
            client_id=client_id, secret_hash=hash_secret(secret), created_at=now
        )
    )
    values: dict[str, Any] = {"updated_at": now}
    if not overlap:
        values["security_stamp"] = generate_stamp()
    await connection.execute(update(Client).where(Client.client_id == client_id).values(values))
    await actor.record(
        "client.secret_rotated", client_id=client_id, old_secret_expires_at=until.isoformat()
    )
    return secret, until


async def delete_client(actor: Actor, client_id: str, expected: Versions = ANY_VERSION) -> None:
    """Delete a client; every login through it ends with it. Raises a :class:`Problem`."""
    client = await _get_managed(actor, client_id, expected)
    await actor.connection.execute(delete(Client).where(Client.client_id == client_id))
    await actor.record("client.deleted", client_id=client_id, name=client.name)
