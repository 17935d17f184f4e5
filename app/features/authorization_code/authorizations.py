"""Authorization requests that wait for their user, and the codes that come of them."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import network_of
from app.database.engines import lock
from app.features.authorization_code.model import (
    AuthorizationCode,
    BrowserSession,
    PendingAuthorization,
)
from app.models import Client, User
from app.security.encryption import Encryption
from app.security.opaque import generate_secret, hash_secret

PENDING_LIFETIME = timedelta(minutes=30)
"""Within which a person has to log in and decide."""


MOST_WAITING = 100
"""Requests that wait from one network; one more replaces the oldest of them."""


@dataclass(frozen=True, kw_only=True)
class AuthorizationRequest:
    """A valid authorization request (RFC 6749, section 4.1.1; OpenID Connect Core, 3.1.2.1).

    It waits in the database across deployments. So a field that is added has the default of a
    request that does not have it; what decides who gets the code has none.
    """

    client_id: str
    redirect_uri: str
    redirect_uri_given: bool
    """Whether the request had it: then the token request must repeat it."""
    scopes: list[str]
    state: str | None = None
    nonce: str | None = None
    code_challenge: str | None
    response_mode: str = "query"
    prompt: list[str] = field(default_factory=list)
    max_age: int | None = None
    level: int = 1
    """The least ``Level`` of a login that will do: see ``app/login/strength.py``."""
    resources: list[str] = field(default_factory=list)
    """What the tokens are to be for (RFC 8707, section 2.1)."""
    login_hint: str = ""
    language: str = ""
    """Of those in ``ui_locales``, the first that there are pages in."""
    hinted_user: str | None = None
    """The ``sub`` of a valid ``id_token_hint``, or that the parameter ``claims`` names."""
    id_token_claims: list[str] = field(default_factory=list)
    """What the parameter ``claims`` asks to have in the ID token."""

    @property
    def stored_size(self) -> int:
        """Bytes that it takes while it waits."""
        return len(json.dumps(asdict(self)))


_STORED_REQUEST = TypeAdapter(AuthorizationRequest)


@dataclass(frozen=True)
class Pending:
    """An authorization request that was not answered yet."""

    request: AuthorizationRequest
    created_at: datetime
    key: str | None = None
    """What the browser has of it while it is stored; None if it is not."""


async def store_pending(
    connection: AsyncConnection, pending: Pending, address: str | None
) -> Pending:
    """Keep a request while its user logs in and consents.

    Only so many wait from the network of ``address``, so that nobody fills the table: there the
    oldest make room.
    """
    key, network_hash = generate_secret(), hash_secret(f"network {network_of(address)}")
    await lock(connection, f"pending {network_hash}")
    waiting = (
        select(PendingAuthorization.key_hash)
        .where(
            PendingAuthorization.network_hash == network_hash, PendingAuthorization.answer.is_(None)
        )
        .order_by(PendingAuthorization.created_at.desc())
        .limit(MOST_WAITING)
        .offset(MOST_WAITING - 1)
    )
    await connection.execute(
        delete(PendingAuthorization).where(PendingAuthorization.key_hash.in_(waiting))
    )
    await connection.execute(
        insert(PendingAuthorization).values(
            key_hash=hash_secret(key),
            client_id=pending.request.client_id,
            network_hash=network_hash,
            request=asdict(pending.request),
            created_at=pending.created_at,
            expires_at=pending.created_at + PENDING_LIFETIME,
        )
    )
    return replace(pending, key=key)


async def find_pending(
    connection: AsyncConnection, key: str, now: datetime, *, or_answered: bool = False
) -> Pending | None:
    """The request of that key, unless it has expired, was finished, or cannot be read any more.

    With ``or_answered`` also one that was answered a moment ago: see :func:`find_answer`.
    """
    query = select(PendingAuthorization.request, PendingAuthorization.created_at).where(
        PendingAuthorization.key_hash == hash_secret(key), PendingAuthorization.expires_at > now
    )
    if not or_answered:
        query = query.where(PendingAuthorization.answer.is_(None))
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    try:
        return Pending(_STORED_REQUEST.validate_python(row.request), row.created_at, key)
    except ValidationError:
        return None  # another version of this server stored it


@dataclass(frozen=True)
class Answer:
    """What a request was answered with, and through which browser session of whom."""

    request: AuthorizationRequest
    parameters: Mapping[str, str]
    session_id: str
    user_id: str = ""


async def finish_pending(
    connection: AsyncConnection,
    key: str,
    parameters: Mapping[str, str],
    expires_at: datetime,
    *,
    session_id: uuid.UUID | None,
    user_id: uuid.UUID | None,
) -> bool:
    """Answer the request; False if it was answered already, for a code is issued only once.

    Until ``expires_at`` the answer is kept for its browser, which may have lost it: encrypted under
    the key, of which the database has no more than the hash.
    """
    whose = {"session_id": str(session_id), "user_id": str(user_id)}
    kept = json.dumps({"parameters": parameters, **whose})
    finished = await connection.execute(
        update(PendingAuthorization)
        .where(
            PendingAuthorization.key_hash == hash_secret(key),
            PendingAuthorization.answer.is_(None),
        )
        .values(answer=Encryption([key]).encrypt(kept.encode()), expires_at=expires_at)
        .returning(PendingAuthorization.client_id)
    )
    return finished.one_or_none() is not None


async def find_answer(connection: AsyncConnection, key: str, now: datetime) -> Answer | None:
    """What the request of that key was answered with, if that was a moment ago.

    None for a code that is used up: then the answer has arrived.
    """
    row = (
        await connection.execute(
            select(PendingAuthorization.request, PendingAuthorization.answer).where(
                PendingAuthorization.key_hash == hash_secret(key),
                PendingAuthorization.expires_at > now,
                PendingAuthorization.answer.is_not(None),
            )
        )
    ).one_or_none()
    if row is None:
        return None
    kept = json.loads(Encryption([key]).decrypt(str(row.answer)))
    used = select(AuthorizationCode.code_hash).where(
        AuthorizationCode.code_hash == hash_secret(kept["parameters"].get("code", "")),
        AuthorizationCode.used_at.is_not(None),
    )
    if await connection.scalar(used) is not None:
        return None
    return Answer(_STORED_REQUEST.validate_python(row.request), **kept)


async def issue_code(
    connection: AsyncConnection,
    request: AuthorizationRequest,
    *,
    user_id: uuid.UUID,
    session_id: uuid.UUID,
    scope: str,
    expires_at: datetime,
) -> str:
    """A code for what the user allowed. Only its hash is stored."""
    code = generate_secret()
    await connection.execute(
        insert(AuthorizationCode).values(
            code_hash=hash_secret(code),
            client_id=request.client_id,
            user_id=user_id,
            session_id=session_id,
            redirect_uri=request.redirect_uri if request.redirect_uri_given else None,
            scope=scope,
            code_challenge=request.code_challenge,
            nonce=request.nonce,
            resources=request.resources,
            id_token_claims=request.id_token_claims or None,
            expires_at=expires_at,
        )
    )
    return code


@dataclass(frozen=True)
class Code:
    """A code that was used just now, for the first time."""

    user_id: uuid.UUID
    session_id: uuid.UUID
    redirect_uri: str | None
    scope: str
    code_challenge: str | None
    nonce: str | None
    id_token_claims: list[str] | None
    expires_at: datetime
    resources: list[str]
    auth_time: datetime
    amr: tuple[str, ...]
    session_expires_at: datetime
    session_ended: bool


_HOLD_PARTIES_OF_CODE = (
    select(User.id)
    .join_from(AuthorizationCode, User, User.id == AuthorizationCode.user_id)
    .join(Client, Client.client_id == AuthorizationCode.client_id)
    .where(AuthorizationCode.code_hash == bindparam("code_hash"))
    .with_for_update(key_share=True, of=User)
    .suffix_with("FOR KEY SHARE OF clients", dialect="postgresql")
)


async def consume_code(
    connection: AsyncConnection, code: str, client_id: str, now: datetime
) -> Code | None:
    """Use the client's code up: of any number of simultaneous uses one succeeds.

    Its user is held first, so that a logout or a withdrawal is either seen here or sees what is
    issued; then the client, as whoever disables it does before ending its codes.
    """
    await connection.execute(_HOLD_PARTIES_OF_CODE, {"code_hash": hash_secret(code)})
    row = (
        await connection.execute(
            update(AuthorizationCode)
            .where(
                AuthorizationCode.code_hash == hash_secret(code),
                AuthorizationCode.client_id == client_id,
                AuthorizationCode.used_at.is_(None),
            )
            .values(used_at=now)
            .returning(
                AuthorizationCode.user_id,
                AuthorizationCode.session_id,
                AuthorizationCode.redirect_uri,
                AuthorizationCode.scope,
                AuthorizationCode.code_challenge,
                AuthorizationCode.nonce,
                AuthorizationCode.id_token_claims,
                AuthorizationCode.expires_at,
                AuthorizationCode.resources,
            )
        )
    ).one_or_none()
    if row is None:
        return None
    session = (
        await connection.execute(
            select(
                BrowserSession.created_at,
                BrowserSession.amr,
                BrowserSession.expires_at,
                BrowserSession.ended_at,
            ).where(BrowserSession.id == row.session_id)
        )
    ).one()
    return Code(
        **row._mapping,
        auth_time=session.created_at,
        amr=tuple(session.amr),
        session_expires_at=session.expires_at,
        session_ended=session.ended_at is not None,
    )


async def record_login_of_code(connection: AsyncConnection, code: str, login_id: uuid.UUID) -> None:
    """Note what the code issued."""
    await connection.execute(
        update(AuthorizationCode)
        .where(AuthorizationCode.code_hash == hash_secret(code))
        .values(login_id=login_id)
    )


@dataclass(frozen=True)
class UsedCode:
    """A code that was used before."""

    user_id: uuid.UUID
    login_id: uuid.UUID | None
    """What it issued, if it did."""


async def find_used_code(connection: AsyncConnection, code: str, client_id: str) -> UsedCode | None:
    """The client's code, if it was ever issued and is used up."""
    row = (
        await connection.execute(
            select(AuthorizationCode.user_id, AuthorizationCode.login_id).where(
                AuthorizationCode.code_hash == hash_secret(code),
                AuthorizationCode.client_id == client_id,
                AuthorizationCode.used_at.is_not(None),
            )
        )
    ).one_or_none()
    return None if row is None else UsedCode(*row)
