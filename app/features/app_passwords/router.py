"""One's own app passwords."""

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Security
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.api.passwords import PASSWORD_RESPONSES, verify_current_password
from app.errors import LoginRefused
from app.features.app_passwords import service
from app.identity.users import get_account, is_still_proven
from app.management.lifetimes import lifetime_of
from app.oauth2.acting import ActingUser, UserLater, acting_user, acting_user_later
from app.oauth2.bearer import BEARER_RESPONSES, CurrentUser, current_user
from app.settings import TEN_YEARS
from app.web.dependencies import CurrentServer, Reading
from app.web.problems import problem, with_body

router = APIRouter(
    prefix="/users/me/app-passwords", tags=["account"], responses=with_body(BEARER_RESPONSES)
)

AccountOwner = Annotated[CurrentUser, Security(current_user, scopes=["account"])]
ActingOwner = Annotated[ActingUser, Security(acting_user, scopes=["account"])]
ActingOwnerLater = Annotated[UserLater, Security(acting_user_later, scopes=["account"])]


class NewAppPassword(BaseModel):
    """An app password to make."""

    model_config = ConfigDict(extra="forbid")

    current_password: SecretStr
    client_id: str = Field(
        max_length=255, description="Of the client that will send it.", examples=["cli"]
    )
    name: str = Field(min_length=1, max_length=service.NAME_MAX_LENGTH, examples=["laptop"])
    scopes: list[str] = Field(min_length=1, max_length=100, examples=[["items:read"]])
    expires_in: int | None = Field(
        default=None,
        ge=1,
        le=TEN_YEARS,
        description="Seconds, at most `LATCHKEY_APP_PASSWORD_TTL`, which is also the default.",
    )


class AppPasswordOut(BaseModel):
    """An app password, without the password itself."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    client_id: str
    client_name: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = Field(description="When the last login with it began.")


class CreatedAppPassword(AppPasswordOut):
    """With the password itself, this once."""

    password: str


@router.post(
    "",
    status_code=201,
    operation_id="create_app_password",
    summary="Create an app password",
    responses={**PASSWORD_RESPONSES, 409: problem("The user has too many.")},
)
async def create_app_password(
    user: AccountOwner,
    acting: ActingOwnerLater,
    server: CurrentServer,
    request: Request,
    wanted: NewAppPassword,
) -> CreatedAppPassword:
    """Create a password for one client, and show it once.

    The client sends it at `/token` in place of the user's password. Its scopes are at most those
    of the access token, and of the client.
    """
    proven = await verify_current_password(server, user, wanted.current_password, request)
    async with acting() as actor:
        if not await is_still_proven(actor.connection, proven):
            raise LoginRefused("wrong", reason="given another password in the meantime")
        client = await service.get_client(
            actor.connection, server.admits, user.id, wanted.client_id
        )
        record, password = await service.create_app_password(
            actor,
            user=await get_account(actor.connection, user.id),
            permitted=actor.user.scopes,
            withheld=server.credential_scopes,
            client=client,
            name=wanted.name,
            scopes=wanted.scopes,
            lifetime=lifetime_of(wanted.expires_in, server.settings.app_password_ttl),
            notify=server.notify,
        )
    shown = AppPasswordOut.model_validate(record)
    return CreatedAppPassword(**shown.model_dump(), password=password)


@router.get("", operation_id="list_app_passwords", summary="List my app passwords")
async def list_app_passwords(
    user: AccountOwner, reading: Reading, server: CurrentServer
) -> list[AppPasswordOut]:
    """Those that are good, newest first; a user has at most a hundred."""
    now = server.clock.now()
    records = await service.list_app_passwords(reading, user.id, good_at=now)
    return [AppPasswordOut.model_validate(record) for record in records]


@router.delete(
    "/{app_password_id}",
    status_code=204,
    operation_id="revoke_app_password",
    summary="Revoke an app password",
    responses={404: problem("The user has no such app password.")},
)
async def revoke_app_password(actor: ActingOwner, app_password_id: uuid.UUID) -> None:
    """Revoke an app password, and end the logins that began with it."""
    await service.revoke_app_password(actor, actor.user.id, app_password_id)
