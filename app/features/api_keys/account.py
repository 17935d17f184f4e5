"""The section of the account page in which people make, name and revoke their own keys."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidError
from app.feature import AccountAction, AccountSection
from app.features.api_keys.service import (
    NAME_MAX_LENGTH,
    create_api_key,
    list_api_keys,
    revoke_api_key,
)
from app.identity.scopes import list_scopes
from app.identity.users import get_account
from app.management.authority import Actor
from app.management.lifetimes import USUAL_DAYS, lifetime_in_days, most_days
from app.message import Message
from app.settings import Settings

SHOWN = 100
"""Good keys on the page; a program that makes more has the API to look at them."""

NOT_FOR_KEYS = ("openid", "offline_access")
"""What means something in a login alone."""

_FIELD_OF_SCOPE = "scope "


async def _load(
    connection: AsyncConnection, settings: Settings, user_id: uuid.UUID, now: datetime
) -> Mapping[str, Any]:
    scopes = (await get_account(connection, user_id)).scopes.difference(NOT_FOR_KEYS)
    described = await list_scopes(connection)
    keys = await list_api_keys(connection, user_id, limit=SHOWN, good_at=now)
    return {
        "api_keys": keys,
        "key_id": uuid.uuid4(),
        "key_name_length": NAME_MAX_LENGTH,
        "key_scopes": [(scope, described[scope]) for scope in sorted(scopes)],
        "most_days": most_days(settings.api_key_ttl),
        "usual_days": min(USUAL_DAYS, most_days(settings.api_key_ttl)),
        "new_key": None,
    }


async def _create(actor: Actor, settings: Settings, form: Mapping[str, str]) -> Mapping[str, Any]:
    owner = await get_account(actor.connection, uuid.UUID(actor.subject))
    fields = [name for name in form if name.startswith(_FIELD_OF_SCOPE)]
    _, key = await create_api_key(
        actor,
        owner=owner,
        permitted=owner.scopes,
        name=form.get("name", ""),
        scopes=[name.removeprefix(_FIELD_OF_SCOPE) for name in fields],
        lifetime=lifetime_in_days(form.get("days", ""), settings.api_key_ttl),
        key_id=_uuid(form.get("key", "")),
    )
    return {"new_key": key}


async def _revoke(actor: Actor, _settings: Settings, form: Mapping[str, str]) -> Mapping[str, Any]:
    await revoke_api_key(actor, uuid.UUID(actor.subject), _uuid(form.get("key", "")))
    return {}


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise InvalidError(told=Message("there is no such API key")) from None


SECTION = AccountSection(
    template="api_keys/account.html",
    load=_load,
    actions={
        "api-key": AccountAction(act=_create, takes_password=True),
        "revoke-api-key": AccountAction(
            act=_revoke, notice=Message("The API key has been revoked.")
        ),
    },
)
