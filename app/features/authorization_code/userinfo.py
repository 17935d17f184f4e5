"""The UserInfo endpoint: OpenID Connect Core 1.0, section 5.3."""

from typing import Annotated

from fastapi import APIRouter, Request, Response, Security
from fastapi.responses import JSONResponse

from app.errors import InvalidRequestError, MalformedRequestError
from app.identity.profile import UserInfo, permitted_claims
from app.login.claims import Subject
from app.oauth2.bearer import (
    BEARER_RESPONSES,
    CurrentUser,
    bearer_token,
    current_user,
    identify,
    verify,
)
from app.oauth2.responses import fields
from app.server import Server
from app.web.dependencies import CurrentServer, server_of
from app.web.form import FORM, read_form
from app.web.openers import guard
from app.web.routes import CrossOriginRoute

router = APIRouter(
    prefix="/userinfo", tags=["openid"], responses=BEARER_RESPONSES, route_class=CrossOriginRoute
)

SCOPE = "openid"

IN_FORM = fields({"access_token": {"type": "string", "format": "password"}})
"""Without an example: Swagger UI already sends the token in the header, and it must come once."""


CLAIMS = tuple(UserInfo.model_fields)
"""What there may be, for the discovery document."""


@router.get(
    "", operation_id="get_userinfo", summary="Get the user's claims", response_model=UserInfo
)
async def get_userinfo(
    user: Annotated[CurrentUser, Security(current_user, scopes=[SCOPE])],
    server: CurrentServer,
) -> Response:
    """The claims about the user that the access token's scopes allow."""
    return await _claims(server, user)


@router.post(
    "",
    operation_id="post_userinfo",
    summary="Get the user's claims",
    response_model=UserInfo,
    openapi_extra={
        "security": [{current_user.scheme_name: [SCOPE]}],
        "requestBody": {"content": {FORM: {"schema": {"type": "object", "properties": IN_FORM}}}},
    },
)
@guard
async def post_userinfo(request: Request) -> Response:
    """The same by POST; the token may be in the form instead of the header (RFC 6750, 2.2)."""
    server = server_of(request)
    token = await _token(request)
    return await _claims(server, await identify(server, await verify(server, token), [SCOPE]))


async def _token(request: Request) -> str:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != FORM:
        return bearer_token(request)
    try:
        in_form = (await read_form(request)).get("access_token")
    except InvalidRequestError as error:
        raise MalformedRequestError(reason=error.told) from None
    if in_form is None:
        return bearer_token(request)
    if "authorization" in request.headers:
        raise MalformedRequestError(reason="a token in the header and in the form")
    return in_form


async def _claims(server: Server, user: CurrentUser) -> Response:
    unverified = server.settings.unverified_email
    claims = permitted_claims(user, user.scopes, unverified=unverified)
    subject = Subject(user_id=user.id, client_id=user.client_id, scopes=user.scopes)
    more = (await server.more_claims(subject)).userinfo
    told = {**more, **claims.model_dump(exclude_none=True)}
    return JSONResponse(told, headers={"Cache-Control": "no-store"})
