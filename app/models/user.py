"""People who log in."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, UserId, by_state, generate_stamp


class User(Base):
    """A user. ``id`` is the ``sub`` of their tokens and never changes or returns."""

    __tablename__ = "users"
    __table_args__ = (
        *by_state("users", "username_key"),
        Index(
            "uq_users_verified_email_key",
            "email_key",
            unique=True,
            sqlite_where=text("email_verified"),
            postgresql_where=text("email_verified"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    username: Mapped[str] = mapped_column(String(255))
    username_key: Mapped[str] = mapped_column(
        String(1024).with_variant(String(1024, "C"), "postgresql"), unique=True
    )
    """The name after NFKC and case folding: names are compared by this, by its code points."""
    email: Mapped[str | None] = mapped_column(String(320))
    email_key: Mapped[str | None] = mapped_column(String(1024))
    """How addresses are compared: :func:`~app.identity.addresses.email_key`."""
    email_verified: Mapped[bool] = mapped_column(default=False)
    name: Mapped[str | None] = mapped_column(String(255))
    given_name: Mapped[str | None] = mapped_column(String(255))
    family_name: Mapped[str | None] = mapped_column(String(255))
    picture: Mapped[str | None] = mapped_column(String(2048))
    locale: Mapped[str | None] = mapped_column(String(35))
    password_hash: Mapped[str | None] = mapped_column(String(255))
    """None: no password logs this user in."""
    password_kind: Mapped[str | None] = mapped_column(String(64), index=True)
    """The scheme and the cost of the hash; None if no password can be verified against it."""
    security_stamp: Mapped[str] = mapped_column(
        String(16), default=generate_stamp, server_default=""
    )
    """Another one whenever what was proven before must not count any more: a new password, or
    being disabled. A login is begun only under the stamp that its password was checked under."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class UserScope(Base):
    """A scope that a user has, as often as there are ways by which they have it."""

    __tablename__ = "user_scopes"

    user_id: Mapped[UserId] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(ForeignKey("scopes.name"), primary_key=True, index=True)
    via: Mapped[str] = mapped_column(String(32), primary_key=True, default="", server_default="")
    """Empty where they were given it themselves; else the feature by which they have it, which
    keeps such rows right. So whoever asks what a user has asks this table alone."""
