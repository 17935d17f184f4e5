"""``APIKeyQuery``: a key in the address. Shown because FastAPI has it; do not use it.

An address is written to logs, histories and bookmarks, and handed on in ``Referer``. This
server's own access log leaves the query out; other programs on the way may not.
"""

from typing import Annotated

from fastapi import APIRouter, Request, Security
from fastapi.security import APIKeyQuery

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

NAME = "api_key"

query = APIKeyQuery(
    name=NAME,
    scheme_name="APIKeyQuery",
    description="An API key in the address. It ends up in logs: prefer the header.",
    auto_error=False,
)


@router.get(
    "/schemes/api-key/query",
    operation_id="scheme_api_key_query",
    summary="APIKeyQuery, and why not to use it",
    responses=API_KEY_RESPONSES,
)
@guard
async def api_key_query(
    request: Request, server: CurrentServer, key: Annotated[str | None, Security(query)]
) -> SchemeAnswer:
    """Recognise the owner of the key in `?api_key=`. Keys in addresses leak: use the header."""
    refuse_repeated(request.query_params.getlist(NAME))
    return answer_for_key("APIKeyQuery", await check_api_key(server, key))
