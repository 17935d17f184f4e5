"""A new passkey: what a browser is asked for, and keeping what it sends."""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidError
from app.features.mfa.recovery_codes import HAS_CODES, replace_codes
from app.features.mfa.totp import HAS_TOTP
from app.features.passkeys.ceremony import (
    BadResponseError,
    Credential,
    creation_options,
    read_challenge_of_new,
    verify_new,
)
from app.features.passkeys.challenges import issue_challenge, use_challenge
from app.features.passkeys.relying_party import RelyingParty
from app.features.passkeys.service import (
    HAS_PASSKEYS,
    NAME_MAX_LENGTH,
    add_passkey,
    describe_passkeys,
    methods_of,
)
from app.identity.users import get_account
from app.login.conditions import holds_for
from app.login.second_step import Enrolled, Enrolment, Shown
from app.management.authority import Actor
from app.message import Message
from app.settings import Settings

FIELD = "passkey"
"""Of a form: what the browser sends of a passkey."""

BAD = Message("The device has not made a passkey that can be used here. Try again.")


async def ask_for_new(
    connection: AsyncConnection,
    settings: Settings,
    party: RelyingParty,
    user_id: uuid.UUID,
    browser: str,
    purpose: str,
    now: datetime,
) -> str:
    """What the script of a page asks ``browser`` for, as JSON."""
    account = await get_account(connection, user_id)
    options = creation_options(
        party,
        issue_challenge(settings, browser, purpose, now),
        user_handle=user_id.bytes,
        username=account.username,
        existing=await describe_passkeys(connection, user_id),
    )
    return json.dumps(options)


async def keep_new(
    actor: Actor,
    settings: Settings,
    party: RelyingParty,
    form: Mapping[str, str],
    browser: str,
    purpose: str,
) -> tuple[Credential, Sequence[str]]:
    """Add the passkey of a form to those of the user who acts, who is held.

    Returns recovery codes with the first factor, or if the user has none left, where second factors
    are on: they are shown this once. Raises a :class:`~app.errors.Problem`.
    """
    connection, sent = actor.connection, form.get(FIELD, "")
    try:
        challenge = read_challenge_of_new(sent)
        credential = verify_new(sent, party, challenge)
    except BadResponseError:
        raise InvalidError(told=BAD) from None
    if not await use_challenge(connection, settings, challenge, browser, purpose, actor.now):
        raise InvalidError(told=BAD)
    user_id = uuid.UUID(actor.subject)
    is_first = not await holds_for(connection, HAS_PASSKEYS | HAS_TOTP, user_id)
    await add_passkey(actor, form.get("name", ""), credential)
    # Codes that are left from a factor that is gone may have gone with it.
    if settings.mfa == "off" or (not is_first and await holds_for(connection, HAS_CODES, user_id)):
        return credential, ()
    return credential, await replace_codes(connection, user_id)


def enrolment_on_the_way(party: RelyingParty) -> Enrolment:
    """How whoever has to have a passkey gets one before they are logged in."""

    async def load(
        connection: AsyncConnection,
        settings: Settings,
        user_id: uuid.UUID,
        browser: str,
        now: datetime,
    ) -> Mapping[str, object]:
        asked = await ask_for_new(
            connection, settings, party, user_id, browser, _purpose(user_id), now
        )
        return {"passkey_options": asked, "name_length": NAME_MAX_LENGTH}

    async def confirm(shown: Shown) -> Enrolled:
        account = await get_account(shown.connection, shown.user_id)
        actor = Actor(
            connection=shown.connection,
            clock=shown.clock,
            subject=str(account.id),
            scopes=account.scopes,
            origin=shown.origin,
            notify=shown.notify,
        )
        credential, codes = await keep_new(
            actor,
            shown.settings,
            party,
            shown.fields,
            shown.browser or "",
            _purpose(shown.user_id),
        )
        amr = methods_of(synced=credential.synced, user_verified=credential.user_verified)
        return Enrolled(amr=amr, recovery_codes=codes)

    return Enrolment(template="passkeys/enrol.html", load=load, confirm=confirm)


def _purpose(user_id: uuid.UUID) -> str:
    return f"enrolment {user_id}"
