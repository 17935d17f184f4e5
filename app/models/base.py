"""What all tables share: names of constraints, and times that are always aware and UTC."""

import secrets
import uuid
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from sqlalchemy import (
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    String,
    TypeDecorator,
    text,
)
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time. Refuses naive values and always returns aware ones, in UTC.

    SQLite keeps no zone and would return naive values; asyncpg stores naive ones in silence.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Raise :class:`ValueError` for a value without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The stored value, in UTC."""
        if value is None or value.tzinfo is UTC:
            return value
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ScopeSet(TypeDecorator[frozenset[str]]):
    """Scopes that a query has put together, separated by spaces; NULL for none."""

    impl = String
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> frozenset[str]:
        """The scopes."""
        return frozenset((value or "").split())


UserId = Annotated[uuid.UUID, mapped_column(ForeignKey("users.id", ondelete="CASCADE"))]
"""Of a row that goes with its user."""

ClientId = Annotated[str, mapped_column(ForeignKey("clients.client_id", ondelete="CASCADE"))]
"""Of a row that goes with its client."""


def generate_stamp() -> str:
    """96 random bits, as 16 characters: not a secret, but never the same again."""
    return secrets.token_urlsafe(12)


def by_state(table: str, key: str) -> tuple[Index, Index]:
    """Indexes for the lists of what is enabled and of what is disabled, in the order of ``key``."""
    enabled, disabled = text("disabled_at IS NULL"), text("disabled_at IS NOT NULL")
    return (
        Index(f"ix_{table}_enabled", key, sqlite_where=enabled, postgresql_where=enabled),
        Index(f"ix_{table}_disabled", key, sqlite_where=disabled, postgresql_where=disabled),
    )


def of_present(table: str, column: str) -> Index:
    """An index for looking up rows by a column that most of them do not have.

    It leaves those out. Otherwise, SQLite takes them for one value after an ANALYZE, thinks that
    each value is that of most rows, and reads the whole table instead of the index.
    """
    present = text(f"{column} IS NOT NULL")
    name = f"ix_{table}_{column}_present"
    return Index(name, column, sqlite_where=present, postgresql_where=present)


class Base(DeclarativeBase):
    """The base of every table."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar = {datetime: UtcDateTime}
