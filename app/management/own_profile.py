"""What users change of their own profile: under ``PATCH /users/me`` and at ``/account``."""

import uuid

from app.errors import LoginRefused
from app.identity.definition import Changes, validated
from app.identity.profile import ChangedProfile, StoredProfile
from app.identity.users import Account, change_email, get_person, hold_user
from app.login.notices import EmailChanged, Notify
from app.management.authority import Actor
from app.management.users import apply_changes, get_user


async def change_own_profile(
    actor: Actor, changes: Changes, *, proven: Account | None = None, notify: Notify
) -> StoredProfile:
    """Change what a :class:`ChangedProfile` has of the user who acts; return what it is then.

    Only what is different is written, so that two changes at once undo nothing of each other. An
    address is where links are sent that let people in, so it takes ``proven``, the account whose
    password was checked. It is unverified then, and ``notify`` is told. Raises
    :class:`LoginRefused` if the password was changed since, and
    :class:`~app.errors.InvalidFieldsError`.
    """
    wanted = validated(ChangedProfile, changes)
    user_id = uuid.UUID(actor.subject)
    await hold_user(actor.connection, user_id)
    before = await get_user(actor.connection, user_id)
    different = {
        name: getattr(wanted, name)
        for name in changes
        if getattr(wanted, name) != getattr(before, name)
    }
    if "email" in changes and not (wanted.email == before.email and before.email_verified):
        different.pop("email", None)
        await _change_email(actor, wanted.email, before, proven, notify)
    if different:
        await apply_changes(actor, before, different)
    return (await get_person(actor.connection, user_id)).profile


async def _change_email(
    actor: Actor, email: str | None, before: StoredProfile, proven: Account | None, notify: Notify
) -> None:
    if proven is None or not await change_email(actor.connection, proven, email, actor.now):
        raise LoginRefused("wrong", reason="given another password in the meantime")
    await actor.record("email.changed", user_id=proven.id, client_id=actor.client_id)
    notice = EmailChanged(
        user_id=proven.id,
        at=actor.now,
        origin=actor.origin,
        previous=before.email,
        was_verified=before.email_verified,
    )
    await notify(actor.connection, notice)
