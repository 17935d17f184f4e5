"""Asking for a mail without a login: whoever is named, the request writes the same and answers the
same.

Whose name it is, if anybody's, is looked up by a worker afterwards: see
:mod:`app.features.mail.answering`. So neither the answer nor the time that it takes tells who has
an account here.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import NAME
from app.audit.trail import Origin, network_of
from app.features.mail.model import MailRequest
from app.identity.profile import EMAIL_MAX_LENGTH
from app.languages.reader import reader
from app.log import get_logger
from app.login.counts import take_turn
from app.security.encryption import Encryption
from app.settings import Settings

log = get_logger(NAME)

USEFUL_FOR = timedelta(hours=1)
"""A request that no worker has seen until then is forgotten."""

WINDOW = timedelta(hours=1)
"""In which a network may ask for as many mails as it may fail logins in a row."""

MOST_WAITING = 10_000


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What somebody asked for, and from where."""

    typed: str = field(repr=False)
    """A name or an address, or what was typed for one."""
    origin: Origin
    language: str = field(default_factory=lambda: reader().language)
    """That of the page on which they ask."""
    more: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What else the answer needs."""

    def sealed(self, encryption: Encryption) -> str:
        """Encrypted: what was typed may be a password."""
        return encryption.encrypt(json.dumps(asdict(self)).encode())

    @classmethod
    def unsealed(cls, sealed: str, encryption: Encryption) -> "Asked":
        """What :meth:`sealed` made. Raises :class:`~app.security.encryption.UndecryptableError`."""
        content = json.loads(encryption.decrypt(sealed))
        return cls(**{**content, "origin": Origin(**content["origin"])})


async def note_request(
    connection: AsyncConnection, settings: Settings, purpose: str, asked: Asked, now: datetime
) -> None:
    """Note that somebody asks for the mail of that purpose.

    Every request counts against the network that it came from. Raises
    :class:`~app.errors.LoginRefused` past the limit.
    """
    what, limit = (
        f"{purpose} {network_of(asked.origin.address)}",
        settings.login_max_failures_per_address,
    )
    await take_turn(connection, what, limit, WINDOW, now)
    if len(asked.typed) > EMAIL_MAX_LENGTH:
        asked = replace(asked, typed="")  # which is nobody's
    waiting = select(MailRequest.id).offset(MOST_WAITING - 1).limit(1)
    if await connection.scalar(waiting):
        log.error("a request for a mail is not taken: too many wait", purpose=purpose)
        return
    await connection.execute(
        insert(MailRequest).values(
            id=uuid.uuid4(),
            purpose=purpose,
            sealed=asked.sealed(Encryption(settings.secret_keys)),
            requested_at=now,
        )
    )
