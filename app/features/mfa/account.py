"""The section of the account page in which people set up their second factor, or remove it."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.feature import AccountAction, AccountSection
from app.features.mfa.qr import draw
from app.features.mfa.service import (
    confirm_enrolment,
    remove_app,
    replace_recovery_codes,
    start_enrolment,
    state_of,
)
from app.management.authority import Actor
from app.message import Message
from app.settings import Settings

STILL_OPEN = Message(
    "API keys, app passwords and Digest credentials are secrets of their own, and go on without a "
    "code. Programs that can only send your password no longer log in with it."
)


async def _load(
    connection: AsyncConnection, settings: Settings, user_id: uuid.UUID, now: datetime
) -> Mapping[str, Any]:
    return {
        "mfa": await state_of(connection, settings, user_id, now),
        "recovery_codes": (),
        "qr_code": "",
        "new_secret": "",
        "still_open": STILL_OPEN,
    }


async def _enrol(actor: Actor, settings: Settings, _form: Mapping[str, str]) -> Mapping[str, Any]:
    new = await start_enrolment(actor, settings)
    drawn = draw(new.uri)
    return {"new_secret": new.secret, "qr_code": drawn}


async def _confirm(actor: Actor, settings: Settings, form: Mapping[str, str]) -> Mapping[str, Any]:
    return {"recovery_codes": await confirm_enrolment(actor, settings, form.get("otp", ""))}


async def _remove(actor: Actor, _settings: Settings, _form: Mapping[str, str]) -> Mapping[str, Any]:
    await remove_app(actor)
    return {}


async def _replace(
    actor: Actor, _settings: Settings, _form: Mapping[str, str]
) -> Mapping[str, Any]:
    return {"recovery_codes": await replace_recovery_codes(actor)}


SECTION = AccountSection(
    template="mfa/account.html",
    load=_load,
    actions={
        "enrol-otp": AccountAction(act=_enrol, takes_password=True),
        "confirm-otp": AccountAction(act=_confirm),
        "remove-otp": AccountAction(
            act=_remove,
            takes_password=True,
            notice=Message("The authenticator app has been removed."),
        ),
        "recovery-codes": AccountAction(act=_replace, takes_password=True),
    },
)
