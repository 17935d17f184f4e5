"""What users have beside their password, who must have it, and logins that wait for it."""

import uuid
from datetime import datetime

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class TotpSecret(Base):
    """What an authenticator app and this server compute codes from (RFC 6238)."""

    __tablename__ = "totp_secrets"

    user_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    secret: Mapped[str] = mapped_column(Text)
    """Encrypted under ``LATCHKEY_SECRET_KEY``."""
    started_by: Mapped[str | None] = mapped_column(String(64))
    """A hash of the login or the browser that was shown it, until it is confirmed there."""
    created_at: Mapped[datetime] = mapped_column(index=True)
    confirmed_at: Mapped[datetime | None]
    """When a code showed that the app has it; before that it counts for nothing."""
    last_step: Mapped[int | None] = mapped_column(BigInteger)
    """The time step of the last code that was used: it and those before are used up."""


class RecoveryCode(Base):
    """A code for whoever has lost their authenticator, as a hash; deleted when it is used."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)


class MfaChallenge(Base):
    """A login whose password was right, and which waits for more."""

    __tablename__ = "mfa_challenges"
    __table_args__ = (Index(None, "user_id"),)

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Of the ``mfa_token``, or of what a browser is recognised by."""
    id: Mapped[uuid.UUID]
    """What a form is bound to: a browser has one challenge at a time, and each another id."""
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    security_stamp: Mapped[str] = mapped_column(String(16))
    client_id: Mapped[str | None] = mapped_column(
        ForeignKey("clients.client_id", ondelete="CASCADE"), index=True
    )
    scope: Mapped[str] = mapped_column(Text)
    requested_scope: Mapped[str] = mapped_column(Text)
    resources: Mapped[list[str]] = mapped_column(JSON)
    network: Mapped[str] = mapped_column(String(64))
    """From which the password came."""
    amr: Mapped[list[str]] = mapped_column(JSON)
    """What was shown so far; of one that is used up, in all."""
    level: Mapped[int]
    """The least :class:`~app.login.strength.Level` that was asked for."""
    tries: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    shown_hash: Mapped[str | None] = mapped_column(String(64))
    """What used it up, for the browser that shows it twice because somebody pressed twice."""
    session_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("browser_sessions.id", ondelete="SET NULL"), index=True
    )
    """What it began in a browser: a second press takes the place of that, as long as it goes on."""


class AppendingClient(Base):
    """A client whose users type the code of their app behind the password."""

    __tablename__ = "mfa_appending_clients"

    client_id: Mapped[str] = mapped_column(
        ForeignKey("clients.client_id", ondelete="CASCADE"), primary_key=True
    )


class MfaRequirement(Base):
    """Who has to show more than a password, or for what: one of the three columns says."""

    __tablename__ = "mfa_requirements"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), unique=True
    )
    client_id: Mapped[str | None] = mapped_column(
        ForeignKey("clients.client_id", ondelete="CASCADE"), unique=True
    )
    scope: Mapped[str | None] = mapped_column(
        ForeignKey("scopes.name", ondelete="CASCADE"), unique=True
    )
    level: Mapped[int]
