"""``HTTPBasic`` with ``HTTPBasicCredentials``: a user's name and password with each request.

FastAPI's class reads ASCII only; :class:`~app.features.schemes.dropin.basic.Utf8HTTPBasic` reads
UTF-8. The password is hashed at every request, which is what Basic costs.
"""

from typing import Annotated

from fastapi import APIRouter, Request, Security
from fastapi.security import HTTPBasicCredentials

from app.features.schemes.answer import (
    TAG,
    SchemeAnswer,
    answer_for,
    challenge_responses,
    check_password,
)
from app.features.schemes.dropin.basic import Utf8HTTPBasic
from app.settings import Settings
from app.web.dependencies import CurrentServer
from app.web.origin import origin_of
from app.web.problems import TOO_MANY_ATTEMPTS

DESCRIPTION = "A user's name and login password."


def make_router(settings: Settings) -> APIRouter:
    """The sample route, with the realm of the settings in its challenge."""
    router = APIRouter(tags=[TAG])
    basic = Utf8HTTPBasic(
        realm=settings.realm,
        scheme_name="HTTPBasic",
        description=DESCRIPTION,
    )

    @router.get(
        "/schemes/http/basic",
        operation_id="scheme_http_basic",
        summary="HTTPBasic",
        responses={
            **challenge_responses('Basic realm="latchkey", charset="UTF-8"'),
            **TOO_MANY_ATTEMPTS,
        },
    )
    async def http_basic(
        request: Request,
        server: CurrentServer,
        credentials: Annotated[HTTPBasicCredentials, Security(basic)],
    ) -> SchemeAnswer:
        """Check name and password against the database. A browser asks with its own dialog."""
        account = await check_password(server, credentials, origin_of(request))
        if account is None:
            raise basic.make_not_authenticated_error()
        return answer_for("HTTPBasic", account)

    return router
