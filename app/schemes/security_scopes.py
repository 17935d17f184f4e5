"""``SecurityScopes`` and ``Security``: scopes gathered along a chain of dependencies.

The route asks for one scope, a dependency for another; ``SecurityScopes`` in ``current_user``
holds both. A missing one is 403 ``insufficient_scope``, and the challenge names them all.
"""

from typing import Annotated

from fastapi import APIRouter, Security

from app.oauth2.bearer import BEARER_RESPONSES, CurrentUser, current_user
from app.schemes.answer import TAG, SchemeAnswer, answer_for

router = APIRouter(tags=[TAG], responses=BEARER_RESPONSES)

Reader = Annotated[CurrentUser, Security(current_user, scopes=["items:read"])]
Writer = Annotated[CurrentUser, Security(current_user, scopes=["items:write"])]


async def reader(user: Reader) -> CurrentUser:
    """Somebody who may read: what other dependencies can build on."""
    return user


@router.get("/schemes/scopes/read", operation_id="scheme_scopes_read", summary="One scope")
async def read(user: Reader) -> SchemeAnswer:
    """Needs `items:read`."""
    return answer_for("SecurityScopes", user)


@router.post("/schemes/scopes/write", operation_id="scheme_scopes_write", summary="Another scope")
async def write(user: Writer) -> SchemeAnswer:
    """Needs `items:write`."""
    return answer_for("SecurityScopes", user)


@router.get("/schemes/scopes/nested", operation_id="scheme_scopes_nested", summary="Both scopes")
async def nested(
    user: Annotated[CurrentUser, Security(reader, scopes=["items:write"])],
) -> SchemeAnswer:
    """Needs `items:write` for itself and `items:read` for what it builds on."""
    return answer_for("SecurityScopes", user)
