"""One's own API keys."""

import uuid
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response, Security
from pydantic import BaseModel, ConfigDict, Field

from app.api.paging import Limit, NextCursor
from app.api.passwords import require_strong_login
from app.errors import ForbiddenError
from app.features.api_keys import service
from app.identity import users
from app.management.lifetimes import lifetime_of
from app.oauth2.acting import ActingUser, acting_user
from app.oauth2.bearer import BEARER_RESPONSES, CurrentUser, current_user, forbidden
from app.settings import TEN_YEARS
from app.web.cursors import page, place_at, place_of
from app.web.dependencies import CurrentServer, Reading
from app.web.problems import problem, with_body

router = APIRouter(
    prefix="/api-keys",
    tags=["api-keys"],
    responses=with_body(BEARER_RESPONSES),
)

Reader = Annotated[CurrentUser, Security(current_user, scopes=["api-keys:read"])]
Writer = Annotated[ActingUser, Security(acting_user, scopes=["api-keys:write"])]

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem("The user has no such key.")}

CURSOR = r"^[0-9]{1,17}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


class NewApiKey(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=service.NAME_MAX_LENGTH, examples=["backup"])
    scopes: list[str] = Field(max_length=100, examples=[["items:read"]])
    expires_in: int | None = Field(
        default=None,
        ge=1,
        le=TEN_YEARS,
        description="Seconds, at most `LATCHKEY_API_KEY_TTL`, which is also the default.",
    )


class ApiKeyOut(BaseModel):
    """A key, without the secret part."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    name: str
    prefix: str = Field(description="The beginning of the key.")
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the hour.")
    revoked_at: datetime | None


class CreatedApiKey(ApiKeyOut):
    """With the key itself, this once."""

    key: str


@router.post(
    "",
    status_code=201,
    operation_id="create_api_key",
    summary="Create an API key",
    responses=forbidden("an API key asked for another one"),
)
async def create_api_key(
    actor: Writer, server: CurrentServer, wanted: NewApiKey, response: Response
) -> CreatedApiKey:
    """Create a key and show it once. Its scopes are at most those of the access token.

    A key makes no keys: a stolen one would live on in those, after it was revoked. And whoever
    has a second factor has shown it in the login of the token.
    """
    if actor.user.login_id is None:
        raise ForbiddenError(told="An API key cannot create API keys. Log in to create one.")
    await require_strong_login(server, actor)
    record, key = await service.create_api_key(
        actor,
        owner=await users.get_account(actor.connection, actor.user.id),
        permitted=actor.user.scopes,
        name=wanted.name,
        scopes=wanted.scopes,
        lifetime=lifetime_of(wanted.expires_in, server.settings.api_key_ttl),
    )
    response.headers["Location"] = f"{server.settings.issuer}/api-keys/{record.id}"
    shown = ApiKeyOut.model_validate(record)
    return CreatedApiKey(**shown.model_dump(), key=key)


class ApiKeyPage(BaseModel):
    """Some of the keys, and where the older ones begin."""

    api_keys: list[ApiKeyOut]
    next_cursor: NextCursor


@router.get("", operation_id="list_api_keys", summary="List my API keys")
async def list_api_keys(
    user: Reader,
    reading: Reading,
    limit: Limit = 50,
    cursor: Annotated[
        str | None, Query(pattern=CURSOR, description="`next_cursor` of a page.")
    ] = None,
) -> ApiKeyPage:
    """The user's own keys, newest first, including revoked ones."""
    before = None
    if cursor is not None:
        made_at, key_id = place_at(cursor)
        before = made_at, uuid.UUID(key_id)
    records = await service.list_api_keys(reading, user.id, limit=limit + 1, before=before)
    shown, next_cursor = page(records, limit, lambda key: place_of(key.created_at, key.id))
    return ApiKeyPage(
        api_keys=[ApiKeyOut.model_validate(record) for record in shown], next_cursor=next_cursor
    )


@router.get("/{key_id}", operation_id="get_api_key", summary="Get an API key", responses=NOT_FOUND)
async def get_api_key(user: Reader, reading: Reading, key_id: uuid.UUID) -> ApiKeyOut:
    """One of the user's own keys."""
    return ApiKeyOut.model_validate(await service.get_api_key(reading, user.id, key_id))


@router.delete(
    "/{key_id}",
    status_code=204,
    operation_id="revoke_api_key",
    summary="Revoke an API key",
    responses=NOT_FOUND,
)
async def revoke_api_key(actor: Writer, key_id: uuid.UUID) -> None:
    """Revoke a key, effective at once."""
    await service.revoke_api_key(actor, actor.user.id, key_id)
