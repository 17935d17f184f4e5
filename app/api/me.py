"""The caller's own account: who they are, their password, their logins."""

import uuid
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query, Request, Response, Security
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from app.api.paging import Limit
from app.api.passwords import (
    PASSWORD_RESPONSES,
    PasswordToSet,
    hash_new_password,
    verify_current_password,
)
from app.audit.trail import record
from app.errors import LoginRefused
from app.identity import users
from app.identity.definition import broken
from app.identity.profile import ChangedProfile, PermittedProfile, permitted_profile
from app.login import logins
from app.login.endings import end_other_logins
from app.login.notices import PasswordChanged
from app.management.own_profile import change_own_profile
from app.oauth2.acting import ActingUser, UserLater, acting_user, acting_user_later
from app.oauth2.bearer import BEARER_RESPONSES, CurrentUser, current_user
from app.web.cursors import ROW_CURSOR, page, row_place_at, row_place_of
from app.web.dependencies import CurrentServer, Reading
from app.web.problems import problem, with_body

router = APIRouter(prefix="/users/me", tags=["account"], responses=BEARER_RESPONSES)

Reader = Annotated[CurrentUser, Security(current_user, scopes=["profile"])]
AccountOwner = Annotated[CurrentUser, Security(current_user, scopes=["account"])]
ActingOwner = Annotated[ActingUser, Security(acting_user, scopes=["account"])]
ActingOwnerLater = Annotated[UserLater, Security(acting_user_later, scopes=["account"])]


class Me(PermittedProfile):
    """A user, as they see themselves. Of the profile, what they do not have is left out."""

    id: uuid.UUID
    username: str
    scopes: list[str] = Field(description="The token's scopes that the user still has.")


class AccountChanges(ChangedProfile):
    """A change to one's account. What is left out stays as it is, and null takes it away."""

    current_password: SecretStr | None = Field(
        default=None, description="Needed if there is `email` in the body."
    )

    @model_validator(mode="after")
    def _address_takes_password(self) -> Self:
        if "email" in self.model_fields_set and self.current_password is None:
            needed = broken("current_password", "another e-mail address takes the current password")
            raise ValidationError.from_exception_data(type(self).__name__, [needed])
        return self


class PasswordChange(BaseModel):
    """A new password, and the current one."""

    model_config = ConfigDict(extra="forbid")

    current_password: SecretStr
    new_password: PasswordToSet


class Session(BaseModel):
    """A login that goes on, through one client."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    client_id: str
    client_name: str
    created_at: datetime
    last_refreshed_at: datetime | None
    expires_at: datetime
    address: str | None
    user_agent: str | None
    current: bool = Field(default=False, description="Whether this request was made with it.")


@router.get("", operation_id="get_me", summary="Get my account", response_model_exclude_unset=True)
async def get_me(user: Reader, server: CurrentServer) -> Me:
    """The user the access token belongs to, as far as its scopes reveal, and those scopes.

    `email` and `email_verified` are null without the scope `email`, and while nobody has verified
    the address.
    """
    return _me(user, unverified=server.settings.unverified_email)


@router.patch(
    "",
    operation_id="update_me",
    summary="Change my profile",
    response_model_exclude_unset=True,
    responses=PASSWORD_RESPONSES,
)
async def update_me(
    user: AccountOwner,
    acting: ActingOwnerLater,
    server: CurrentServer,
    request: Request,
    changes: AccountChanges,
) -> Me:
    """Change the profile; an e-mail address takes the current password, and is then unverified."""
    proven = None
    if "email" in changes.model_fields_set and changes.current_password is not None:
        proven = await verify_current_password(server, user, changes.current_password, request)
    given = changes.model_dump(exclude_unset=True, exclude={"current_password"})
    async with acting() as actor:
        profile = await change_own_profile(actor, given, proven=proven, notify=server.notify)
    # A new address is what the client has just sent.
    unverified = proven is not None or server.settings.unverified_email
    return _me(replace(actor.user, profile=profile), unverified=unverified)


@router.post(
    "/password",
    status_code=204,
    operation_id="change_password",
    summary="Change my password",
    responses=PASSWORD_RESPONSES,
)
async def change_password(
    user: AccountOwner,
    acting: ActingOwnerLater,
    server: CurrentServer,
    request: Request,
    change: PasswordChange,
) -> None:
    """Change the password. Every other login of the user ends."""
    account = await verify_current_password(server, user, change.current_password, request)
    password_hash = await hash_new_password(server, change.new_password, user.username)
    async with acting() as actor:
        connection, now = actor.connection, actor.now
        if not await users.change_password(connection, account, password_hash, now):
            raise LoginRefused("wrong", reason="given another password in the meantime")
        await end_other_logins(connection, user.id, user.login_id, now)
        await record(connection, now, user.event("password.changed", request))
        notice = PasswordChanged(user_id=user.id, at=now, origin=actor.origin)
        await server.notify(connection, notice)


NEXT_PAGE: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "Link": {
                "description": 'The next page, with `rel="next"` (RFC 8288), unless this is the '
                "last one.",
                "schema": {"type": "string"},
            }
        }
    }
}


@router.get(
    "/sessions",
    operation_id="list_sessions",
    summary="List my logins",
    responses={**with_body(BEARER_RESPONSES), **NEXT_PAGE},
)
async def list_sessions(
    user: AccountOwner,
    server: CurrentServer,
    reading: Reading,
    response: Response,
    limit: Limit = 50,
    cursor: Annotated[
        str | None, Query(pattern=ROW_CURSOR, description="Taken from the `Link` header of a page.")
    ] = None,
) -> list[Session]:
    """The applications where the user is logged in, newest first."""
    before = None if cursor is None else row_place_at(cursor)
    live = await logins.list_logins(
        reading, user.id, server.clock.now(), limit=limit + 1, before=before
    )
    shown, next_cursor = page(live, limit, lambda login: row_place_of(login.created_at, login.id))
    if next_cursor is not None:
        here = f"{server.settings.issuer}/users/me/sessions"
        response.headers["Link"] = f'<{here}?limit={limit}&cursor={next_cursor}>; rel="next"'
    return [
        Session.model_validate(login).model_copy(update={"current": login.id == user.login_id})
        for login in shown
    ]


@router.delete(
    "/sessions/{session_id}",
    status_code=204,
    operation_id="end_session",
    summary="End a login",
    responses={**with_body(BEARER_RESPONSES), 404: problem("The user has no such login.")},
)
async def end_session(actor: ActingOwner, request: Request, session_id: uuid.UUID) -> None:
    """End a login: its access and refresh tokens stop working at once."""
    await logins.end_own_login(actor.connection, actor.user.id, session_id, actor.now)
    ended = actor.user.event("session.ended", request, session=str(session_id))
    await record(actor.connection, actor.now, ended)


def _me(user: CurrentUser, *, unverified: bool) -> Me:
    """Like ``/userinfo``: of the profile only what the token permits to know."""
    permitted = permitted_profile(user.profile, user.scopes, unverified=unverified)
    known = {name: value for name, value in permitted if value is not None}
    email = {"email": permitted.email, "email_verified": permitted.email_verified}
    return Me.model_construct(
        id=user.id, username=user.username, scopes=sorted(user.scopes), **(email | known)
    )
