"""The section of the account page in which people set up their second factor, or remove it."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidError
from app.feature import AccountAction, AccountSection
from app.features.mfa.qr import draw
from app.features.mfa.service import (
    NewSecret,
    confirm_enrolment,
    remove_app,
    replace_recovery_codes,
    show_again,
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
    connection: AsyncConnection, _settings: Settings, user_id: uuid.UUID, _now: datetime
) -> Mapping[str, Any]:
    return {
        "mfa": await state_of(connection, user_id),
        "recovery_codes": (),
        "qr_code": "",
        "new_secret": "",
        "otp_error": "",
        "still_open": STILL_OPEN,
    }


async def _enrol(actor: Actor, settings: Settings, _form: Mapping[str, str]) -> Mapping[str, Any]:
    return _to_scan(await start_enrolment(actor, settings))


def _to_scan(new: NewSecret, error: str = "") -> Mapping[str, Any]:
    return {"new_secret": new.secret, "qr_code": draw(new.uri), "otp_error": error}


async def _confirm(actor: Actor, settings: Settings, form: Mapping[str, str]) -> Mapping[str, Any]:
    new = await show_again(actor, settings)
    try:
        codes = await confirm_enrolment(actor, settings, form.get("otp", ""))
    except InvalidError as refusal:
        return _to_scan(new, refusal.told)  # who has not scanned it yet still can
    return {"recovery_codes": codes}


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
        "confirm-otp": AccountAction(act=_confirm, takes_strong_login=True),
        "remove-otp": AccountAction(
            act=_remove,
            takes_password=True,
            notice=Message("The authenticator app has been removed."),
        ),
        "recovery-codes": AccountAction(act=_replace, takes_password=True),
    },
)
