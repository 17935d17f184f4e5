"""Managing users: what the API under ``/users`` and ``latchkey users`` do."""

import uuid
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    ScalarSelect,
    Select,
    delete,
    func,
    select,
    type_coerce,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import NOWHERE
from app.errors import ForbiddenError, NotFoundError
from app.identity.addresses import email_columns, require_not_verified_elsewhere
from app.identity.definition import STRICT, Changes, partial, validated
from app.identity.profile import NewUser, Profile, StoredProfile, Username, username_key
from app.identity.scopes import require_known
from app.identity.users import (
    PROFILE,
    create_user,
    hold_user,
    password_columns,
    require_free,
    set_user_scopes,
)
from app.login.counts import forget_tries, second_factor_of
from app.login.endings import end_other_logins
from app.login.notices import Disabled, EmailChanged, Notify, notify_nobody
from app.management.administration import ADMINISTRATION, require_administered
from app.management.authority import Actor
from app.management.versions import ANY_VERSION, Versions
from app.models import User, UserScope
from app.models.base import ScopeSet, generate_stamp

Revoke = Callable[[AsyncConnection, uuid.UUID, datetime], Awaitable[Mapping[str, Any]]]
"""End what else a user has at that time; what it returns is for the audit trail."""


class UserRecord(StoredProfile):
    """A user, as those who manage see them."""

    id: uuid.UUID
    username: str
    has_password: bool
    scopes: list[str]
    """Those that were given to them."""
    inherited_scopes: list[str]
    """Those that they have otherwise, such as by a group."""
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None


@partial
class ChangedUser(StoredProfile):
    """The fields of a user that can be changed."""

    model_config = STRICT

    username: Username
    scopes: list[str]
    disabled: bool


def _scopes(which: ColumnElement[bool]) -> ScalarSelect[frozenset[str]]:
    together = type_coerce(func.aggregate_strings(UserScope.scope, " "), ScopeSet)
    return select(together).where(UserScope.user_id == User.id, which).scalar_subquery()


_GIVEN = _scopes(UserScope.via == "").label("scopes")
_INHERITED = _scopes(UserScope.via != "").label("inherited_scopes")


def _select() -> Select[Any]:
    return select(
        User.id,
        User.username,
        *PROFILE,
        User.password_hash.is_not(None).label("has_password"),
        _GIVEN,
        _INHERITED,
        User.created_at,
        User.updated_at,
        User.disabled_at,
    )


def _record(row: Row[Any]) -> UserRecord:
    scopes = {name: sorted(row._mapping[name]) for name in ("scopes", "inherited_scopes")}
    return UserRecord.model_construct(**{**row._mapping, **scopes})


def scopes_of(user: UserRecord) -> frozenset[str]:
    """What a user has, however they have it."""
    return frozenset([*user.scopes, *user.inherited_scopes])


async def get_user(connection: AsyncConnection, user_id: uuid.UUID) -> UserRecord:
    """The user of that id. Raises :class:`NotFoundError`."""
    row = (await connection.execute(_select().where(User.id == user_id))).one_or_none()
    if row is None:
        raise NotFoundError(told="There is no such user.")
    return _record(row)


async def get_user_by_name(connection: AsyncConnection, username: str) -> UserRecord:
    """The user of that name. Raises :class:`NotFoundError`."""
    query = _select().where(User.username_key == username_key(username))
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError(told=f"there is no user {username!r}")
    return _record(row)


async def list_users(
    connection: AsyncConnection,
    *,
    limit: int,
    after: str | None = None,
    name_starts_with: str = "",
    disabled: bool | None = None,
) -> Sequence[UserRecord]:
    """At most ``limit`` users that match, by name, beginning behind the name ``after``."""
    query = _select()
    if after is not None:
        query = query.where(User.username_key > username_key(after))
    if name_starts_with:
        prefix = username_key(name_starts_with)
        # A range, which the index serves. The last code point is in no name.
        query = query.where(User.username_key >= prefix, User.username_key < prefix + "\U0010ffff")
    if disabled is not None:
        query = query.where(
            User.disabled_at.is_not(None) if disabled else User.disabled_at.is_(None)
        )
    rows = await connection.execute(query.order_by(User.username_key).limit(limit))
    return [_record(row) for row in rows]


async def register_user(
    actor: Actor,
    user: NewUser,
    *,
    password_hash: str | None,
    user_id: uuid.UUID | None = None,
) -> UserRecord:
    """Add a user, with a new id unless one is given. Raises a :class:`~app.errors.Problem`.

    Scopes that were not asked for are those of the default that the actor may grant.
    """
    if "scopes" not in user.model_fields_set:
        user = user.model_copy(update={"scopes": actor.grantable(user.scopes)})
    known = await require_known(actor.connection, user.scopes)
    actor.require_to_grant(known)
    user_id = await create_user(
        actor.connection, user, password_hash=password_hash, now=actor.now, user_id=user_id
    )
    await actor.record(
        "user.created", user_id=user_id, username=user.username, scopes=sorted(known)
    )
    return await get_user(actor.connection, user_id)


async def _get_managed(actor: Actor, user_id: uuid.UUID, expected: Versions) -> UserRecord:
    """The user, as they are until the transaction ends, if the actor may change them."""
    await hold_user(actor.connection, user_id)
    user = await get_user(actor.connection, user_id)
    actor.require_over(scopes_of(user))
    expected.require(user.updated_at)
    return user


async def change_user(
    actor: Actor,
    user_id: uuid.UUID,
    changes: Changes,
    expected: Versions = ANY_VERSION,
    *,
    notify: Notify = notify_nobody,
) -> UserRecord:
    """Change a user; disabling one ends all their logins. Raises a :class:`~app.errors.Problem`.

    Their own address is nobody's to change without their password: see ``PATCH /users/me``. A
    user whose address was changed is told by ``notify``.
    """
    before = await _get_managed(actor, user_id, expected)
    if actor.is_user(user_id) and not {"email", "email_verified"}.isdisjoint(changes):
        raise ForbiddenError(
            told="Change your own e-mail address at /users/me, which asks for your password."
        )
    await apply_changes(actor, before, changes)
    await require_administered(actor.connection, _administered_by(before))
    changed = await get_user(actor.connection, user_id)
    if changes.get("disabled") and not actor.is_user(user_id):  # also one who was disabled before
        await notify(actor.connection, Disabled(user_id=user_id, at=actor.now, origin=NOWHERE))
    if changed.email != before.email:
        notice = EmailChanged(
            user_id=user_id,
            at=actor.now,
            origin=NOWHERE,  # it is not where the user was
            previous=before.email,
            was_verified=before.email_verified,
            by_user=False,
        )
        await notify(actor.connection, notice)
    return changed


async def apply_changes(actor: Actor, before: UserRecord, changes: Changes) -> None:
    """Change what a :class:`ChangedUser` has, and write down what is different then.

    Whether the actor may, and whether an administrator is left, is for the caller to say.
    """
    connection, now = actor.connection, actor.now
    wanted = validated(ChangedUser, changes)
    given = {name: getattr(wanted, name) for name in changes}
    values: dict[str, Any] = {"updated_at": now}
    difference: dict[str, Any] = {}
    for name in given.keys() & {"username", *StoredProfile.model_fields}:
        if given[name] != getattr(before, name):
            values[name] = given[name]
            # The trail notes that a profile value changed, not the value.
            difference[name] = "changed" if name in Profile.model_fields else given[name]
    if "username" in values:
        values["username_key"] = username_key(wanted.username)
        if values["username_key"] != username_key(before.username):
            await require_free(connection, wanted.username)
    if not {"email", "email_verified"}.isdisjoint(values):
        values |= await _set_email(connection, before, given)
    if "scopes" in given:
        difference |= await _set_scopes(actor, before, wanted.scopes)
    if given.get("disabled", before.disabled_at is not None) != (before.disabled_at is not None):
        values["disabled_at"] = now if wanted.disabled else None
        difference["disabled"] = wanted.disabled
        if wanted.disabled:
            values["security_stamp"] = generate_stamp()
            await end_other_logins(connection, before.id, None, now)
    await connection.execute(update(User).where(User.id == before.id).values(values))
    if difference:
        # Users see what an application has changed for them, and which.
        client_id = actor.client_id if actor.is_user(before.id) else None
        await actor.record("user.changed", user_id=before.id, client_id=client_id, **difference)


async def _set_email(
    connection: AsyncConnection, user: UserRecord, given: Changes
) -> dict[str, Any]:
    """The columns of an address, which is verified for one user at a time."""
    email = given.get("email", user.email)
    verified = given.get("email_verified", user.email_verified and email == user.email)
    if verified and email is not None:
        await require_not_verified_elsewhere(connection, email, user.id)
    return email_columns(email, verified=verified)


async def _set_scopes(actor: Actor, user: UserRecord, scopes: Collection[str]) -> dict[str, Any]:
    wanted = set(await require_known(actor.connection, scopes))
    added, removed = wanted.difference(user.scopes), set(user.scopes) - wanted
    if not added and not removed:
        return {}
    actor.require_to_grant(added)
    await set_user_scopes(actor.connection, user.id, wanted)
    return {"scopes_added": sorted(added), "scopes_removed": sorted(removed)}


async def set_password(
    actor: Actor,
    user_id: uuid.UUID,
    password_hash: str,
    expected: Versions = ANY_VERSION,
    *,
    revoke: Iterable[Revoke],
) -> None:
    """Give a user another password; all their logins end, and with them what ``revoke`` ends.

    Wrong codes of a second factor are forgiven: whoever had the old password may have sent them.
    Whoever needs another password may have lost the old one to somebody, who can have made API
    keys, for example. One's own takes the current one, or a token with ``users:write`` would be
    worth all that its user has: see ``POST /users/me/password``. Raises a
    :class:`~app.errors.Problem`.
    """
    user = await _get_managed(actor, user_id, expected)
    if actor.is_user(user_id):
        raise ForbiddenError(
            told="Change your own password at /users/me/password, which asks for the current one."
        )
    connection, now = actor.connection, actor.now
    columns = password_columns(password_hash)
    await connection.execute(
        update(User)
        .where(User.id == user.id)
        .values(security_stamp=generate_stamp(), updated_at=now, **columns)
    )
    await end_other_logins(connection, user.id, None, now)
    await forget_tries(connection, second_factor_of(user.id))
    details: dict[str, Any] = {}
    for each in revoke:
        details |= await each(connection, user.id, now)
    await actor.record("user.password_reset", user_id=user.id, **details)


async def delete_user(actor: Actor, user_id: uuid.UUID, expected: Versions = ANY_VERSION) -> None:
    """Delete a user and all that is theirs, but not the audit trail."""
    user = await _get_managed(actor, user_id, expected)
    await actor.connection.execute(delete(User).where(User.id == user_id))
    await require_administered(actor.connection, _administered_by(user))
    await actor.record("user.deleted", user_id=user_id, username=user.username)


def _administered_by(user: UserRecord) -> frozenset[str]:
    """What the user alone may administer."""
    able = user.has_password and user.disabled_at is None
    return frozenset(ADMINISTRATION) & scopes_of(user) if able else frozenset()
