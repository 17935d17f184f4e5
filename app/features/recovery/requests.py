"""Asking for a new password: whoever is named, the request writes the same and answers the same.

Whose name it is, if anybody's, is looked up by a worker afterwards. So neither the answer nor the
time that it takes tells who has an account here.
"""

import json
import uuid
from datetime import datetime, timedelta

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import NAME
from app.audit.trail import FeatureEventType, Origin, network_of
from app.features.mail.proofs import Purpose
from app.features.recovery.model import RecoveryRequest
from app.identity.profile import EMAIL_MAX_LENGTH
from app.log import get_logger
from app.login.throttle import add_failure, hold_counts, require_no_wait, time_left
from app.security.encryption import Encryption
from app.security.opaque import hash_secret
from app.settings import Settings

log = get_logger(NAME)

REQUESTED = FeatureEventType("recovery.requested")

PURPOSE = Purpose(
    name="reset-password", lifetime=timedelta(hours=3), most=3, ends_with_password=True
)
"""Longer than a mail server is usually away."""

USEFUL_FOR = timedelta(hours=1)
"""A request that no worker has seen until then is forgotten."""

MOST_WAITING = 10_000


async def request_recovery(
    connection: AsyncConnection, settings: Settings, typed: str, origin: Origin, now: datetime
) -> None:
    """Note that somebody asks for a new password for the account with this name or address.

    Every request counts against the network that it came from, as failed logins do. Raises
    :class:`~app.errors.LoginRefused` past the limit.
    """
    if limit := settings.login_max_failures_per_address:
        key = hash_secret(f"recovery {network_of(origin.address)}")
        counts = await hold_counts(connection, [key], now)
        lockout = timedelta(seconds=settings.login_lockout_seconds)
        require_no_wait(time_left(*counts[key], limit, lockout, now))
        await add_failure(connection, [key], now)
    if len(typed) > EMAIL_MAX_LENGTH:
        typed = ""  # which is nobody's
    waiting = select(RecoveryRequest.id).offset(MOST_WAITING - 1).limit(1)
    if await connection.scalar(waiting):
        log.error("a recovery is not started: too many wait")
        return
    content = {"typed": typed, "address": origin.address, "user_agent": origin.user_agent}
    sealed = Encryption(settings.secret_keys).encrypt(json.dumps(content).encode())
    await connection.execute(
        insert(RecoveryRequest).values(id=uuid.uuid4(), sealed=sealed, requested_at=now)
    )
