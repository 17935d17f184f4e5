"""A passkey as what a user shows after the password."""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import LoginRefused
from app.features.passkeys.ceremony import request_options
from app.features.passkeys.challenges import issue_challenge
from app.features.passkeys.enrolment import FIELD, enrolment_on_the_way
from app.features.passkeys.relying_party import RelyingParty
from app.features.passkeys.service import (
    HAS_PASSKEYS,
    describe_passkeys,
    forget_passkeys,
    use_passkey,
)
from app.login.second_step import Factor, Shown
from app.login.strength import Level
from app.message import Message
from app.settings import Settings


def purpose_for(user_id: uuid.UUID) -> str:
    """Of the challenge of a user whose password was right."""
    return f"second factor {user_id}"


def passkey_factor(party: RelyingParty) -> Factor:
    """The factor, asked for by that server."""

    async def prove(shown: Shown) -> Sequence[str]:
        if shown.browser is None:
            raise LoginRefused("wrong", reason="a passkey without a browser")
        return await use_passkey(
            shown.connection,
            shown.settings,
            party,
            shown.fields.get(FIELD, ""),
            user_id=shown.user_id,
            browser=shown.browser,
            purpose=purpose_for(shown.user_id),
            by_itself=False,
            now=shown.clock.now(),
        )

    async def load(
        connection: AsyncConnection,
        settings: Settings,
        user_id: uuid.UUID,
        browser: str,
        now: datetime,
    ) -> Mapping[str, object]:
        challenge = issue_challenge(settings, browser, purpose_for(user_id), now)
        allowed = await describe_passkeys(connection, user_id)
        options = request_options(party, challenge, verification="preferred", allowed=allowed)
        return {"passkey_options": json.dumps(options)}

    return Factor(
        method=FIELD,
        level=Level.PASSKEY,
        elsewhere=False,
        template="passkeys/second_factor.html",
        has=HAS_PASSKEYS,
        prove=prove,
        reset=forget_passkeys,
        load=load,
        enrolment=enrolment_on_the_way(party),
        wrong=Message("This passkey was not accepted. Try again."),
    )
