"""The rotation of :mod:`app.tokens.rotation` in one statement, for PostgreSQL.

An optimisation: one round trip and one commit for all refreshes that arrive together. ``rotate``
there does the same on either database; read and change that one first.

What is locked is not waited for, and what is more than one row's rule is not judged here: a token
with siblings, or one that comes again in its grace period, is left out like one that is refused.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    JSON,
    ColumnElement,
    FromClause,
    Row,
    Select,
    SQLColumnExpression,
    String,
    bindparam,
    cast,
    column,
    func,
    insert,
    literal,
    select,
    true,
    update,
)

from app.audit.trail import Event
from app.database.engines import Database, retry_conflicts
from app.models import AuditEvent, ClientScope, Login, RefreshToken, User, UserScope
from app.models.base import Base
from app.security.opaque import hash_secret
from app.tokens.families import FAMILY, NOW, Family, family_of
from app.tokens.refresh_tokens import found_by_key
from app.tokens.rotation import REFRESHED, Rotation, is_among

_TOLD = ("token", "client", "scope", "successor", "address", "agent", "request")
"""What the statement is told of each rotation, as arrays of the same length."""

PLANNED_FOR = 10
"""Elements that PostgreSQL expects of an array it does not know. If it saw fewer at first, to plan
anew would seem worth it for good, which takes three times as long as the rest of the statement."""


async def rotate(
    database: Database, rotations: Sequence[Rotation], now: datetime
) -> Mapping[Rotation, Family]:
    """Like :func:`app.tokens.rotation.rotate`, for what is free and has no siblings."""
    told = {hash_secret(each.successor): each for each in rotations}
    columns = zip(*(_tell(each, hashed) for hashed, each in told.items()), strict=True)
    arrays = {name: list(values) for name, values in zip(_TOLD, columns, strict=True)}
    arrays["token"] += [None] * (PLANNED_FOR - len(told))  # no token, so no row
    parameters = {**arrays, "at_now": now}

    async def run() -> Sequence[Row[Any]]:
        async with database.statement() as connection:
            found: Sequence[Row[Any]] = (await connection.execute(_rotating(), parameters)).all()
            return found

    return {told[row.successor]: family_of(row) for row in await retry_conflicts(run)}


def _tell(rotation: Rotation, successor: str) -> Sequence[str | None]:
    event = Event(type=REFRESHED, origin=rotation.origin).row(rotation.at)
    return (
        *(hash_secret(rotation.token), rotation.client_id, " ".join(rotation.scopes), successor),
        *(event["address"], event["user_agent"], event["request_id"]),
    )


@cache
def _rotating() -> Select[Any]:
    free = _free(_asked()).cte("free")
    consumed = (
        update(RefreshToken)
        .where(RefreshToken.token_hash == free.c.token)
        .values(used_at=NOW, successors=RefreshToken.successors + 1)
        .returning(*free.c)
        .cte("consumed")
    )
    issued = (
        insert(RefreshToken)
        .from_select(
            ["login_id", "token_hash", "parent_hash", "issued_at", "successors"],
            select(consumed.c.login_id, consumed.c.successor, consumed.c.token, NOW, literal(0)),
        )
        .cte("issued")
    )
    user_id = cast(consumed.c.user_id, String(36))
    recorded = (
        insert(AuditEvent)
        .from_select(
            [
                *("at", "type", "actor", "user_id", "client_id"),
                *("address", "user_agent", "request_id", "details"),
            ],
            select(
                *(NOW, literal(REFRESHED), user_id, user_id, consumed.c.client),
                *(consumed.c.address, consumed.c.agent, consumed.c.request),
                literal({}, JSON()),
            ),
        )
        .cte("recorded")
    )
    families = FAMILY.join(consumed, consumed.c.login_id == Login.id)
    return families.add_columns(consumed.c.successor).add_cte(issued, recorded)


def _asked() -> CTE:
    arrays = [bindparam(name, type_=ARRAY(String)) for name in _TOLD]
    rows = func.unnest(*arrays).table_valued(*(column(name, String) for name in _TOLD))
    return select(rows.render_derived(name="told")).cte("asked")


def _free(asked: CTE) -> Select[Any]:
    """What can be rotated, held until the end; without what somebody else holds.

    A login is held as well, which :func:`~app.tokens.refresh_tokens.hold_login_of_token` does for
    a rotation by itself: so of two tokens of one login the later one sees what became of the other.
    """
    token = _held(RefreshToken, RefreshToken.token_hash == asked.c.token, asked).lateral("token")
    login = _held(Login, Login.id == token.c.login_id, token).lateral("login")
    # Siblings are counted by their parent, which is held. Looked up by themselves they would be
    # those of when the statement began; since then one may have been issued, and used.
    of_token = RefreshToken.token_hash == token.c.parent_hash
    parent = _held(RefreshToken, of_token, token).lateral("parent")
    disabled_at = select(User.disabled_at).where(User.id == login.c.user_id).scalar_subquery()
    return (
        select(asked, token.c.login_id, login.c.user_id)
        .join_from(asked, token, true())
        .join(login, true())
        .outerjoin(parent, true())
        .where(
            token.c.used_at.is_(None),
            token.c.parent_hash.is_(None) | (parent.c.successors == 1),
            login.c.client_id == asked.c.client,
            login.c.ended_at.is_(None),
            login.c.expires_at > NOW,
            disabled_at.is_(None),
            *_grantable(asked, login),
        )
    )


def _held(table: type[Base], by_key: ColumnElement[bool], of: FromClause) -> Select[Any]:
    """The row whose key a row of ``of`` has, unless somebody else holds it.

    Because it is held, PostgreSQL looks it up by itself. It could plan a join while the tables are
    nearly empty, and would then read all of them until the next ANALYZE.
    """
    row = select(*table.__table__.c).where(by_key).correlate(of)
    return row.with_for_update(key_share=True, skip_locked=True)


def _grantable(asked: FromClause, login: FromClause) -> Sequence[ColumnElement[bool]]:
    """Whether a refresh for what is asked, which without scopes is all, gets anything."""
    scopes, granted = asked.c.scope, login.c.scope
    each = func.unnest(func.string_to_array(scopes, " ")).table_valued(column("scope", String))
    scope = each.render_derived(name="each").c.scope
    ungranted = select(scope).where(~_among(scope, granted))
    left = (
        select(UserScope.scope)
        .join(ClientScope, ClientScope.scope == UserScope.scope)
        .where(
            UserScope.user_id == login.c.user_id,
            ClientScope.client_id == login.c.client_id,
            _among(UserScope.scope, granted),
            (scopes == literal("", String)) | _among(UserScope.scope, scopes),
        )
    )
    return ~ungranted.exists(), found_by_key(left)


def _among(scope: SQLColumnExpression[str], scopes: ColumnElement[str]) -> ColumnElement[bool]:
    return is_among(scope, scopes, on_sqlite=False)
