"""Groups: who is in one, what that gives them, and which clients are open to them."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, ClientId, UserId


class Group(Base):
    """A group of users, by the name that the claim ``groups`` has."""

    __tablename__ = "groups"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    description: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class GroupMember(Base):
    """A user in a group."""

    __tablename__ = "group_members"

    group_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[UserId] = mapped_column(primary_key=True, index=True)


class GroupScope(Base):
    """A scope that the members of a group have."""

    __tablename__ = "group_scopes"

    group_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True
    )
    scope: Mapped[str] = mapped_column(ForeignKey("scopes.name"), primary_key=True, index=True)


class GroupClient(Base):
    """A client that is open to the members of this group, and of the others that have it.

    One that is here with no group is open to everybody. So a group with clients is not deleted.
    """

    __tablename__ = "group_clients"

    group_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("groups.id"), primary_key=True)
    client_id: Mapped[ClientId] = mapped_column(primary_key=True, index=True)


class GroupLevel(Base):
    """How strong the logins of its members have to be, where a group requires something."""

    __tablename__ = "group_levels"

    group_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True
    )
    level: Mapped[int]
    """A :class:`~app.login.strength.Level`."""
