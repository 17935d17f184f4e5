"""``auto_error=False``: a route for everybody, which knows who comes with a credential.

Nobody is anonymous by mistake. With ``auto_error=False`` FastAPI's class gives None for every
``Authorization`` header that is no bearer token, one that is mistyped too: so only a request
without the header is anonymous here, and everything else is read as on a protected route.
FastAPI would publish the scheme as required; the empty alternative in ``security`` says that it is
not.
"""

from typing import Annotated

from fastapi import APIRouter, Request, Security
from fastapi.security import OAuth2PasswordBearer

from app.features.schemes.answer import TAG, SchemeAnswer, answer_for, make_answer
from app.oauth2.bearer import (
    BEARER_RESPONSES,
    bearer_token,
    current_user,
    identify,
    verify,
)
from app.web.dependencies import CurrentServer

router = APIRouter(tags=[TAG])

SCHEME = "OAuth2PasswordBearer (auto_error=False)"

optional_bearer = OAuth2PasswordBearer(
    tokenUrl="token",
    refreshUrl="token",
    scheme_name=current_user.scheme_name,  # the same login as everywhere, described alike
    description=current_user.model.description,
    auto_error=False,
)


@router.get(
    "/schemes/optional",
    operation_id="scheme_optional",
    summary="auto_error=False",
    responses=BEARER_RESPONSES,
    openapi_extra={"security": [{}]},
)
async def optional(
    request: Request,
    server: CurrentServer,
    token: Annotated[str | None, Security(optional_bearer)],
) -> SchemeAnswer:
    """Recognise whoever comes with an access token, and let in as nobody who comes with nothing."""
    if token is None and "authorization" not in request.headers:
        return make_answer(SCHEME, None, [])
    user = await identify(server, await verify(server, bearer_token(request)), [])
    return answer_for(SCHEME, user)
