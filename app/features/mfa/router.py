"""One's own second factor, and its reset by whoever manages users."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request, Security
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.api.paging import AUTHORITY_RESPONSES
from app.api.passwords import PASSWORD_RESPONSES, require_strong_login, verify_current_password
from app.errors import LoginRefused
from app.features.mfa import service
from app.identity.users import Account, is_still_proven
from app.login.second_step import find_factors
from app.management.authority import Actor
from app.oauth2.acting import (
    ActingUser,
    UserLater,
    acting_manager,
    acting_user,
    acting_user_later,
)
from app.oauth2.bearer import BEARER_RESPONSES, CurrentUser, current_user
from app.web.dependencies import CurrentServer, Reading
from app.web.problems import problem, with_body

own = APIRouter(prefix="/users/me/mfa", tags=["account"], responses=with_body(BEARER_RESPONSES))
managing = APIRouter(prefix="/users", tags=["users"], responses=with_body(BEARER_RESPONSES))

AccountOwner = Annotated[CurrentUser, Security(current_user, scopes=["account"])]
ActingOwner = Annotated[ActingUser, Security(acting_user, scopes=["account"])]
ActingOwnerLater = Annotated[UserLater, Security(acting_user_later, scopes=["account"])]
Writer = Annotated[Actor, Security(acting_manager, scopes=["users:write"])]

NO_APP: dict[int | str, dict[str, Any]] = {404: problem("The user has no authenticator app.")}


class Mfa(BaseModel):
    """What a user has beside the password."""

    methods: list[str] = Field(description="What a login can go on with.", examples=[["otp"]])
    otp_since: datetime | None = Field(description="When the authenticator app was set up.")
    recovery_codes_left: int


class CurrentPassword(BaseModel):
    """The current password, once more."""

    model_config = ConfigDict(extra="forbid")

    current_password: SecretStr


class FirstCode(BaseModel):
    """What the app shows."""

    model_config = ConfigDict(extra="forbid")

    otp: str = Field(max_length=12, examples=["123456"])


class NewSecret(BaseModel):
    """A secret for an authenticator app, this once."""

    secret: str = Field(description="To be typed into the app.")
    uri: str = Field(description="The same as `otpauth:` URI, for a QR code.")


class RecoveryCodes(BaseModel):
    """Ten codes, this once; each is good once."""

    recovery_codes: list[str]


@own.get("", operation_id="get_mfa", summary="Get my second factor")
async def get_mfa(user: AccountOwner, reading: Reading, server: CurrentServer) -> Mfa:
    """What there is beside the password. Without any method, the password is enough."""
    state = await service.state_of(reading, user.id)
    has = await find_factors(reading, server.second_factors.factors, user.id)
    methods = [] if all(factor.fallback for factor in has) else [each.method for each in has]
    return Mfa(
        methods=methods,
        otp_since=state.otp_since,
        recovery_codes_left=state.recovery_codes_left,
    )


@own.post(
    "/otp",
    status_code=201,
    operation_id="start_otp",
    summary="Set up an authenticator app",
    responses={**PASSWORD_RESPONSES, 409: problem("The user has an app already.")},
)
async def start_otp(
    user: AccountOwner,
    acting: ActingOwnerLater,
    server: CurrentServer,
    request: Request,
    proof: CurrentPassword,
) -> NewSecret:
    """Make a secret. It counts once a code of it is confirmed, within fifteen minutes."""
    account = await verify_current_password(server, user, proof.current_password, request)
    async with acting() as actor:
        await _require_proven(actor, account)
        new = await service.start_enrolment(actor, server.settings)
    return NewSecret(secret=new.secret, uri=new.uri)


@own.post("/otp/confirm", operation_id="confirm_otp", summary="Confirm an authenticator app")
async def confirm_otp(actor: ActingOwner, server: CurrentServer, shown: FirstCode) -> RecoveryCodes:
    """Let the app count from now on, and get recovery codes."""
    await require_strong_login(server, actor)
    codes = await service.confirm_enrolment(actor, server.settings, shown.otp)
    return _shown_once(codes)


@own.post(
    "/otp/remove",
    status_code=204,
    operation_id="remove_otp",
    summary="Remove my authenticator app",
    responses={**PASSWORD_RESPONSES, **NO_APP},
)
async def remove_otp(
    user: AccountOwner,
    acting: ActingOwnerLater,
    server: CurrentServer,
    request: Request,
    proof: CurrentPassword,
) -> None:
    """Remove the app. It takes the password, and a login with the second factor."""
    account = await verify_current_password(server, user, proof.current_password, request)
    async with acting() as actor:
        await _require_proven(actor, account)
        await service.remove_app(actor)


@own.post(
    "/recovery-codes",
    operation_id="replace_recovery_codes",
    summary="Replace my recovery codes",
    responses=PASSWORD_RESPONSES,
)
async def replace_recovery_codes(
    user: AccountOwner,
    acting: ActingOwnerLater,
    server: CurrentServer,
    request: Request,
    proof: CurrentPassword,
) -> RecoveryCodes:
    """Get new codes, which end the old ones. As to remove the app."""
    account = await verify_current_password(server, user, proof.current_password, request)
    async with acting() as actor:
        await _require_proven(actor, account)
        codes = await service.replace_recovery_codes(actor)
    return _shown_once(codes)


class Reset(BaseModel):
    """What was taken from a user."""

    id: uuid.UUID
    username: str
    removed: list[str] = Field(examples=[["otp", "recovery_code"]])


@managing.post(
    "/{user_id}/mfa/reset",
    operation_id="reset_mfa",
    summary="Reset a user's second factor",
    responses={**AUTHORITY_RESPONSES, 404: problem("There is no such user.")},
)
async def reset_mfa(actor: Writer, server: CurrentServer, user_id: uuid.UUID) -> Reset:
    """Remove a lost second factor and its recovery codes; every session and login ends.

    The user is told by mail.
    """
    return Reset.model_validate(
        await service.reset_factors(actor, user_id, server.second_factors.factors)
    )


async def _require_proven(actor: ActingUser, account: Account) -> None:
    if not await is_still_proven(actor.connection, account):
        raise LoginRefused("wrong", reason="given another password in the meantime")


def _shown_once(codes: Sequence[str]) -> RecoveryCodes:
    return RecoveryCodes(recovery_codes=list(codes))
