"""Managing users."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response, Security
from pydantic import BaseModel, Field, field_validator

from app.api.paging import (
    AUTHORITY_RESPONSES,
    CHANGE_RESPONSES,
    EDIT_RESPONSES,
    NO_NUL,
    ExpectedVersions,
    Limit,
    NextCursor,
    cursor_of_at_most,
    with_etag,
)
from app.api.passwords import PasswordToSet, hash_new_password
from app.identity import profile
from app.identity.definition import STRICT, changes_of, partial
from app.identity.profile import USERNAME_MAX_LENGTH, StoredProfile
from app.identity.scopes import SPEAK_OF_A_USER
from app.management import users as user_management
from app.management.authority import Actor
from app.management.users import UserRecord
from app.oauth2.acting import ManagerLater, acting_manager, acting_manager_later
from app.oauth2.bearer import BEARER_RESPONSES
from app.oauth2.principal import Principal, current_principal
from app.web.cursors import page
from app.web.dependencies import CurrentServer, Reading
from app.web.problems import problem, with_body

router = APIRouter(prefix="/users", tags=["users"], responses=with_body(BEARER_RESPONSES))

Reader = Annotated[Principal, Security(current_principal, scopes=["users:read"])]
Writer = Annotated[Actor, Security(acting_manager, scopes=["users:write"])]
WriterLater = Annotated[ManagerLater, Security(acting_manager_later, scopes=["users:write"])]

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem("There is no such user.")}

Scopes = Annotated[list[str], Field(max_length=100, examples=[["profile", "email"]])]


class NewUser(profile.NewUser):
    """A user to add. Without a password, they cannot log in until one is set."""

    password: PasswordToSet | None = None
    scopes: Scopes = Field(
        default=list(SPEAK_OF_A_USER),
        description="If left out: those of the default that the caller has.",
    )


@partial
class UserPatch(StoredProfile):
    """What to change; what is left out stays."""

    model_config = STRICT

    scopes: Scopes
    disabled: bool

    @field_validator("email", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value


class NewPassword(BaseModel):
    """A password for another user."""

    model_config = STRICT

    password: PasswordToSet


class UserPage(BaseModel):
    """Some of the users, and where the next ones begin."""

    users: list[UserRecord]
    next_cursor: NextCursor


@router.get("", operation_id="list_users", summary="List users")
async def list_users(
    principal: Reader,
    reading: Reading,
    limit: Limit = 50,
    cursor: Annotated[str | None, cursor_of_at_most(USERNAME_MAX_LENGTH)] = None,
    name: Annotated[
        str, Query(max_length=128, pattern=NO_NUL, description="The beginning of the name.")
    ] = "",
    disabled: Annotated[
        bool | None, Query(description="Only disabled, or only enabled ones.")
    ] = None,
) -> UserPage:
    """Users by name."""
    records = await user_management.list_users(
        reading, limit=limit + 1, after=cursor, name_starts_with=name, disabled=disabled
    )
    shown, next_cursor = page(records, limit, lambda user: user.username)
    return UserPage(users=list(shown), next_cursor=next_cursor)


@router.post(
    "",
    status_code=201,
    operation_id="create_user",
    summary="Add a user",
    responses=CHANGE_RESPONSES,
)
async def create_user(
    acting: WriterLater, server: CurrentServer, wanted: NewUser, response: Response
) -> UserRecord:
    """Add a user, with scopes that the caller has.

    Without `scopes`, they get the default ones, as far as the caller has them; an empty list means
    none.
    """
    password_hash = None
    if wanted.password is not None:
        password_hash = await hash_new_password(server, wanted.password, wanted.username)
    async with acting() as actor:
        record = await user_management.register_user(actor, wanted, password_hash=password_hash)
    response.headers["Location"] = f"{server.settings.issuer}/users/{record.id}"
    return with_etag(record, response)


@router.get("/{user_id}", operation_id="get_user", summary="Get a user", responses=NOT_FOUND)
async def get_user(
    principal: Reader, reading: Reading, user_id: uuid.UUID, response: Response
) -> UserRecord:
    """One user, with an `ETag` for `If-Match`."""
    return with_etag(await user_management.get_user(reading, user_id), response)


@router.patch(
    "/{user_id}",
    operation_id="update_user",
    summary="Change a user",
    responses={**NOT_FOUND, **CHANGE_RESPONSES, **EDIT_RESPONSES},
)
async def update_user(
    actor: Writer,
    server: CurrentServer,
    user_id: uuid.UUID,
    changes: UserPatch,
    expected: ExpectedVersions,
    response: Response,
) -> UserRecord:
    """Change the e-mail address or scopes, or disable the user, which ends all their logins."""
    record = await user_management.change_user(
        actor, user_id, changes_of(changes), expected, notify=server.notify
    )
    return with_etag(record, response)


@router.post(
    "/{user_id}/password",
    status_code=204,
    operation_id="set_user_password",
    summary="Set a user's password",
    responses={**NOT_FOUND, **AUTHORITY_RESPONSES, **EDIT_RESPONSES},
)
async def set_user_password(
    acting: WriterLater,
    server: CurrentServer,
    user_id: uuid.UUID,
    wanted: NewPassword,
    expected: ExpectedVersions,
) -> None:
    """Set another user's password. Everything issued to them until now is revoked."""
    async with server.database.read() as connection:
        user = await user_management.get_user(connection, user_id)
    password_hash = await hash_new_password(server, wanted.password, user.username)
    async with acting() as actor:
        await user_management.set_password(
            actor, user_id, password_hash, expected, revoke=server.at_password_reset
        )


@router.delete(
    "/{user_id}",
    status_code=204,
    operation_id="delete_user",
    summary="Delete a user",
    responses={**NOT_FOUND, **CHANGE_RESPONSES, **EDIT_RESPONSES},
)
async def delete_user(actor: Writer, user_id: uuid.UUID, expected: ExpectedVersions) -> None:
    """Delete a user and everything that is theirs, except the audit trail."""
    await user_management.delete_user(actor, user_id, expected)
