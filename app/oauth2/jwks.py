"""The public keys: RFC 7517."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from app.oauth2.published import publish, serve_published
from app.server import CurrentServer
from app.web.problems import PROBLEM_RESPONSES

router = APIRouter(tags=["discovery"], responses=PROBLEM_RESPONSES)

MAX_AGE = 300
"""Seconds. Half of what lies between publishing a key and signing with it."""


class Jwks(BaseModel):
    """RFC 7517, section 5."""

    keys: list[dict[str, Any]]


async def jwks(request: Request, server: CurrentServer) -> Response:
    """The keys for verifying tokens issued by this server."""
    keys = [dict(key.jwk) for key in (await server.keys.public()).values()]
    return publish(request, {"keys": keys}, MAX_AGE)


serve_published(
    router,
    "/.well-known/jwks.json",
    jwks,
    operation_id="get_jwks",
    summary="Get the public keys",
    response_model=Jwks,
)
