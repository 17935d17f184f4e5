"""``OAuth2PasswordRequestForm`` and ``…Strict``, side by side.

The only difference is ``grant_type``: the strict one insists on it. With FastAPI alone a route
takes ``form: Annotated[OAuth2PasswordRequestForm, Depends()]``, and whatever is wrong with the body
is 422. Here the body is read as ``/token`` reads it, and the form is made of what was read: so
repeated fields, other content types and missing fields are RFC 6749 errors here as well.
"""

from fastapi import APIRouter, Request, Response
from fastapi.security import OAuth2PasswordRequestForm, OAuth2PasswordRequestFormStrict

from app.features.schemes.answer import TAG
from app.oauth2.grants import supported_grants
from app.oauth2.grants.password import password_grant
from app.oauth2.responses import TOKEN_RESPONSES, demo_hint, demo_username
from app.oauth2.token import answer_token_request
from app.oauth2.token_form import PASSWORD_OF_THE_DEMO, request_body
from app.settings import Settings
from app.web.dependencies import CurrentServer
from app.web.routes import OAuth2Route

LAX = password_grant(OAuth2PasswordRequestForm)
STRICT = password_grant(OAuth2PasswordRequestFormStrict)


def make_router(settings: Settings) -> APIRouter:
    """The two sample routes."""
    router = APIRouter(tags=[TAG], route_class=OAuth2Route)
    offered = "password" in supported_grants(settings)
    username = demo_username(settings)
    hint = demo_hint(settings, PASSWORD_OF_THE_DEMO)

    @router.post(
        "/schemes/oauth2/password-form",
        operation_id="scheme_oauth2_password_form",
        summary="OAuth2PasswordRequestForm",
        description="A token, with or without `grant_type=password` in the form." + hint,
        responses=TOKEN_RESPONSES,
        openapi_extra={"requestBody": request_body([LAX], strict=False, username=username)},
    )
    async def oauth2_password_form(request: Request, server: CurrentServer) -> Response:
        """A token."""
        grants = {LAX.grant_type: LAX} if offered else {}
        return await answer_token_request(request, server, grants, strict=False)

    @router.post(
        "/schemes/oauth2/password-form-strict",
        operation_id="scheme_oauth2_password_form_strict",
        summary="OAuth2PasswordRequestFormStrict",
        description="A token, only with `grant_type=password` in the form." + hint,
        responses=TOKEN_RESPONSES,
        openapi_extra={"requestBody": request_body([STRICT], strict=True, username=username)},
    )
    async def oauth2_password_form_strict(request: Request, server: CurrentServer) -> Response:
        """A token."""
        grants = {STRICT.grant_type: STRICT} if offered else {}
        return await answer_token_request(request, server, grants, strict=True)

    return router
