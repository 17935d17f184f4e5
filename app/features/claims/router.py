"""Claims of one's own, for those who manage."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Security
from pydantic import BaseModel, Field

from app.api.paging import AUTHORITY_RESPONSES, CHANGE_RESPONSES
from app.features.claims import service
from app.features.claims.service import ClaimDefinition, ClaimRecord
from app.identity.definition import STRICT
from app.management.authority import Actor
from app.oauth2.acting import acting_manager
from app.oauth2.bearer import BEARER_RESPONSES
from app.oauth2.principal import Principal, current_principal
from app.web.dependencies import Reading
from app.web.problems import problem, with_body

router = APIRouter(prefix="/claims", tags=["claims"], responses=with_body(BEARER_RESPONSES))

Reader = Annotated[Principal, Security(current_principal, scopes=["claims:read"])]
Writer = Annotated[Actor, Security(acting_manager, scopes=["claims:write"])]


def _not_found(what: str) -> dict[int | str, dict[str, Any]]:
    return {404: problem(f"There is no such {what}.")}


class ClaimList(BaseModel):
    """All claims that are declared: never many."""

    claims: list[ClaimRecord]


class Values(BaseModel):
    """Values by the names of their claims."""

    model_config = STRICT

    values: dict[str, Any] = Field(
        max_length=service.MOST_CLAIMS,
        description="In a change, null takes a value away, and what is left out stays.",
        examples=[{"department": "sales"}],
    )


@router.get("", operation_id="list_claims", summary="List claims")
async def list_claims(principal: Reader, reading: Reading) -> ClaimList:
    """The claims that are declared here, beside those of the protocol."""
    return ClaimList(claims=list(await service.list_claims(reading)))


@router.post(
    "",
    status_code=201,
    operation_id="declare_claim",
    summary="Declare a claim",
    responses=CHANGE_RESPONSES,
)
async def declare_claim(actor: Writer, wanted: ClaimDefinition) -> ClaimRecord:
    """Declare a claim, with the scope that brings it and the places where it is told."""
    return await service.declare_claim(actor, wanted)


@router.get(
    "/users/{user_id}",
    operation_id="get_user_claims",
    summary="Get a user's values",
    responses=_not_found("user"),
)
async def get_user_claims(principal: Reader, reading: Reading, user_id: uuid.UUID) -> Values:
    """What the claims say of a user."""
    return Values(values=dict(await service.get_values(reading, user_id)))


@router.patch(
    "/users/{user_id}",
    operation_id="set_user_claims",
    summary="Change a user's values",
    responses={**_not_found("user"), **AUTHORITY_RESPONSES},
)
async def set_user_claims(actor: Writer, user_id: uuid.UUID, wanted: Values) -> Values:
    """Let claims say something else of a user."""
    return Values(values=dict(await service.set_values(actor, user_id, wanted.values)))


@router.get(
    "/clients/{client_id:path}",
    operation_id="get_client_claims",
    summary="Get a client's values",
    responses=_not_found("client"),
)
async def get_client_claims(principal: Reader, reading: Reading, client_id: str) -> Values:
    """What the claims say in whatever the client is issued, unless they say something of a user."""
    return Values(values=dict(await service.get_values(reading, client_id)))


@router.patch(
    "/clients/{client_id:path}",
    operation_id="set_client_claims",
    summary="Change a client's values",
    responses={**_not_found("client"), **AUTHORITY_RESPONSES},
)
async def set_client_claims(actor: Writer, client_id: str, wanted: Values) -> Values:
    """Let claims say something else in what a client is issued."""
    return Values(values=dict(await service.set_values(actor, client_id, wanted.values)))


@router.delete(
    "/declared/{name:path}",
    status_code=204,
    operation_id="delete_claim",
    summary="Delete a claim",
    responses={**_not_found("claim"), **AUTHORITY_RESPONSES},
)
async def delete_claim(actor: Writer, name: str) -> None:
    """Delete a claim and all its values."""
    await service.delete_claim(actor, name)
