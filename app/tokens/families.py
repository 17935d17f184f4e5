"""The login behind a family of refresh tokens, with what its user and its client may have now."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, func, select, type_coerce

from app.identity.profile import Person
from app.identity.users import PROFILE, profile_of
from app.models import ClientScope, Login, User, UserScope
from app.models.base import ScopeSet, UtcDateTime


@dataclass(frozen=True)
class Family:
    """The login that a refresh token belongs to, and what its user has now."""

    login_id: uuid.UUID
    client_id: str
    person: Person
    scope: str
    """What the login was granted; a refresh cannot exceed it."""
    permitted: frozenset[str]
    """What its user has, and its client may have, at the moment of the query."""
    resources: tuple[str, ...]
    """What its tokens can be for; empty if the login named nothing."""
    auth_time: datetime | None
    """When the user logged in, for the ID tokens of the code flow; else None."""
    amr: tuple[str, ...]
    """With what, by the names of RFC 8176."""
    id_token_claims: list[str] | None
    """What the client asked to have in them by name."""
    expires_at: datetime
    alive: bool
    """Neither ended nor expired, and the user is enabled."""

    @property
    def user_id(self) -> uuid.UUID:
        """Whose it is."""
        return self.person.id


NOW = bindparam("at_now", type_=UtcDateTime())

LOGIN_IS_ALIVE = Login.ended_at.is_(None) & (Login.expires_at > NOW) & User.disabled_at.is_(None)

# Read with all else: a scope that the client has by what a worker remembers may be gone, or back.
PERMITTED_SCOPES = (
    select(UserScope.scope)
    .join(ClientScope, ClientScope.scope == UserScope.scope)
    .where(UserScope.user_id == Login.user_id, ClientScope.client_id == Login.client_id)
)

FAMILY = select(
    Login.id,
    Login.client_id,
    User.id.label("user_id"),
    User.username,
    User.updated_at,
    *PROFILE,
    Login.scope,
    PERMITTED_SCOPES.with_only_columns(
        type_coerce(func.aggregate_strings(UserScope.scope, " "), ScopeSet)
    )
    .scalar_subquery()
    .label("permitted"),
    Login.resources,
    Login.auth_time,
    Login.amr,
    Login.id_token_claims,
    Login.expires_at,
    LOGIN_IS_ALIVE.label("alive"),
).join_from(Login, User, Login.user_id == User.id)


def family_of(row: Row[Any]) -> Family:
    """The family in a row of :data:`FAMILY`."""
    return Family(
        login_id=row.id,
        client_id=row.client_id,
        person=Person(row.user_id, row.username, profile_of(row), row.updated_at),
        scope=row.scope,
        permitted=row.permitted,
        resources=tuple(row.resources),
        auth_time=row.auth_time,
        amr=tuple(row.amr),
        id_token_claims=row.id_token_claims,
        expires_at=row.expires_at,
        alive=bool(row.alive),
    )
