"""App passwords: made once, shown once, good at one client."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import (
    ColumnElement,
    String,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import FeatureEventType
from app.database.engines import insert_new
from app.errors import ConflictError, InvalidError, InvalidGrantError, NotFoundError
from app.features.app_passwords.model import AppPassword, AppPasswordLogin, AppPasswordScope
from app.identity.clients import RegisteredClient, find_client
from app.identity.names import has_unseen
from app.identity.scopes import ScopeRefusedError, require_known
from app.identity.users import Account, holding
from app.login.admission import Admits
from app.login.notices import CredentialAdded, Notify
from app.login.stand_ins import StandIn, StandInKind
from app.management.authority import Actor
from app.message import Message
from app.models import Client, Login, User
from app.security.checksummed import ChecksummedForm
from app.security.opaque import hash_secret

CREATED = FeatureEventType("app_password.created")
REVOKED = FeatureEventType("app_password.revoked")

FORM = ChecksummedForm(prefix="lkapp_", random_length=22)
"""A little more than 128 random bits: nobody can try so many, so SHA-256 is hash enough."""

NAME_MAX_LENGTH = 100

MOST = 100
"""Of one user."""

_SCOPES = (
    select(func.aggregate_strings(AppPasswordScope.scope, " "))
    .where(AppPasswordScope.app_password_id == AppPassword.id)
    .scalar_subquery()
    .label("scopes")
)


# At /token

_FIND = select(
    AppPassword.id, AppPassword.user_id, AppPassword.client_id, AppPassword.expires_at, _SCOPES
).where(AppPassword.secret_hash == bindparam("secret_hash"))


async def _find(
    connection: AsyncConnection,
    secret: str,
    user_id: uuid.UUID | None,
    client_id: str,
    now: datetime,
) -> StandIn | str:
    row = (await connection.execute(_FIND, {"secret_hash": hash_secret(secret)})).one_or_none()
    if row is None:
        return "unknown app password"
    if row.user_id != user_id:
        return "an app password of another user"
    if row.client_id != client_id:
        return "an app password of another client"
    if row.expires_at <= now:
        return "an expired app password"
    return StandIn(
        scopes=frozenset((row.scopes or "").split()),
        expires_at=row.expires_at,
        begin=partial(_begin, row.id),
        details={"app_password": str(row.id)},
    )


async def _begin(
    password_id: uuid.UUID, connection: AsyncConnection, login_id: uuid.UUID, now: datetime
) -> None:
    used = await connection.execute(
        update(AppPassword)
        .where(AppPassword.id == password_id, AppPassword.expires_at > now)
        .values(last_used_at=now)
        .returning(AppPassword.id)
    )
    if used.one_or_none() is None:
        raise InvalidGrantError(reason="the app password was revoked in the meantime")
    await connection.execute(
        insert(AppPasswordLogin).values(login_id=login_id, app_password_id=password_id)
    )


KIND = StandInKind(has_form=FORM.is_written_right, find=_find)


# What they can be for

MAY_TAKE_ONE = Client.disabled_at.is_(None) & cast(Client.grant_types, String).contains(
    '"password"'
)
"""Of a client. The list is JSON, which the two databases search in different ways."""


async def list_clients(
    connection: AsyncConnection, admits: Admits, user_id: uuid.UUID
) -> Sequence[RegisteredClient]:
    """The clients that a user can make an app password for, by their names; the first hundred."""
    able = select(Client.client_id).where(MAY_TAKE_ONE)
    ids = await connection.scalars(able.order_by(Client.name, Client.client_id).limit(MOST))
    found = [await _find_open(connection, admits, user_id, client_id) for client_id in ids.all()]
    return [client for client in found if client is not None]


async def get_client(
    connection: AsyncConnection, admits: Admits, user_id: uuid.UUID, client_id: str
) -> RegisteredClient:
    """One of them. Raises :class:`InvalidError`."""
    client = await _find_open(connection, admits, user_id, client_id)
    if client is None:
        raise InvalidError(
            told=Message("there is no such application that takes app passwords"), field="client_id"
        )
    return client


async def _find_open(
    connection: AsyncConnection, admits: Admits, user_id: uuid.UUID, client_id: str
) -> RegisteredClient | None:
    client = await find_client(connection, client_id)
    if client is None or not client.enabled or "password" not in client.grant_types:
        return None
    return client if await admits(connection, user_id, client_id) else None


# Making, listing and revoking


@dataclass(frozen=True)
class AppPasswordRecord:
    """An app password as its user sees it again; the password itself is gone."""

    id: uuid.UUID
    username: str
    client_id: str
    client_name: str
    name: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    scopes: tuple[str, ...]


async def create_app_password(
    actor: Actor,
    *,
    user: Account,
    permitted: Collection[str],
    withheld: Collection[str],
    client: RegisteredClient,
    name: str,
    scopes: Sequence[str],
    lifetime: timedelta,
    notify: Notify,
    password_id: uuid.UUID | None = None,
) -> tuple[AppPasswordRecord, str]:
    """Add an app password of ``user``, who is held; return its record and the password itself.

    The password cannot be shown again. Its scopes are among those that its user and its client
    have, and that are ``permitted`` to whoever asks, but never ``withheld``, which are those that
    make credentials. With a ``password_id`` there is only one,
    however often a form is sent. Raises :class:`InvalidError`, or :class:`ConflictError` for an id
    that there is already, and for too many app passwords.
    """
    connection, now = actor.connection, actor.now
    name = name.strip()
    if not 1 <= len(name) <= NAME_MAX_LENGTH:
        raise InvalidError(
            told=Message(
                "an app password has a name of 1 to {most} characters", most=NAME_MAX_LENGTH
            )
        )
    if has_unseen(name):
        raise InvalidError(told=Message("an app password has no control characters in its name"))
    names = sorted(await require_known(connection, scopes))
    if not names:
        raise InvalidError(told=Message("an app password has at least one scope"), field="scopes")
    _require(names, user.scopes, Message("the user does not have the scope"))
    _require(names, client.scopes, Message("the application may not ask for the scope"))
    _require(names, permitted, "the access token does not have the scope")
    _require(names, user.scopes.difference(withheld), "no app password has the scope")
    if len(await list_app_passwords(connection, user.id, good_at=now)) >= MOST:
        raise ConflictError(
            told=Message("you have {most} app passwords: revoke one first", most=MOST)
        )
    secret = FORM.generate()
    record = AppPasswordRecord(
        id=password_id or uuid.uuid4(),
        username=user.username,
        client_id=client.client_id,
        client_name=client.name,
        name=name,
        created_at=now,
        expires_at=now + lifetime,
        last_used_at=None,
        scopes=tuple(names),
    )
    await insert_new(
        connection,
        "this app password was created before: if you have not copied it, revoke it and create "
        "another one",
        insert(AppPassword).values(
            id=record.id,
            user_id=user.id,
            client_id=client.client_id,
            name=name,
            secret_hash=hash_secret(secret),
            created_at=now,
            expires_at=record.expires_at,
        ),
    )
    rows = [{"app_password_id": record.id, "scope": scope} for scope in names]
    await connection.execute(insert(AppPasswordScope), rows)
    await actor.record(
        CREATED,
        user_id=user.id,
        client_id=client.client_id,
        app_password=str(record.id),
        scopes=names,
    )
    await notify(
        connection,
        CredentialAdded(
            user_id=user.id, at=now, origin=actor.origin, what=Message("An app password")
        ),
    )
    return record, secret


def _require(names: Sequence[str], allowed: Collection[str], refusal: str) -> None:
    for scope in names:
        if scope not in allowed:
            raise ScopeRefusedError(told=refusal, line=f"{refusal} {scope!r}")


async def list_app_passwords(
    connection: AsyncConnection, user_id: uuid.UUID | None, *, good_at: datetime | None = None
) -> list[AppPasswordRecord]:
    """The app passwords of a user, or of all users, newest first.

    Only those that are good at the time ``good_at``, if it is given: one that has expired is there
    until the next purge.
    """
    query = (
        select(
            AppPassword.id,
            User.username,
            AppPassword.client_id,
            Client.name.label("client_name"),
            AppPassword.name,
            AppPassword.created_at,
            AppPassword.expires_at,
            AppPassword.last_used_at,
            _SCOPES,
        )
        .join(User, User.id == AppPassword.user_id)
        .join(Client, Client.client_id == AppPassword.client_id)
        .order_by(AppPassword.created_at.desc(), AppPassword.id.desc())
    )
    if user_id is not None:
        query = query.where(AppPassword.user_id == user_id)
    if good_at is not None:
        query = query.where(AppPassword.expires_at > good_at)
    return [
        AppPasswordRecord(**{**row, "scopes": tuple(sorted((row["scopes"] or "").split()))})
        for row in (await connection.execute(query)).mappings()
    ]


_HOLD_USER = holding(
    select(AppPassword.user_id).where(AppPassword.id == bindparam("password_id")).scalar_subquery()
)


async def revoke_app_password(
    actor: Actor, user_id: uuid.UUID | None, password_id: uuid.UUID
) -> None:
    """Delete an app password of that user, or of anybody, and end the logins that began with it.

    Its user is held, as by whoever logs in with it: what was begun with it ends here, or is never
    begun. Raises :class:`NotFoundError`.
    """
    connection = actor.connection
    await connection.execute(_HOLD_USER, {"password_id": password_id})
    found = select(AppPassword.user_id, AppPassword.client_id).where(AppPassword.id == password_id)
    if user_id is not None:
        found = found.where(AppPassword.user_id == user_id)
    row = (await connection.execute(found)).one_or_none()
    if row is None:
        raise NotFoundError(told=Message("There is no such app password."))
    await _delete(connection, AppPassword.id == password_id, actor.now)
    await actor.record(
        REVOKED,
        user_id=row.user_id,
        client_id=row.client_id,
        app_password=str(password_id),
    )


async def revoke_all(connection: AsyncConnection, user_id: uuid.UUID, now: datetime) -> int:
    """Delete all app passwords of a user, who is held; return how many."""
    return await _delete(connection, AppPassword.user_id == user_id, now)


async def _delete(connection: AsyncConnection, which: ColumnElement[bool], now: datetime) -> int:
    begun = (
        select(AppPasswordLogin.login_id)
        .join(AppPassword, AppPassword.id == AppPasswordLogin.app_password_id)
        .where(which)
    )
    await connection.execute(
        update(Login).where(Login.id.in_(begun), Login.ended_at.is_(None)).values(ended_at=now)
    )
    return (await connection.execute(delete(AppPassword).where(which))).rowcount
