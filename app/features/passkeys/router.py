"""One's own passkeys. They are made in a browser, at ``/passkeys``."""

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Security
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.api.passwords import PASSWORD_RESPONSES, verify_current_password
from app.errors import LoginRefused
from app.features.passkeys import service
from app.identity.users import is_still_proven
from app.oauth2.acting import UserLater, acting_user_later
from app.oauth2.bearer import BEARER_RESPONSES, CurrentUser, current_user
from app.web.dependencies import CurrentServer, Reading
from app.web.problems import problem, with_body

router = APIRouter(
    prefix="/users/me/passkeys", tags=["account"], responses=with_body(BEARER_RESPONSES)
)

AccountOwner = Annotated[CurrentUser, Security(current_user, scopes=["account"])]
ActingOwnerLater = Annotated[UserLater, Security(acting_user_later, scopes=["account"])]

RESPONSES = {**PASSWORD_RESPONSES, 404: problem("The user has no such passkey.")}


class PasskeyOut(BaseModel):
    """A passkey."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    name: str
    synced: bool = Field(description="Whether its maker may copy it to the user's other devices.")
    created_at: datetime
    last_used_at: datetime | None


class Confirmed(BaseModel):
    """The current password."""

    model_config = ConfigDict(extra="forbid")

    current_password: SecretStr


class Renamed(Confirmed):
    """Another name."""

    name: str = Field(min_length=1, max_length=service.NAME_MAX_LENGTH, examples=["laptop"])


@router.get("", operation_id="list_passkeys", summary="List my passkeys")
async def list_passkeys(user: AccountOwner, reading: Reading) -> list[PasskeyOut]:
    """The user's passkeys, oldest first: at most fifty."""
    records = await service.list_passkeys(reading, user.id)
    return [PasskeyOut.model_validate(record) for record in records]


@router.patch(
    "/{passkey_id}",
    status_code=204,
    operation_id="rename_passkey",
    summary="Rename a passkey",
    responses=RESPONSES,
)
async def rename_passkey(
    user: AccountOwner,
    acting: ActingOwnerLater,
    server: CurrentServer,
    request: Request,
    passkey_id: uuid.UUID,
    wanted: Renamed,
) -> None:
    """Call a passkey something else."""
    proven = await verify_current_password(server, user, wanted.current_password, request)
    async with acting() as actor:
        if not await is_still_proven(actor.connection, proven):
            raise LoginRefused("wrong", reason="given another password in the meantime")
        await service.rename_passkey(actor, passkey_id, wanted.name)


@router.post(
    "/{passkey_id}/remove",
    status_code=204,
    operation_id="remove_passkey",
    summary="Remove a passkey",
    responses=RESPONSES,
)
async def remove_passkey(
    user: AccountOwner,
    acting: ActingOwnerLater,
    server: CurrentServer,
    request: Request,
    passkey_id: uuid.UUID,
    confirmed: Confirmed,
) -> None:
    """Remove a passkey. Nobody can log in with it any more."""
    proven = await verify_current_password(server, user, confirmed.current_password, request)
    async with acting() as actor:
        if not await is_still_proven(actor.connection, proven):
            raise LoginRefused("wrong", reason="given another password in the meantime")
        await service.remove_passkey(actor, passkey_id)
