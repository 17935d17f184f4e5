"""Managing clients."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Response, Security
from pydantic import BaseModel, Field
from starlette.convertors import Convertor, register_url_convertor

from app.api.paging import (
    AUTHORITY_RESPONSES,
    CHANGE_RESPONSES,
    EDIT_RESPONSES,
    ExpectedVersions,
    Limit,
    NextCursor,
    cursor_of_at_most,
    with_etag,
)
from app.identity.definition import STRICT, changes_of, partial, rule
from app.identity.registration import (
    AuthMethod,
    ClientMetadata,
    Registration,
    check_redirect_uri,
)
from app.management import clients as client_management
from app.management.authority import Actor
from app.management.clients import ClientRecord
from app.oauth2.acting import acting_manager
from app.oauth2.bearer import BEARER_RESPONSES
from app.oauth2.principal import Principal, current_principal
from app.web.cursors import page
from app.web.dependencies import CurrentServer, Reading
from app.web.problems import problem, with_body


class _ClientId(Convertor[str]):
    """A client id in a path: it may have slashes, and what ends in ``/secret`` is none."""

    regex = r"(?!.*/secret$).*"

    def convert(self, value: str) -> str:
        """As it is."""
        return value

    def to_string(self, value: str) -> str:
        """As it is."""
        return value


register_url_convertor("client_id", _ClientId())

router = APIRouter(prefix="/clients", tags=["clients"], responses=with_body(BEARER_RESPONSES))

Reader = Annotated[Principal, Security(current_principal, scopes=["clients:read"])]
Writer = Annotated[Actor, Security(acting_manager, scopes=["clients:write"])]

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem("There is no such client.")}

Uri = Annotated[str, Field(max_length=2000), rule(check_redirect_uri)]

ONE_MONTH = 31 * 24 * 3600


class _OfOneRequest(BaseModel):
    """How much of each a request may bring; the command line may bring more."""

    redirect_uris: Annotated[list[Uri], Field(max_length=50)] = Field(
        default=[], examples=[["https://app.example.com/callback"]]
    )
    post_logout_redirect_uris: Annotated[list[Uri], Field(max_length=50)] = Field(default=[])
    scopes: Annotated[list[str], Field(max_length=100)] = Field(default=[], examples=[["profile"]])
    default_scopes: Annotated[list[str], Field(max_length=100)] = Field(
        default=[], examples=[["profile"]]
    )


class NewClient(_OfOneRequest, Registration):
    """A client to register."""


@partial
class ClientPatch(_OfOneRequest, ClientMetadata):
    """What to change; what is left out stays. A scope that is taken away is no longer a default."""

    model_config = STRICT

    auth_methods: list[AuthMethod]
    disabled: bool


class CreatedClient(BaseModel):
    """A new client and, this once, its secret."""

    client: ClientRecord
    client_id: str
    client_secret: str | None = Field(description="Null for a public client.")


class ClientPage(BaseModel):
    """Some of the clients, and where the next ones begin."""

    clients: list[ClientRecord]
    next_cursor: NextCursor


class SecretRotation(BaseModel):
    """How long the old secret stays good."""

    model_config = STRICT

    overlap: int = Field(
        default=int(client_management.SECRET_OVERLAP.total_seconds()),
        ge=0,
        le=ONE_MONTH,
        description="Seconds; 0 for a secret that has leaked.",
    )


class NewSecret(BaseModel):
    """A new secret, this once."""

    client_id: str
    client_secret: str
    old_secret_expires_at: datetime


@router.get("", operation_id="list_clients", summary="List clients")
async def list_clients(
    principal: Reader,
    reading: Reading,
    limit: Limit = 50,
    cursor: Annotated[str | None, cursor_of_at_most(255)] = None,
    disabled: Annotated[
        bool | None, Query(description="Only disabled, or only enabled ones.")
    ] = None,
) -> ClientPage:
    """Clients by id."""
    records = await client_management.list_clients(
        reading, limit=limit + 1, after=cursor, disabled=disabled
    )
    shown, next_cursor = page(records, limit, lambda client: client.client_id)
    return ClientPage(clients=list(shown), next_cursor=next_cursor)


@router.post(
    "",
    status_code=201,
    operation_id="create_client",
    summary="Register a client",
    responses=CHANGE_RESPONSES,
)
async def create_client(
    actor: Writer, server: CurrentServer, wanted: NewClient, response: Response
) -> CreatedClient:
    """Register a client, with scopes that the caller has. Its secret is shown only once."""
    record, client_secret = await client_management.register_client(actor, wanted)
    path = quote(record.client_id, safe="/:")
    response.headers["Location"] = f"{server.settings.issuer}/clients/{path}"
    return CreatedClient(
        client=with_etag(record, response), client_id=record.client_id, client_secret=client_secret
    )


@router.get(
    "/{client_id:client_id}",
    operation_id="get_client",
    summary="Get a client",
    responses=NOT_FOUND,
)
async def get_client(
    principal: Reader, reading: Reading, client_id: str, response: Response
) -> ClientRecord:
    """One client, with an `ETag` for `If-Match`."""
    return with_etag(await client_management.get_client(reading, client_id), response)


@router.patch(
    "/{client_id:client_id}",
    operation_id="update_client",
    summary="Change a client",
    responses={**NOT_FOUND, **CHANGE_RESPONSES, **EDIT_RESPONSES},
)
async def update_client(
    actor: Writer,
    client_id: str,
    changes: ClientPatch,
    expected: ExpectedVersions,
    response: Response,
) -> ClientRecord:
    """Change a client; this takes effect in every worker within two seconds."""
    record = await client_management.change_client(actor, client_id, changes_of(changes), expected)
    return with_etag(record, response)


@router.post(
    "/{client_id:path}/secret",
    operation_id="rotate_client_secret",
    summary="Rotate a client's secret",
    responses={**NOT_FOUND, **AUTHORITY_RESPONSES, **EDIT_RESPONSES},
)
async def rotate_client_secret(
    actor: Writer,
    client_id: str,
    rotation: SecretRotation,
    expected: ExpectedVersions,
) -> NewSecret:
    """Issue a new secret, shown only once; the old one stays valid for a while."""
    overlap = timedelta(seconds=rotation.overlap)
    secret, until = await client_management.rotate_secret(actor, client_id, overlap, expected)
    return NewSecret(client_id=client_id, client_secret=secret, old_secret_expires_at=until)


@router.delete(
    "/{client_id:client_id}",
    status_code=204,
    operation_id="delete_client",
    summary="Delete a client",
    responses={**NOT_FOUND, **CHANGE_RESPONSES, **EDIT_RESPONSES},
)
async def delete_client(
    actor: Writer,
    client_id: str,
    expected: ExpectedVersions,
) -> None:
    """Delete a client. Every login through it ends."""
    await client_management.delete_client(actor, client_id, expected)
