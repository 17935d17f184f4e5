"""A passkey as all that a user shows: nothing is typed, not even a name."""

from collections.abc import Sequence

from app.errors import LoginRefused
from app.features.passkeys.challenges import LOGIN
from app.features.passkeys.enrolment import FIELD
from app.features.passkeys.relying_party import RelyingParty
from app.features.passkeys.service import find_owner, use_passkey
from app.login.second_step import Shown
from app.login.ways import LoginWay
from app.message import Message


def passkey_login(party: RelyingParty) -> LoginWay:
    """The way to log in, at that server."""

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
            purpose=LOGIN,
            by_itself=True,
            now=shown.clock.now(),
        )

    return LoginWay(
        field=FIELD,
        template="passkeys/login.html",
        find=find_owner,
        prove=prove,
        wrong=Message("This passkey was not accepted. Try again, or log in with your password."),
    )
