"""Passkeys: public keys of users' authenticators (WebAuthn level 2)."""

import uuid
from datetime import datetime

from sqlalchemy import JSON, BigInteger, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, UserId


class Passkey(Base):
    """A credential of a user. What signs with it has never left the authenticator, or its maker."""

    __tablename__ = "passkeys"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[UserId] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(String(100))
    credential_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """Of the id, which is too long for an index."""
    credential_id: Mapped[str] = mapped_column(Text)
    """As the authenticator calls it, in base64url. Browsers are told it, and no stranger is."""
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    """In COSE (RFC 9052, section 7), as the authenticator wrote it."""
    sign_count: Mapped[int] = mapped_column(BigInteger)
    """The counter of the last use; 0 for an authenticator that does not count."""
    synced: Mapped[bool]
    """Whether its maker may copy it to other devices of the user (WebAuthn level 3, flag BE)."""
    transports: Mapped[list[str]] = mapped_column(JSON)
    """How browsers reach the authenticator, in the words of the specification."""
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class UsedChallenge(Base):
    """A challenge that was answered, until it would have expired: none is answered twice."""

    __tablename__ = "used_passkey_challenges"

    challenge_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
