"""The table of accounts whose users want them deleted."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, UserId


class AccountDeletion(Base):
    """A user who has closed the account, and can still come back."""

    __tablename__ = "account_deletions"

    user_id: Mapped[UserId] = mapped_column(primary_key=True)
    disabled_at: Mapped[datetime]
    """That of the user by it. With another one, or none, somebody has enabled them since, and
    nothing is to be deleted."""
    ends_at: Mapped[datetime] = mapped_column(index=True)
