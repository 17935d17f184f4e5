"""Managing claims of one's own: what the API under ``/claims`` and ``latchkey claims`` do."""

import json
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import FeatureEventType
from app.database.engines import insert_new
from app.errors import ConflictError, InvalidError, NotFoundError
from app.features.claims.model import ClientClaim, DeclaredClaim, Holder, UserClaim
from app.identity.definition import STRICT, rule
from app.identity.scopes import require_known
from app.identity.users import hold_user
from app.login.claims import AUTHORIZATION_CLAIMS, PROTOCOL_CLAIMS
from app.management.authority import Actor
from app.management.clients import get_client
from app.management.users import get_user, scopes_of

DECLARED = FeatureEventType("claim.declared")
DELETED = FeatureEventType("claim.deleted")
SET = FeatureEventType("claim.set")

EVENT_TYPES = (DECLARED, DELETED, SET)

ClaimType = Literal["string", "integer", "number", "boolean", "strings", "json"]
Place = Literal["access_token", "id_token", "userinfo"]

PLACES: Sequence[str] = get_args(Place)

MOST_CLAIMS = 100
"""That can be declared: each that is told travels in a token."""
VALUES_MAX_BYTES = 2048
"""Of all the values of a user or a client, with their names, as the JSON of a token."""
JSON_MAX_DEPTH = 8
"""Lists and objects within each other."""
INTEGER_MAX = 2**53 - 1
"""And its negative: what every reader of JSON takes for the same (RFC 8259, section 6)."""

_NAME = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,128}")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidError(
            told='a claim must have 1 to 128 printable ASCII characters, with no space, " or \\'
        )
    if name in PROTOCOL_CLAIMS:
        raise InvalidError(told="this claim belongs to the protocol")
    if name in AUTHORIZATION_CLAIMS:
        raise InvalidError(told="APIs decide by this claim what its bearer may do")


def _check_places(places: Sequence[str]) -> None:
    if not places:
        raise InvalidError(told="a claim must be told somewhere")


class ClaimDefinition(BaseModel):
    """A claim to declare."""

    model_config = STRICT

    name: Annotated[str, Field(examples=["department"]), rule(_check_name)]
    type: ClaimType = Field(description="`strings` is a list of them, `json` anything.")
    scope: str = Field(description="The scope that brings it.", examples=["profile"])
    places: Annotated[
        list[Place], Field(max_length=3, description="Where it is told."), rule(_check_places)
    ] = ["id_token", "userinfo"]


class ClaimRecord(BaseModel):
    """A claim, as it was declared."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    type: ClaimType
    scope: str
    places: list[Place]
    created_at: datetime


_CLAIMS = select(
    DeclaredClaim.name,
    DeclaredClaim.type,
    DeclaredClaim.scope,
    DeclaredClaim.places,
    DeclaredClaim.created_at,
).order_by(DeclaredClaim.name)


async def list_claims(connection: AsyncConnection) -> Sequence[ClaimRecord]:
    """All that are declared, by name."""
    rows = (await connection.execute(_CLAIMS)).all()
    return sorted((ClaimRecord.model_validate(row) for row in rows), key=lambda each: each.name)


async def get_claim(connection: AsyncConnection, name: str) -> ClaimRecord:
    """The claim of that name. Raises :class:`NotFoundError`."""
    for claim in await list_claims(connection):
        if claim.name == name:
            return claim
    raise NotFoundError(told="There is no such claim.")


async def declare_claim(actor: Actor, definition: ClaimDefinition) -> ClaimRecord:
    """Add a claim, which tells nothing before it has values. Raises a :class:`Problem`.

    Whoever declares it has the scope that brings it.
    """
    connection = actor.connection
    await require_known(connection, [definition.scope], "scope")
    actor.require_to_grant([definition.scope])
    there = await list_claims(connection)
    taken = f"the claim {definition.name} is already declared"
    if definition.name in {claim.name for claim in there}:
        raise ConflictError(told=taken)
    if len(there) >= MOST_CLAIMS:
        raise ConflictError(told=f"there are at most {MOST_CLAIMS} claims")
    places = [place for place in PLACES if place in definition.places]
    values = {**definition.model_dump(), "places": places, "created_at": actor.now}
    await insert_new(connection, taken, insert(DeclaredClaim).values(values))
    await actor.record(DECLARED, claim=definition.name, scope=definition.scope, places=places)
    return await get_claim(connection, definition.name)


async def delete_claim(actor: Actor, name: str) -> None:
    """Delete a claim and all its values. Raises a :class:`~app.errors.Problem`."""
    connection = actor.connection
    claim = await get_claim(connection, name)
    actor.require_over([claim.scope])
    for table in (UserClaim, ClientClaim):
        await connection.execute(delete(table).where(table.name == name))
    await connection.execute(delete(DeclaredClaim).where(DeclaredClaim.name == name))
    await actor.record(DELETED, claim=name)


def _values_of(holder: Holder) -> Select[str, Any]:
    if isinstance(holder, uuid.UUID):
        return select(UserClaim.name, UserClaim.value).where(UserClaim.user_id == holder)
    return select(ClientClaim.name, ClientClaim.value).where(ClientClaim.client_id == holder)


async def get_values(connection: AsyncConnection, holder: Holder) -> Mapping[str, Any]:
    """What the claims say of a user, or in what a client is issued.

    Raises :class:`NotFoundError`.
    """
    if isinstance(holder, uuid.UUID):
        await get_user(connection, holder)
    else:
        await get_client(connection, holder)
    rows = await connection.execute(_values_of(holder))
    return dict(sorted((row.name, row.value) for row in rows))


async def set_values(actor: Actor, holder: Holder, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Let claims say something else of a user or a client; None takes a value away.

    Those that are not named stay. Raises a :class:`~app.errors.Problem`.
    """
    connection = actor.connection
    if isinstance(holder, uuid.UUID):
        await hold_user(connection, holder)
        actor.require_over(scopes_of(await get_user(connection, holder)))
    else:
        actor.require_over((await get_client(connection, holder)).scopes)
    declared = {claim.name: claim for claim in await list_claims(connection)}
    for name, value in values.items():
        if name not in declared:
            raise InvalidError(told="there is no claim with that name", field="values")
        if value is not None:
            check_value(declared[name].type, value)
    before = await get_values(connection, holder)
    changed = {name: value for name, value in values.items() if value != before.get(name)}
    if changed:
        _check_size({**before, **changed})
        await _store(connection, holder, changed)
        # The trail notes that a value changed, not the value.
        user_id = holder if isinstance(holder, uuid.UUID) else None
        client_id = None if isinstance(holder, uuid.UUID) else holder
        names = sorted(changed)
        await actor.record(SET, user_id=user_id, client_id=client_id, claims=names)
    return await get_values(connection, holder)


async def _store(connection: AsyncConnection, holder: Holder, values: Mapping[str, Any]) -> None:
    table: type[UserClaim] | type[ClientClaim]
    if isinstance(holder, uuid.UUID):
        table, of_holder, key = UserClaim, UserClaim.user_id == holder, "user_id"
    else:
        table, of_holder, key = ClientClaim, ClientClaim.client_id == holder, "client_id"
    await connection.execute(delete(table).where(of_holder, table.name.in_(values)))
    rows = [
        {key: holder, "name": name, "value": value}
        for name, value in values.items()
        if value is not None
    ]
    if rows:
        await connection.execute(insert(table), rows)


def check_value(kind: ClaimType, value: Any) -> None:
    """Raise :class:`InvalidError` for a value that the claim cannot have."""
    match kind:
        case "string":
            fits = isinstance(value, str)
        case "integer":
            fits = isinstance(value, int) and not isinstance(value, bool)
        case "number":
            fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        case "boolean":
            fits = isinstance(value, bool)
        case "strings":
            fits = isinstance(value, list) and all(isinstance(each, str) for each in value)
        case "json":
            fits = True
    if not fits:
        raise InvalidError(
            told=f"the value of this claim must be of the type {kind}", field="values"
        )
    _check_json(value)


def _check_json(value: Any, depth: int = JSON_MAX_DEPTH) -> None:
    """Raise :class:`InvalidError` for what not every reader of a token would understand."""
    match value:
        case None | bool():
            return
        case int():
            broken = "" if abs(value) <= INTEGER_MAX else "an integer must be within ±(2^53 - 1)"
        case float():
            broken = "" if math.isfinite(value) else "a number must be finite"
        case str():
            broken = "" if _is_text(value) else "a text must be Unicode without NUL"
        case list() | dict() if depth == 0:
            broken = f"at most {JSON_MAX_DEPTH} lists and objects can be within each other"
        case list():
            for each in value:
                _check_json(each, depth - 1)
            return
        case dict() if all(isinstance(name, str) for name in value):
            for each in (*value, *value.values()):
                _check_json(each, depth - 1)
            return
        case _:
            broken = "the value of a claim must be JSON"
    if broken:
        raise InvalidError(told=broken, field="values")


def _is_text(value: str) -> bool:
    return not re.search("[\0\ud800-\udfff]", value)  # a surrogate has no UTF-8


def _check_size(values: Mapping[str, Any]) -> None:
    there = {name: value for name, value in values.items() if value is not None}
    if len(json.dumps(there, separators=(",", ":"))) > VALUES_MAX_BYTES:
        raise InvalidError(
            told=f"all values together have at most {VALUES_MAX_BYTES} bytes as JSON",
            field="values",
        )
