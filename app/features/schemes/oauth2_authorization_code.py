"""``OAuth2AuthorizationCodeBearer``: an access token, with the code flow to get one.

From ``/docs`` the login runs in a popup, with PKCE: the page there never sees the password.
"""

from typing import Annotated

from fastapi import APIRouter, Security
from fastapi.security import OAuth2AuthorizationCodeBearer, SecurityScopes
from starlette.requests import HTTPConnection

from app.features.schemes.answer import TAG, SchemeAnswer, answer_for
from app.oauth2.bearer import BEARER_RESPONSES, CurrentUser, bearer_token, identify, verify
from app.web.dependencies import CurrentServer

router = APIRouter(tags=[TAG])


class StrictAuthorizationCodeBearer(OAuth2AuthorizationCodeBearer):
    """FastAPI's class with the errors of RFC 6750, section 3.1."""

    async def __call__(self, request: HTTPConnection) -> str:
        """The token. Raises a :class:`~app.errors.BearerError`."""
        return bearer_token(request)


code_bearer = StrictAuthorizationCodeBearer(
    authorizationUrl="authorize",
    tokenUrl="token",
    refreshUrl="token",
    scheme_name="OAuth2AuthorizationCodeBearer",
    scopes={"openid": "", "profile": ""},  # described as the database does
    description="Log in on this server's own page, in a popup.",
)


async def code_flow_user(
    security_scopes: SecurityScopes,
    server: CurrentServer,
    token: Annotated[str, Security(code_bearer)],
) -> CurrentUser:
    """The user of the token. Raises a :class:`~app.errors.BearerError`."""
    return await identify(server, await verify(server, token), security_scopes.scopes)


@router.get(
    "/schemes/oauth2/authorization-code",
    operation_id="scheme_oauth2_authorization_code",
    summary="OAuth2AuthorizationCodeBearer",
    responses=BEARER_RESPONSES,
)
async def oauth2_authorization_code(
    user: Annotated[CurrentUser, Security(code_flow_user, scopes=["profile"])],
) -> SchemeAnswer:
    """Recognise the user of an access token from the code flow."""
    return answer_for("OAuth2AuthorizationCodeBearer", user)
