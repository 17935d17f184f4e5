"""``OAuth2PasswordBearer``: an access token, with the password flow to get one.

The class in use is :class:`app.oauth2.bearer.BearerToken`, FastAPI's own with the errors of
RFC 6750. ``refreshUrl`` tells client generators where to refresh.
"""

from typing import Annotated

from fastapi import APIRouter, Security

from app.oauth2.bearer import BEARER_RESPONSES, CurrentUser, current_user
from app.schemes.answer import TAG, SchemeAnswer, answer_for

router = APIRouter(tags=[TAG])


@router.get(
    "/schemes/oauth2/password",
    operation_id="scheme_oauth2_password",
    summary="OAuth2PasswordBearer",
    responses=BEARER_RESPONSES,
)
async def oauth2_password(user: Annotated[CurrentUser, Security(current_user)]) -> SchemeAnswer:
    """Recognise the user of an access token from the password flow."""
    return answer_for("OAuth2PasswordBearer", user)
