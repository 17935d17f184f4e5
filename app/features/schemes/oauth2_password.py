"""``OAuth2PasswordBearer``: an access token, with the password flow to get one.

FastAPI's class reads the ``Authorization`` header and tells Swagger UI where to log in.
``refreshUrl`` tells client generators where to refresh. The other routes of this server use
:func:`app.oauth2.bearer.current_user`, which is made like this.
"""

from typing import Annotated

from fastapi import APIRouter, Security
from fastapi.security import OAuth2PasswordBearer, SecurityScopes
from starlette.requests import HTTPConnection

from app.features.schemes.answer import TAG, SchemeAnswer, answer_for
from app.oauth2 import bearer
from app.oauth2.bearer import BEARER_RESPONSES, CurrentUser, bearer_token, identify, verify
from app.web.dependencies import CurrentServer

router = APIRouter(tags=[TAG])


class StrictPasswordBearer(OAuth2PasswordBearer):
    """FastAPI's class with the errors of RFC 6750, section 3.1."""

    async def __call__(self, request: HTTPConnection) -> str:
        """The token. Raises a :class:`~app.errors.BearerError`."""
        return bearer_token(request)


password_bearer = StrictPasswordBearer(
    tokenUrl="token",
    refreshUrl="token",
    scheme_name="OAuth2PasswordBearer",
    description=bearer.current_user.model.description,  # the same login as everywhere
)


async def password_flow_user(
    security_scopes: SecurityScopes,
    server: CurrentServer,
    token: Annotated[str, Security(password_bearer)],
) -> CurrentUser:
    """The user of the token. Raises a :class:`~app.errors.BearerError`."""
    return await identify(server, await verify(server, token), security_scopes.scopes)


@router.get(
    "/schemes/oauth2/password",
    operation_id="scheme_oauth2_password",
    summary="OAuth2PasswordBearer",
    responses=BEARER_RESPONSES,
)
async def oauth2_password(
    user: Annotated[CurrentUser, Security(password_flow_user)],
) -> SchemeAnswer:
    """Recognise the user of an access token from the password flow."""
    return answer_for("OAuth2PasswordBearer", user)
