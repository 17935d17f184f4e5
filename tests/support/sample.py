"""A route behind a scope for reading and one for writing, for tests that need some such route."""

from typing import Annotated

from fastapi import APIRouter, FastAPI, Security

from app.oauth2.bearer import CurrentUser, current_user

PATH = "/sample"

router = APIRouter()


@router.get(PATH)
async def read(user: Annotated[CurrentUser, Security(current_user, scopes=["items:read"])]) -> str:
    return user.username


@router.post(PATH)
async def write(
    user: Annotated[CurrentUser, Security(current_user, scopes=["items:write"])],
) -> str:
    return user.username


def add_sample(app: FastAPI) -> None:
    """Once: applications are shared by the tests of a module."""
    if not getattr(app.state, "has_sample", False):
        app.include_router(router)
        app.state.has_sample = True
