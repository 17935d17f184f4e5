"""``APIKeyCookie``: a key in a cookie, for pages of the same site.

A browser sends cookies by itself, also when another site makes it: so the cookie is
``SameSite=Strict``, and the operation that sets it takes JSON, which another site cannot send
without asking first. A page's script can neither read the cookie (``HttpOnly``) nor set it: the
operation does, which the form in ``/docs`` finds by ``x-set-by``.
"""

from typing import Annotated

from fastapi import APIRouter, Request, Response, Security
from fastapi.openapi.models import APIKey
from fastapi.security import APIKeyCookie
from pydantic import AfterValidator, BaseModel, SecretStr

from app import IDENTIFIER
from app.errors import ForbiddenError
from app.features.api_keys.presented import check_api_key, refuse_repeated
from app.features.schemes.answer import (
    API_KEY_RESPONSES,
    TAG,
    SchemeAnswer,
    answer_for_key,
)
from app.web.dependencies import CurrentServer
from app.web.openers import guard
from app.web.problems import PROBLEM_RESPONSES, problem, with_body

router = APIRouter(tags=[TAG])

COOKIE = f"{IDENTIFIER}_key"

PATH = "/schemes/api-key/cookie"

DESCRIPTION = f"An API key in a cookie, which only the server can set: `PUT {PATH}` does."

cookie = APIKeyCookie(name=COOKIE, scheme_name="APIKeyCookie", auto_error=False)
cookie.model = APIKey(
    **{"in": "cookie", "name": COOKIE, "description": DESCRIPTION, "x-set-by": PATH}
)


def _sendable(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if len(text) > 200 or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("an API key has at most 200 characters")
    return key


class CookieKey(BaseModel):
    """The key to put into the cookie."""

    api_key: Annotated[SecretStr, AfterValidator(_sendable)]


@router.get(
    PATH,
    operation_id="scheme_api_key_cookie",
    summary="APIKeyCookie",
    responses=API_KEY_RESPONSES,
)
@guard
async def api_key_cookie(
    request: Request, server: CurrentServer, key: Annotated[str | None, Security(cookie)]
) -> SchemeAnswer:
    """Recognise the owner of the key in the cookie.

    First set it, with `PUT /schemes/api-key/cookie`.
    """
    pairs = ";".join(request.headers.getlist("cookie")).split(";")
    refuse_repeated([pair for pair in pairs if pair.partition("=")[0].strip() == COOKIE])
    return answer_for_key("APIKeyCookie", await check_api_key(server, key))


@router.put(
    PATH,
    status_code=204,
    operation_id="set_api_key_cookie",
    summary="Set the cookie",
    responses={**with_body(API_KEY_RESPONSES), 403: problem("It came from another site.")},
)
async def set_api_key_cookie(
    request: Request, server: CurrentServer, body: CookieKey, response: Response
) -> None:
    """Put a good key into the cookie, until the browser is closed."""
    _refuse_other_sites(request)
    key = body.api_key.get_secret_value()
    await check_api_key(server, key)
    secure = server.settings.issuer.startswith("https:")
    response.set_cookie(
        COOKIE, key, path="/schemes", secure=secure, httponly=True, samesite="strict"
    )


@router.delete(
    PATH,
    status_code=204,
    operation_id="clear_api_key_cookie",
    summary="Clear the cookie",
    responses={**PROBLEM_RESPONSES, 403: problem("It came from another site.")},
)
async def clear_api_key_cookie(request: Request, response: Response) -> None:
    """Take the cookie away."""
    _refuse_other_sites(request)
    response.delete_cookie(COOKIE, path="/schemes", httponly=True, samesite="strict")


def _refuse_other_sites(request: Request) -> None:
    # Browsers say where a request comes from, and no page can make them lie.
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForbiddenError(told="This is for pages of this very site.")
