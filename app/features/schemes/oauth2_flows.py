"""``OAuth2`` itself: one scheme with several flows.

FastAPI's class hands the whole header over, whatever scheme it has; this one takes bearer tokens.
A token of the client credentials flow speaks of a client, and is recognised as well.
"""

from typing import Annotated

from fastapi import APIRouter, Security
from fastapi.security import OAuth2
from starlette.requests import HTTPConnection

from app.errors import InvalidTokenError
from app.features.schemes.answer import TAG, SchemeAnswer, answer_for, make_answer
from app.login.user_keys import UserKey
from app.oauth2.bearer import BEARER_RESPONSES, bearer_token, identify, verify
from app.tokens.revoked_tokens import is_revoked
from app.web.dependencies import CurrentServer

router = APIRouter(tags=[TAG])


class OAuth2Bearer(OAuth2):
    """``OAuth2`` with bearer tokens, and the errors of RFC 6750, section 3.1."""

    async def __call__(self, request: HTTPConnection) -> str:
        """The token. Raises a :class:`~app.errors.BearerError`."""
        return bearer_token(request)


SCOPES = {"profile": "", "items:read": ""}
"""What is of use here; described as the database does."""

flows = OAuth2Bearer(
    flows={
        "password": {"tokenUrl": "token", "refreshUrl": "token", "scopes": SCOPES},
        "authorizationCode": {
            "authorizationUrl": "authorize",
            "tokenUrl": "token",
            "refreshUrl": "token",
            "scopes": SCOPES,
        },
        "clientCredentials": {"tokenUrl": "token", "scopes": {"items:read": ""}},
    },
    scheme_name="OAuth2",
    description="Three ways to the same kind of token. A client that logs in for itself is refused "
    "scopes that speak of a user, and gets its own defaults if it asks for none.",
)


@router.get(
    "/schemes/oauth2/flows",
    operation_id="scheme_oauth2_flows",
    summary="OAuth2 with several flows",
    responses=BEARER_RESPONSES,
)
async def oauth2_flows(
    server: CurrentServer, token: Annotated[str, Security(flows)]
) -> SchemeAnswer:
    """Recognise the user, or the client, of an access token from any flow."""
    access_token = await verify(server, token)
    if isinstance(access_token, UserKey) or access_token.login_id is not None:
        return answer_for("OAuth2", await identify(server, access_token, []))
    async with server.database.read() as connection:
        if await is_revoked(connection, access_token.token_id):
            raise InvalidTokenError(reason="revoked")
    return make_answer("OAuth2", access_token.subject, access_token.scopes)
