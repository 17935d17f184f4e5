"""Challenges: what an authenticator signs, so that an answer is good once.

WebAuthn level 2, section 13.4.3.

A challenge is random, and bears its end and a proof that it was issued here, to this browser, for
this purpose. So nothing is stored for the many that nobody answers: login pages make one each. One
that is answered is remembered until it would have expired.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import insert_unless
from app.features.passkeys.model import UsedChallenge
from app.security.form_tokens import FormTokens
from app.security.opaque import generate_secret, hash_secret
from app.settings import Settings

LIFETIME = timedelta(minutes=5)

LOGIN = "login"
"""The purpose of a challenge for a login with nothing typed."""


def issue_challenge(settings: Settings, browser: str, purpose: str, now: datetime) -> str:
    """A challenge for the browser with that cookie; ASCII without anything to escape."""
    nonce, until = generate_secret(), int((now + LIFETIME).timestamp())
    return f"{nonce}.{until}.{_proof(settings, browser, purpose, nonce, until)}"


def _proof(settings: Settings, browser: str, purpose: str, nonce: str, until: int) -> str:
    return FormTokens(settings.secret_keys).issue(browser, _bound(purpose, nonce, until))


def _bound(purpose: str, nonce: str, until: int) -> str:
    return f"passkey {purpose} {nonce} {until}"


async def use_challenge(
    connection: AsyncConnection,
    settings: Settings,
    challenge: str,
    browser: str,
    purpose: str,
    now: datetime,
) -> bool:
    """Use a challenge up, in the transaction of what it is answered for.

    False if it was not issued to this browser for this purpose, or is over, or was used before.
    """
    nonce, _, rest = challenge.partition(".")
    until, _, proof = rest.partition(".")
    if not until.isdecimal() or not until.isascii() or len(until) > 11:
        return False
    tokens = FormTokens(settings.secret_keys)
    if not tokens.check(proof, browser, _bound(purpose, nonce, int(until))):
        return False
    expires_at = datetime.fromtimestamp(int(until), UTC)
    if expires_at <= now:
        return False
    used = insert_unless(connection, UsedChallenge).values(
        challenge_hash=hash_secret(challenge), expires_at=expires_at
    )
    first = used.on_conflict_do_nothing().returning(UsedChallenge.challenge_hash)
    return (await connection.execute(first)).one_or_none() is not None
