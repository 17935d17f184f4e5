"""The public keys: RFC 7517."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from app.oauth2.published import Published, serve_published
from app.security.jwt import PublicKey
from app.web.dependencies import server_of
from app.web.problems import PROBLEM_RESPONSES

router = APIRouter(tags=["discovery"], responses=PROBLEM_RESPONSES)

MAX_AGE = 300
"""Seconds. Half of what lies between publishing a key and signing with it."""


class Jwks(BaseModel):
    """RFC 7517, section 5."""

    keys: list[dict[str, Any]]


def key_set(keys: Mapping[str, PublicKey]) -> Mapping[str, Any]:
    """The document with ``keys``."""
    return {"keys": [dict(key.jwk) for key in keys.values()]}


_published = Published(key_set, MAX_AGE)


async def jwks(request: Request) -> Response:
    """The keys for verifying tokens issued by this server."""
    return _published.answer(request, await server_of(request).keys.public())


serve_published(
    router,
    "/.well-known/jwks.json",
    jwks,
    operation_id="get_jwks",
    summary="Get the public keys",
    response_model=Jwks,
)
