"""A login that waits in a browser for a second factor, and what comes after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.features.authorization_code.authorizations import Pending
from app.features.authorization_code.browser import Browser, Wanted
from app.features.authorization_code.code_flow import load_pending
from app.features.authorization_code.login import ASKING
from app.features.mfa import challenges, totp
from app.features.mfa.challenges import Challenge
from app.features.mfa.policy import enrolment_for, starter, usable_factors
from app.identity.clients import RegisteredClient
from app.identity.users import Account, get_account
from app.login.second_step import Enrolment, Factor
from app.login.strength import Level
from app.message import Message
from app.pages.errors import PageError
from app.pages.rendering import redirect
from app.server import Server


@dataclass(frozen=True)
class Waiting:
    """A login that waits in this browser."""

    challenge: Challenge
    account: Account
    factors: Sequence[Factor]
    """With which it goes on; none if something has to be set up."""
    secret: str | None = field(repr=False)
    """Of the app that is set up then."""
    enrolment: Enrolment | None
    """How another factor is set up in its place."""
    loaded: Mapping[str, Any]

    @property
    def lacks_passkey(self) -> bool:
        """Whether they have shown what they have, and it takes what nobody can get here."""
        return not self.factors and self.secret is None and self.enrolment is None


@dataclass(frozen=True)
class Onward:
    """What comes after the login."""

    pending: Pending | None
    client: RegisteredClient | None
    next_page: str

    @property
    def parameters(self) -> dict[str, str]:
        """The same for the address of a page."""
        key = {"request": str(self.pending.key)} if self.pending else {}
        return key | ({"next": self.next_page} if self.next_page in ASKING else {})


async def find_waiting(browser: Browser) -> Waiting | None:
    """The login that waits in this browser, unless its user has changed since."""
    server = browser.server
    async with server.database.read() as connection:
        now = server.clock.now()
        challenge = await challenges.find(connection, challenges.of_browser(browser.key), now)
        if challenge is None:
            return None
        account = await get_account(connection, challenge.user_id)
        if not account.enabled or account.security_stamp != challenge.security_stamp:
            return None
        proving = browser.proving(
            account.id, account.security_stamp, challenge.amr, wanted_by(challenge)
        )
        factors = await usable_factors(connection, server.second_factors.factors, proving)
        loaded: dict[str, Any] = {}
        for factor in factors:
            if factor.load:
                loaded |= await factor.load(
                    connection, server.settings, account.id, browser.key, now
                )
        secret, enrolment = None, None
        if not factors:
            enrolment = enrolment_for(server.second_factors.factors, Level(challenge.level))
            if enrolment is not None:
                loaded |= await enrolment.load(
                    connection, server.settings, account.id, browser.key, now
                )
            else:
                secret = await totp.waiting_secret(
                    connection, server.settings, account.id, starter(browser.key), now
                )
        to_set_up = secret is not None or enrolment is not None
        if (
            not factors
            and not to_set_up
            and not await server.second_factors.has_factor(connection, account.id)
        ):
            return None
    return Waiting(challenge, account, factors, secret, enrolment, loaded)


async def read_onward(server: Server, key: str, next_page: str) -> Onward:
    """What a page was asked to lead on to. Raises :class:`PageError` for a request that is over."""
    if not key:
        return Onward(None, None, next_page)
    pending, client = await load_pending(server, key, or_answered=True)
    return Onward(pending, client, next_page)


def wanted_by(challenge: Challenge) -> Wanted:
    """What the login was asked for before it had to wait."""
    return Wanted(
        client_id=challenge.client_id,
        scopes=challenge.scope.split(),
        resources=challenge.resources,
        level=Level(challenge.level),
    )


def purpose_of(challenge: Challenge) -> str:
    """What a form is for that answers this challenge."""
    return f"second factor {challenge.id}"


def over(onward: Onward) -> PageError:
    """What says that nothing waits any more, and where to begin again."""
    return PageError(
        Message("This login has expired"),
        Message("Log in again. After five wrong codes, or five minutes, it begins anew."),
        onward=(Message("Log in"), redirect("login", onward.parameters).headers["location"]),
    )
