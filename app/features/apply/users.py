"""Users in a file of ``latchkey apply``."""

from collections.abc import Callable, Sequence
from typing import Any, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import BROKEN_RULE, InvalidError
from app.features.apply.secrets import SecretReference
from app.identity.definition import Changes
from app.identity.profile import NewUser, StoredProfile, username_key
from app.identity.scopes import list_scopes
from app.identity.users import hold_user
from app.management.authority import Actor
from app.management.kinds import Kind, Record
from app.management.users import (
    Revoke,
    UserRecord,
    apply_changes,
    delete_user,
    get_user,
    register_user,
    set_password,
)
from app.models import User
from app.security.passwords import UnacceptablePasswordError


class DeclaredUser(NewUser, StoredProfile):
    """A user. What is not said stays as it is: much of it is the user's own."""

    all_scopes: bool = False
    disabled: bool | None = None
    initial_password: SecretReference | None = None
    """For a user who has no password yet; later it is theirs to change."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.all_scopes and "scopes" in self.model_fields_set:
            raise PydanticCustomError(BROKEN_RULE, "scopes and all_scopes exclude each other")
        return self


class Users(Kind[DeclaredUser]):
    """Users, by name."""

    section = "users"
    noun = "user"
    key = "username"
    model = DeclaredUser

    def __init__(self, hash_password: Callable[[str, str], str], revoke: Sequence[Revoke]) -> None:
        """``hash_password`` takes a password and the user's name, and checks it first.

        ``revoke`` ends what a user has whose password is set.
        """
        self._hash = hash_password
        self._revoke = revoke
        self._hashes: dict[str, str] = {}

    def same(self, name: str) -> str:
        """As user names are compared."""
        return username_key(name)

    async def prepare(self, connection: AsyncConnection, declared: DeclaredUser) -> None:
        """Hash the password if it will be needed."""
        if declared.initial_password is None:
            return
        there = await _find(connection, declared.username)
        if there is None or not there.has_password:
            self._hash_of(declared)

    def _hash_of(self, user: DeclaredUser) -> str | None:
        if user.initial_password is None:
            return None
        if user.username not in self._hashes:
            password = user.initial_password.read()
            try:
                self._hashes[user.username] = self._hash(password, user.username)
            except UnacceptablePasswordError as refusal:
                raise InvalidError(told=f"initial_password: {refusal}") from None
        return self._hashes[user.username]

    async def find(self, connection: AsyncConnection, name: str) -> Record | None:
        """All but the id, and when it was."""
        user = await _find(connection, name)
        return None if user is None else _described(user)

    async def create(self, actor: Actor, declared: DeclaredUser) -> None:
        """Add one, who can log in if there is an initial password."""
        values = declared.model_dump(include=set(NewUser.model_fields))
        scopes = await _scopes(actor.connection, declared)
        new = NewUser.model_validate({**values, **scopes})
        before = await register_user(actor, new, password_hash=self._hash_of(declared))
        await _bring(actor, before, declared)

    async def change(self, actor: Actor, declared: DeclaredUser) -> None:
        """Change what is said of one, and give them a password if they have none."""
        found = await _find(actor.connection, declared.username)
        if found is None:
            raise InvalidError(told="somebody else has just deleted this user")
        await hold_user(actor.connection, found.id)
        before = await get_user(actor.connection, found.id)
        if not before.has_password and (password_hash := self._hash_of(declared)):
            await set_password(actor, before.id, password_hash, revoke=self._revoke)
        await _bring(actor, before, declared)

    async def delete(self, actor: Actor, name: str) -> None:
        """Delete one, and all that is theirs."""
        user = await _find(actor.connection, name)
        if user is not None:
            await delete_user(actor, user.id)


async def _find(connection: AsyncConnection, username: str) -> UserRecord | None:
    named = select(User.id).where(User.username_key == username_key(username))
    user_id = await connection.scalar(named)
    return None if user_id is None else await get_user(connection, user_id)


_NOT_DECLARED = {"id", "inherited_scopes", "created_at", "updated_at", "disabled_at"}


def _described(user: UserRecord) -> dict[str, Any]:
    described = user.model_dump(exclude=_NOT_DECLARED)
    return {**described, "disabled": user.disabled_at is not None}


async def _scopes(connection: AsyncConnection, declared: DeclaredUser) -> Changes:
    if declared.all_scopes:
        return {"scopes": sorted(await list_scopes(connection))}
    if "scopes" in declared.model_fields_set:
        return {"scopes": sorted(set(declared.scopes))}
    return {}


async def _bring(actor: Actor, before: UserRecord, declared: DeclaredUser) -> None:
    said = declared.model_fields_set & {"username", "disabled", *StoredProfile.model_fields}
    wanted = {name: getattr(declared, name) for name in said}
    if wanted.get("disabled", 0) is None:
        del wanted["disabled"]
    wanted |= await _scopes(actor.connection, declared)
    as_it_is = _described(before)
    changes = {name: value for name, value in wanted.items() if value != as_it_is[name]}
    if "email" in changes and "email_verified" in wanted:
        changes["email_verified"] = wanted["email_verified"]  # it is of the new address
    if changes:
        await apply_changes(actor, before, changes)
