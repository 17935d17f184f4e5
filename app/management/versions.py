"""Edits that notice each other: a change is based on a version of the record."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.errors import PreconditionFailedError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def version_of(updated_at: datetime) -> str:
    """The version of a record that was changed last at ``updated_at``, to the microsecond."""
    return str((updated_at - _EPOCH) // timedelta(microseconds=1))


def moment_of(version: str) -> datetime:
    """When a record was changed last that has this version."""
    return _EPOCH + timedelta(microseconds=int(version))


@dataclass(frozen=True)
class Versions:
    """The versions that a change may be based on; None for any."""

    allowed: frozenset[str] | None

    def require(self, updated_at: datetime) -> None:
        """Raise :class:`PreconditionFailedError` if the record has another version now."""
        if self.allowed is not None and version_of(updated_at) not in self.allowed:
            raise PreconditionFailedError(told="Someone else changed this in the meantime.")


ANY_VERSION = Versions(None)
