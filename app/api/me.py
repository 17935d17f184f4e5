"""The account of whoever asks."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Security
from pydantic import BaseModel

from app.api.problems import PROBLEM_RESPONSES
from app.oauth2.bearer import BEARER_RESPONSES, CurrentUser, current_user
from app.server import Reading
from app.services.users import find_scopes

router = APIRouter(
    prefix="/users/me", tags=["account"], responses={**BEARER_RESPONSES, **PROBLEM_RESPONSES}
)


class Me(BaseModel):
    """A user, as they see themselves."""

    id: uuid.UUID
    username: str
    email: str | None
    email_verified: bool
    scopes: list[str]


@router.get("", operation_id="get_me")
async def get_me(
    user: Annotated[CurrentUser, Security(current_user, scopes=["profile"])], reading: Reading
) -> Me:
    """Who the access token speaks for, and the scopes that this user has."""
    return Me(
        id=user.id,
        username=user.username,
        email=user.email,
        email_verified=user.email_verified,
        scopes=await find_scopes(reading, user.id),
    )
