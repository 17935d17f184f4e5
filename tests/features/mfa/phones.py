"""A user's phone with an authenticator app, and the paper with recovery codes."""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx2
import pyotp

from app.features.mfa.service import confirm_enrolment, start_enrolment
from app.identity.users import get_account
from app.management.authority import Actor
from app.server import Server
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser

MFA = "urn:latchkey:params:oauth:grant-type:mfa"
STEP = 30


@dataclass
class Phone:
    """What a user has beside the password."""

    secret: str
    clock: TestClock
    recovery_codes: Sequence[str]

    def code(self, *, steps: int = 0) -> str:
        """What the app shows now, or so many steps later."""
        totp = pyotp.TOTP(self.secret)
        return totp.generate_otp(totp.timecode(self.clock.now()) + steps)

    def wrong_code(self) -> str:
        """A code that is right at no time near now."""
        near = {self.code(steps=steps) for steps in range(-3, 4)}
        return next(code for code in ("000000", "111111", "222222") if code not in near)


async def give_phone(server: Server, clock: TestClock, user: TestUser) -> Phone:
    """Set an app up for a user; the code that it shows now is used up by that."""
    async with server.database.transaction() as connection:
        account = await get_account(connection, user.id)
        actor = Actor(
            connection=connection, clock=clock, subject=str(user.id), scopes=account.scopes
        )
        new = await start_enrolment(actor, server.settings)
        secret = new.secret.replace(" ", "")
        phone = Phone(secret, clock, ())
        phone.recovery_codes = await confirm_enrolment(actor, server.settings, phone.code())
    clock.advance(STEP)
    return phone


async def ask(
    http: httpx2.AsyncClient, user: TestUser, client: TestClient, **more: str
) -> httpx2.Response:
    """Name and password at ``/token``."""
    form = {"grant_type": "password", "username": user.username, "password": user.password}
    return await http.post("/token", data=form | more, auth=client.basic)


async def challenge(
    http: httpx2.AsyncClient, user: TestUser, client: TestClient, **more: str
) -> str:
    """The ``mfa_token`` that the right password brings."""
    response = await ask(http, user, client, **more)
    assert response.status_code == 400, response.text
    token: str = response.json()["mfa_token"]
    return token


async def go_on(
    http: httpx2.AsyncClient, client: TestClient, token: str, **more: str
) -> httpx2.Response:
    """What was asked for, at ``/token``."""
    form = {"grant_type": MFA, "mfa_token": token}
    return await http.post("/token", data=form | more, auth=client.basic)
