"""The section of the account page in which those who manage users invite others."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import ForbiddenError, InvalidError
from app.feature import AccountAction, AccountSection
from app.features.registration.links import NEEDED
from app.features.registration.service import (
    InvitationRecord,
    create_invitation,
    list_invitations,
    revoke_invitation,
)
from app.identity.users import find_enabled_scopes
from app.management.authority import Actor
from app.message import Message
from app.settings import Settings

SHOWN = 20
"""The newest open invitations on the page; the API has them all."""


async def _load(
    connection: AsyncConnection, _settings: Settings, user_id: uuid.UUID, now: datetime
) -> Mapping[str, Any]:
    may_invite = NEEDED in await find_enabled_scopes(connection, user_id)
    invitations: Sequence[InvitationRecord] = []
    if may_invite:
        invitations = await list_invitations(connection, now, limit=SHOWN, only_open=True)
    return {
        "may_invite": may_invite,
        "invitations": invitations,
        "invitation_url": None,
    }


async def _invite(actor: Actor, settings: Settings, form: Mapping[str, str]) -> Mapping[str, Any]:
    _require_manager(actor)
    _, url = await create_invitation(actor, settings, email=form.get("email", "").strip() or None)
    return {"invitation_url": url} if url else {}


async def _revoke(actor: Actor, _settings: Settings, form: Mapping[str, str]) -> Mapping[str, Any]:
    _require_manager(actor)
    try:
        invitation_id = uuid.UUID(form.get("invitation", ""))
    except ValueError:
        raise InvalidError(told=Message("there is no such invitation")) from None
    await revoke_invitation(actor, invitation_id)
    return {}


def _require_manager(actor: Actor) -> None:
    if actor.scopes is not None and NEEDED not in actor.scopes:
        raise ForbiddenError(told=Message("You cannot invite anybody."))


SECTION = AccountSection(
    template="registration/account.html",
    load=_load,
    actions={
        "invite": AccountAction(act=_invite, notice=Message("The invitation is on its way.")),
        "revoke-invitation": AccountAction(
            act=_revoke, notice=Message("The invitation has been revoked.")
        ),
    },
)
