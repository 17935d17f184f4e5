"""The section of the account page for an address that is not verified yet."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidError
from app.feature import AccountAction, AccountSection
from app.features.mail.proofs import use_code
from app.features.verification.service import PURPOSE, send_verification, verify_email
from app.identity.users import get_person
from app.management.authority import Actor
from app.message import Message
from app.settings import Settings

WRONG_CODE = Message(
    "This code is wrong or no longer valid. After five wrong ones, have another mail sent."
)


async def _load(
    connection: AsyncConnection, _settings: Settings, user_id: uuid.UUID, _now: datetime
) -> Mapping[str, Any]:
    profile = (await get_person(connection, user_id)).profile
    return {
        "unverified_email": None if profile.email_verified else profile.email,
        "code_error": "",
    }


async def _send(actor: Actor, settings: Settings, _form: Mapping[str, str]) -> Mapping[str, Any]:
    user_id = uuid.UUID(actor.subject)
    if not await send_verification(actor.connection, settings, user_id, actor.origin, actor.now):
        raise InvalidError(
            told=Message("no mail was sent: there were several already, so wait an hour")
        )
    return {}


async def _type_code(
    actor: Actor, settings: Settings, form: Mapping[str, str]
) -> Mapping[str, Any]:
    user_id, code = uuid.UUID(actor.subject), form.get("code", "")
    proof = await use_code(actor.connection, settings, PURPOSE, user_id, code, actor.now)
    if proof is None:
        return {"code_error": WRONG_CODE}  # an error would take the lost try back
    await verify_email(actor.connection, proof, actor.origin, actor.now, by="code")
    return {}


SECTION = AccountSection(
    template="verification/account.html",
    load=_load,
    actions={
        "send-verification": AccountAction(
            act=_send, notice=Message("A mail is on its way to you.")
        ),
        "verify-email": AccountAction(
            act=_type_code, notice=Message("Your e-mail address has been confirmed.")
        ),
    },
)
