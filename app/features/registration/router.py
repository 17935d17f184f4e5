"""``/invitations`` for those who manage users, and registering by JSON."""

import uuid
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response, Security
from pydantic import BaseModel, Field

from app.api.paging import AUTHORITY_RESPONSES, Limit, NextCursor
from app.features.registration import service, visitors
from app.features.registration.new_account import NewAccount
from app.features.registration.service import InvitationRecord
from app.identity.definition import STRICT
from app.identity.profile import Email
from app.management.authority import Actor
from app.oauth2.acting import acting_manager
from app.oauth2.bearer import BEARER_RESPONSES
from app.oauth2.principal import Principal, current_principal
from app.web.cursors import ROW_CURSOR, page, row_place_at, row_place_of
from app.web.dependencies import CurrentServer, Reading
from app.web.origin import origin_of
from app.web.problems import PROBLEM_RESPONSES, TOO_MANY_ATTEMPTS, problem, with_body

managing = APIRouter(
    prefix="/invitations", tags=["registration"], responses=with_body(BEARER_RESPONSES)
)

registering = APIRouter(
    tags=["registration"], responses=with_body({**PROBLEM_RESPONSES, **TOO_MANY_ATTEMPTS})
)
"""Where anybody may register."""

joining = APIRouter(
    tags=["registration"], responses=with_body({**PROBLEM_RESPONSES, **TOO_MANY_ATTEMPTS})
)
"""For whoever has a link."""

Reader = Annotated[Principal, Security(current_principal, scopes=["users:read"])]
Writer = Annotated[Actor, Security(acting_manager, scopes=["users:write"])]

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem("There is no such invitation.")}


class NewInvitation(BaseModel):
    """Somebody to invite."""

    model_config = STRICT

    email: Email | None = Field(
        default=None,
        description="Where the link is sent, and told to nobody else. Without it, the answer has "
        "the link.",
        examples=["ada@example.com"],
    )
    scopes: Annotated[list[str], Field(max_length=100)] | None = Field(
        default=None,
        description="What the new user gets, of what the caller has. If left out: those of a "
        "registration.",
        examples=[["profile", "email"]],
    )
    expires_in: int = Field(
        default=service.A_WEEK, ge=60, le=service.LONGEST, description="Seconds."
    )


class CreatedInvitation(InvitationRecord):
    """With the link, this once, if it was not sent to an address."""

    url: str | None


@managing.post(
    "",
    status_code=201,
    operation_id="create_invitation",
    summary="Invite somebody",
    responses={**AUTHORITY_RESPONSES, 409: problem("Too many mails went to this address.")},
)
async def create_invitation(
    actor: Writer, server: CurrentServer, wanted: NewInvitation, response: Response
) -> CreatedInvitation:
    """Invite somebody, who chooses their own name and password."""
    record, url = await service.create_invitation(
        actor,
        server.settings,
        email=wanted.email,
        scopes=wanted.scopes,
        lifetime=timedelta(seconds=wanted.expires_in),
    )
    response.headers["Location"] = f"{server.settings.issuer}/invitations/{record.id}"
    return CreatedInvitation(**record.model_dump(), url=url)


class InvitationPage(BaseModel):
    """Some of the invitations, and where the older ones begin."""

    invitations: list[InvitationRecord]
    next_cursor: NextCursor


@managing.get("", operation_id="list_invitations", summary="List invitations")
async def list_invitations(
    principal: Reader,
    server: CurrentServer,
    reading: Reading,
    limit: Limit = 50,
    cursor: Annotated[
        str | None, Query(pattern=ROW_CURSOR, description="`next_cursor` of a page.")
    ] = None,
) -> InvitationPage:
    """Invitations, newest first."""
    records = await service.list_invitations(
        reading,
        server.clock.now(),
        limit=limit + 1,
        before=None if cursor is None else row_place_at(cursor),
    )
    shown, next_cursor = page(records, limit, lambda each: row_place_of(each.created_at, each.id))
    return InvitationPage(invitations=list(shown), next_cursor=next_cursor)


@managing.get(
    "/{invitation_id}",
    operation_id="get_invitation",
    summary="Get an invitation",
    responses=NOT_FOUND,
)
async def get_invitation(
    principal: Reader, server: CurrentServer, reading: Reading, invitation_id: uuid.UUID
) -> InvitationRecord:
    """One invitation."""
    return await service.get_invitation(reading, invitation_id, server.clock.now())


@managing.delete(
    "/{invitation_id}",
    status_code=204,
    operation_id="revoke_invitation",
    summary="Revoke an invitation",
    responses={
        **NOT_FOUND,
        **AUTHORITY_RESPONSES,
        409: problem("The invitation was accepted."),
    },
)
async def revoke_invitation(actor: Writer, invitation_id: uuid.UUID) -> None:
    """End an invitation that nobody has accepted."""
    await service.revoke_invitation(actor, invitation_id)


class Registration(BaseModel):
    """An address to register with."""

    model_config = STRICT

    email: Email = Field(examples=["ada@example.com"])
    human: str = Field(default="", max_length=8192, description="For a captcha, if there is one.")


class Accepted(BaseModel):
    """What was asked for is under way."""


class Account(BaseModel):
    """The new account."""

    id: uuid.UUID
    username: str


@registering.post(
    "/registrations",
    status_code=202,
    operation_id="register",
    summary="Ask for a link to create an account with",
)
async def register(request: Request, server: CurrentServer, wanted: Registration) -> Accepted:
    """Send a link to the address. The answer is the same whether or not it has an account."""
    await visitors.request_link(server, wanted.email, wanted.human, origin_of(request), {})
    return Accepted()


@joining.post(
    "/invitations/accept",
    status_code=201,
    operation_id="accept_invitation",
    summary="Create an account with a link",
    responses={
        404: problem("The link is not valid."),
        409: problem("The user name is not available, or the address has an account."),
    },
)
async def accept_invitation(request: Request, server: CurrentServer, wanted: NewAccount) -> Account:
    """Create the account. The link is used up; the address that it was sent to is verified."""
    account, _ = await visitors.join(server, wanted, origin_of(request))
    return Account(id=account.id, username=account.username)
