"""``SecurityScopes`` and ``Security``: scopes gathered along a chain of dependencies.

The route asks for one scope, a dependency for another; ``SecurityScopes`` in the dependency that
both build on holds the two. A missing one is 403 ``insufficient_scope``, and the challenge names
them all.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Security
from fastapi.security import SecurityScopes

from app.features.schemes.answer import TAG, SchemeAnswer, answer_for
from app.oauth2.bearer import BEARER_RESPONSES, Credential, CurrentUser, identify, verified_token
from app.web.dependencies import CurrentServer

router = APIRouter(tags=[TAG], responses=BEARER_RESPONSES)


async def somebody(
    security_scopes: SecurityScopes,
    server: CurrentServer,
    token: Annotated[Credential, Depends(verified_token)],
) -> CurrentUser:
    """The user of the token, which must have every scope that was asked for on the way here.

    Raises a :class:`~app.errors.BearerError`.
    """
    return await identify(server, token, security_scopes.scopes)


Reader = Annotated[CurrentUser, Security(somebody, scopes=["items:read"])]
Writer = Annotated[CurrentUser, Security(somebody, scopes=["items:write"])]


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
