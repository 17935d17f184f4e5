"""App passwords: what one application of a user sends in place of the password."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, ClientId, UserId


class AppPassword(Base):
    """An app password, as its hash. It is there for as long as it is good."""

    __tablename__ = "app_passwords"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[UserId] = mapped_column(index=True)
    client_id: Mapped[ClientId] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(String(100))
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    last_used_at: Mapped[datetime | None]
    """When the last login with it began."""


class AppPasswordScope(Base):
    """A scope of an app password. It permits what its user has as well, and nothing more."""

    __tablename__ = "app_password_scopes"

    app_password_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("app_passwords.id", ondelete="CASCADE"), primary_key=True
    )
    scope: Mapped[str] = mapped_column(ForeignKey("scopes.name"), primary_key=True, index=True)


class AppPasswordLogin(Base):
    """A login that began with an app password, and ends with it."""

    __tablename__ = "app_password_logins"

    login_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("logins.id", ondelete="CASCADE"), primary_key=True
    )
    app_password_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("app_passwords.id", ondelete="CASCADE"), index=True
    )
