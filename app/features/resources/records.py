"""What a resource is, as it is managed, and reading it."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field
from sqlalchemy import (
    Row,
    Select,
    func,
    select,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidError, NotFoundError
from app.features.resources.model import (
    IDENTIFIER_MAX_LENGTH,
    RegisteredResource,
    ResourceClient,
)
from app.features.resources.registry import SCOPES_OF_RESOURCE
from app.identity.definition import STRICT, rule
from app.identity.names import has_unseen
from app.identity.resources import normal_form
from app.models.base import ScopeSet


def _check_identifier(identifier: str) -> None:
    """RFC 8707, section 2: an absolute URI without fragment."""
    if normal_form(identifier) is None:
        raise InvalidError(told="a resource must be an absolute URI without fragment")


def _check_name(name: str) -> None:
    if has_unseen(name):
        raise InvalidError(told="a resource name cannot contain control characters")


Identifier = Annotated[str, Field(max_length=IDENTIFIER_MAX_LENGTH), rule(_check_identifier)]


class ResourceDefinition(BaseModel):
    """What can be said of a resource, and said otherwise later."""

    name: Annotated[str, rule(_check_name)] = Field(
        default="",
        max_length=255,
        examples=["Orders API"],
        description="Shown to users on the consent page; the identifier if it is empty.",
    )
    scopes: Annotated[list[str], Field(max_length=1000)] = Field(
        default=[],
        examples=[["profile"]],
        description="What it understands: its tokens have no others, but those about a user. "
        "Empty for any.",
    )
    clients: Annotated[list[str], Field(max_length=1000)] = Field(
        default=[], description="The ids of the clients that may have tokens for it."
    )
    self_registered: bool = Field(
        default=False,
        description="Whether clients that registered themselves may have tokens for it, too.",
    )
    server: str | None = Field(
        default=None,
        description="The id of the client that serves it: it may introspect tokens for what it "
        "serves, and no others.",
    )


class NewResource(ResourceDefinition):
    """A resource to register."""

    model_config = STRICT

    identifier: Identifier = Field(
        examples=["https://api.example.com/orders"], description="The `aud` of its tokens."
    )


class ResourceRecord(ResourceDefinition):
    """A resource."""

    id: uuid.UUID
    identifier: str
    created_at: datetime
    updated_at: datetime


_CLIENTS_OF_RESOURCE = (
    # Ids of clients have no spaces, as scopes have none.
    select(type_coerce(func.aggregate_strings(ResourceClient.client_id, " "), ScopeSet))
    .where(ResourceClient.resource_id == RegisteredResource.id)
    .scalar_subquery()
)


def _select() -> Select[Any]:
    return select(
        RegisteredResource.id,
        RegisteredResource.identifier,
        RegisteredResource.name,
        RegisteredResource.self_registered,
        RegisteredResource.server_id.label("server"),
        SCOPES_OF_RESOURCE.label("scopes"),
        _CLIENTS_OF_RESOURCE.label("clients"),
        RegisteredResource.created_at,
        RegisteredResource.updated_at,
    )


def _record(row: Row[Any]) -> ResourceRecord:
    lists = {name: sorted(row._mapping[name]) for name in ("scopes", "clients")}
    return ResourceRecord.model_construct(**{**row._mapping, **lists})


async def get_resource(connection: AsyncConnection, resource_id: uuid.UUID) -> ResourceRecord:
    """The resource of that id. Raises :class:`NotFoundError`."""
    row = (
        await connection.execute(_select().where(RegisteredResource.id == resource_id))
    ).one_or_none()
    if row is None:
        raise NotFoundError(told="There is no such resource.")
    return _record(row)


async def find_resource(connection: AsyncConnection, identifier: str) -> ResourceRecord:
    """The resource that a URI names, in any of its spellings. Raises :class:`NotFoundError`."""
    named = RegisteredResource.normal_form == (normal_form(identifier) or "")
    row = (await connection.execute(_select().where(named))).one_or_none()
    if row is None:
        raise NotFoundError(told="There is no such resource.")
    return _record(row)


async def list_resources(
    connection: AsyncConnection, *, limit: int, after: str | None = None
) -> Sequence[ResourceRecord]:
    """At most ``limit`` resources by identifier, beginning behind the identifier ``after``."""
    query = _select().order_by(RegisteredResource.identifier).limit(limit)
    if after is not None:
        query = query.where(RegisteredResource.identifier > after)
    return [_record(row) for row in await connection.execute(query)]
