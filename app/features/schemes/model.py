"""HTTP Digest (RFC 7616): credentials of users who asked for them, and nonces in use."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class DigestCredential(Base):
    """The two HA1 of a Digest password, which is never the login password.

    An HA1 is as good as the password (RFC 7616, section 5.2), so it is encrypted.
    """

    __tablename__ = "digest_credentials"

    user_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    realm: Mapped[str] = mapped_column(String(255))
    """The HA1 hold for this realm alone."""
    ha1_sha256: Mapped[str] = mapped_column(Text)
    ha1_md5: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class DigestNonce(Base):
    """How far a nonce was counted: a count that is not higher is a replay."""

    __tablename__ = "digest_nonces"

    nonce_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)  # eight hexadecimal digits
    expires_at: Mapped[datetime] = mapped_column(index=True)
