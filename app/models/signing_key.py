"""Keys that sign tokens."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class SigningKey(Base):
    """A key pair. The public half is published from ``created_at`` until ``retired_at``."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    """The RFC 7638 thumbprint of the public key."""
    alg: Mapped[str] = mapped_column(String(16))
    public_jwk: Mapped[dict[str, Any]] = mapped_column(JSON)
    private_key: Mapped[str] = mapped_column(Text)
    """PKCS #8, encrypted with ``LATCHKEY_SECRET_KEY``."""
    created_at: Mapped[datetime]
    active_from: Mapped[datetime]
    """From here it may sign; of several, the one with the latest ``active_from`` does."""
    retired_at: Mapped[datetime | None]
    hints_until: Mapped[datetime | None]
    """Retired because another one took over, it still proves an ``id_token_hint`` until then."""
