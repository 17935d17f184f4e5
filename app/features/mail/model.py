"""The tables of e-mail."""

import uuid
from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, UserId


class Mail(Base):
    """A mail that waits to be sent; in development without a mail server, also one that is shown.

    One that was sent or given up is deleted: the audit trail says what became of it.
    """

    __tablename__ = "mails"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    user_id: Mapped[uuid.UUID | None]
    """Whom it concerns. No reference: what a mail tells may be that they were deleted."""
    sealed: Mapped[str] = mapped_column(Text)
    """To whom and what, encrypted: it may hold a link that is as good as a password."""
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    """When it is to be tried. Whoever tries it moves this behind their lease; None if it is only
    shown."""
    expires_at: Mapped[datetime] = mapped_column(index=True)
    """After which it is of no use to anybody."""
    attempts: Mapped[int] = mapped_column(default=0)


class MailRequest(Base):
    """Somebody without a login asked for a mail, and no worker has looked yet who would get one."""

    __tablename__ = "mail_requests"
    __table_args__ = (Index("ix_mail_requests_purpose_requested_at", "purpose", "requested_at"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(String(16))
    sealed: Mapped[str] = mapped_column(Text)
    """What was typed, and from where, encrypted: it may be a password."""
    requested_at: Mapped[datetime] = mapped_column(index=True)


class MailProof(Base):
    """A link in a mail, and a code beside it: who has them reads the mail of that address."""

    __tablename__ = "mail_proofs"
    __table_args__ = (
        Index("ix_mail_proofs_user_id_purpose_created_at", "user_id", "purpose", "created_at"),
        Index(
            "ix_mail_proofs_email_hash_purpose_created_at", "email_hash", "purpose", "created_at"
        ),
    )

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[UserId]
    purpose: Mapped[str] = mapped_column(String(16))
    email_hash: Mapped[str] = mapped_column(String(64))
    """Of the address that it was sent to. Another one by now makes it worthless."""
    security_stamp: Mapped[str | None] = mapped_column(String(16))
    """That of the user, where another password makes it worthless too."""
    code_mac: Mapped[str | None] = mapped_column(String(64))
    tries_left: Mapped[int]
    """How often a code may still be typed."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    """When it was used, or a newer one made."""


class KnownDevice(Base):
    """A browser, or a client in a network, with which a user has logged in."""

    __tablename__ = "known_devices"
    __table_args__ = (Index("ix_known_devices_user_id_first_seen_at", "user_id", "first_seen_at"),)

    device_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Of the user and the device together."""
    user_id: Mapped[UserId]
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime] = mapped_column(index=True)


class SilencedNotice(Base):
    """A user who does not want to hear of logins with new devices."""

    __tablename__ = "silenced_notices"

    user_id: Mapped[UserId] = mapped_column(primary_key=True)
