"""``APIKeyHeader``: a key in a header of its own. The best place for a key."""

from typing import Annotated

from fastapi import APIRouter, Request, Security
from fastapi.security import APIKeyHeader

from app.features.api_keys.presented import check_api_key, refuse_repeated
from app.features.schemes.answer import (
    API_KEY_RESPONSES,
    TAG,
    SchemeAnswer,
    answer_for_key,
)
from app.web.dependencies import CurrentServer
from app.web.openers import guard

router = APIRouter(tags=[TAG])

NAME = "X-API-Key"

header = APIKeyHeader(
    name=NAME,
    scheme_name="APIKeyHeader",
    description="An API key, from `POST /api-keys`.",
    auto_error=False,  # the answer to a missing key is the answer to a wrong one
)


@router.get(
    "/schemes/api-key/header",
    operation_id="scheme_api_key_header",
    summary="APIKeyHeader",
    responses=API_KEY_RESPONSES,
)
@guard
async def api_key_header(
    request: Request, server: CurrentServer, key: Annotated[str | None, Security(header)]
) -> SchemeAnswer:
    """Recognise the owner of the key in `X-API-Key`."""
    refuse_repeated(request.headers.getlist(NAME))
    return answer_for_key("APIKeyHeader", await check_api_key(server, key))
