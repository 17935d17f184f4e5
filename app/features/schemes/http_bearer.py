"""``HTTPBearer`` with ``HTTPAuthorizationCredentials``: an access token, wherever it came from.

To OpenAPI it is a token without a way to get one: Swagger UI shows a field to paste it into.
"""

from typing import Annotated

from fastapi import APIRouter, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from app.features.schemes.answer import TAG, SchemeAnswer, answer_for
from app.oauth2.bearer import BEARER_RESPONSES, bearer_token, identify, verify
from app.web.dependencies import CurrentServer

router = APIRouter(tags=[TAG])


class StrictHTTPBearer(HTTPBearer):
    """``HTTPBearer`` with the errors of RFC 6750, section 3.1."""

    async def __call__(self, request: HTTPConnection) -> HTTPAuthorizationCredentials:
        """The scheme and the token. Raises a :class:`~app.errors.BearerError`."""
        token = bearer_token(request)
        return HTTPAuthorizationCredentials(scheme="Bearer", credentials=token)


http_bearer = StrictHTTPBearer(
    bearerFormat="JWT",
    scheme_name="HTTPBearer",
    description="An access token from `/token`; paste it without the word Bearer.",
)


@router.get(
    "/schemes/http/bearer",
    operation_id="scheme_http_bearer",
    summary="HTTPBearer",
    responses=BEARER_RESPONSES,
)
async def scheme_http_bearer(
    server: CurrentServer,
    credentials: Annotated[HTTPAuthorizationCredentials, Security(http_bearer)],
) -> SchemeAnswer:
    """Recognise the user of an access token."""
    user = await identify(server, await verify(server, credentials.credentials), [])
    return answer_for("HTTPBearer", user)
