"""Several schemes with ``auto_error=False``: whichever credential comes.

The first that is presented decides, in the order bearer token, API key, Basic; if it is bad the
answer is 401, whatever else was sent. In OpenAPI the three are alternatives.

FastAPI calls every dependency before the route. What they give does not tell "nothing was sent"
from "something unreadable was": they are declared for OpenAPI and Swagger UI, and the route looks
at the headers itself, in turn.
"""

from typing import Annotated

from fastapi import APIRouter, Request, Security
from fastapi.security import HTTPBasicCredentials, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from starlette.requests import HTTPConnection

from app.errors import MissingTokenError
from app.features.api_keys.presented import check_api_key, refuse_repeated
from app.features.schemes import http_basic
from app.features.schemes.answer import (
    TAG,
    SchemeAnswer,
    answer_for,
    answer_for_key,
    check_password,
)
from app.features.schemes.api_key_header import NAME, header
from app.features.schemes.dropin.basic import Utf8HTTPBasic
from app.features.schemes.http_bearer import http_bearer
from app.oauth2.bearer import BEARER_RESPONSES, bearer_token, identify, presents_bearer, verify
from app.settings import Settings
from app.web.dependencies import CurrentServer
from app.web.openers import guard
from app.web.origin import origin_of
from app.web.problems import TOO_MANY_ATTEMPTS


class BasicInTurn(Utf8HTTPBasic):
    """Declared like the others, but read only when it is its turn: it may not be what decides."""

    async def __call__(self, request: HTTPConnection) -> None:
        """Nothing yet."""

    async def read(self, request: HTTPConnection) -> HTTPBasicCredentials | None:
        """What the drop-in reads."""
        return await super().__call__(request)


def make_router(settings: Settings) -> APIRouter:
    """The sample route."""
    router = APIRouter(tags=[TAG])
    # Under the names of the other samples, and described alike: one login serves them all.
    bearer = HTTPBearer(
        bearerFormat="JWT",
        scheme_name=http_bearer.scheme_name,
        description=http_bearer.model.description,
        auto_error=False,
    )
    basic = BasicInTurn(
        realm=settings.realm,
        scheme_name="HTTPBasic",
        description=http_basic.DESCRIPTION,
        auto_error=False,
    )

    @router.get(
        "/schemes/any-of",
        operation_id="scheme_any_of",
        summary="Bearer token, API key or Basic",
        responses={
            **BEARER_RESPONSES,
            401: {
                **BEARER_RESPONSES[401],
                "description": "Nobody was recognised; the challenge is of what was presented.",
                "headers": {
                    "WWW-Authenticate": {
                        "schema": {"type": "string"},
                        "description": "`Bearer`, `APIKey` or `Basic`, with its realm. `Bearer` "
                        "too if nothing was presented.",
                    }
                },
            },
            **TOO_MANY_ATTEMPTS,
        },
    )
    @guard
    async def any_of(
        request: Request,
        server: CurrentServer,
        _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
        key: Annotated[str | None, Security(header)],
        _basic: Annotated[None, Security(basic)],
    ) -> SchemeAnswer:
        """Recognise a user by whichever credential comes."""
        if presents_bearer(request):
            user = await identify(server, await verify(server, bearer_token(request)), [])
            return answer_for("HTTPBearer", user)
        if keys := request.headers.getlist(NAME):  # FastAPI's class takes an empty one for none
            refuse_repeated(keys)
            return answer_for_key("APIKeyHeader", await check_api_key(server, key))
        if (credentials := await basic.read(request)) is not None:
            account = await check_password(server, credentials, origin_of(request))
            if account is None:
                raise basic.make_not_authenticated_error()
            return answer_for("HTTPBasic", account)
        raise MissingTokenError

    return router
