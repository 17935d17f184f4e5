"""Tokens that look like genuine ones, made with any header, claims and key."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import jwt

from app.server import Server
from tests.support.assertions import assert_bearer_error
from tests.support.factories import TestClient, TestUser, bearer, log_in


def encode(part: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def encode_parts(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """What a JWS signs."""
    return encode(json.dumps(header).encode()) + "." + encode(json.dumps(claims).encode())


def sign(signed: str, key: Any, alg: str = "ES256") -> str:
    """``signed`` with its signature."""
    signature = jwt.get_algorithm_by_name(alg).sign(signed.encode(), key)
    return f"{signed}.{encode(signature)}"


@dataclass(frozen=True)
class Forger:
    """A genuine token, its parts, and the server's own private key."""

    genuine: str
    header: dict[str, Any]
    claims: dict[str, Any]
    key: Any

    def sign(
        self,
        claims: Mapping[str, Any] | None = None,
        header: Mapping[str, Any] | None = None,
        *,
        leave_out: str = "",
        key: Any = None,
        alg: str = "ES256",
    ) -> str:
        """A signed token, with the given claims and header members changed."""
        changed = self.claims | dict(claims or {})
        changed.pop(leave_out, None)
        return sign(encode_parts(self.header | dict(header or {}), changed), key or self.key, alg)


async def forge(
    server: Server, http: httpx2.AsyncClient, user: TestUser, client: TestClient
) -> Forger:
    """A forger of tokens of ``user`` with the scope ``profile``."""
    token = (await log_in(http, user, client, "profile"))["access_token"]
    return Forger(
        token,
        jwt.get_unverified_header(token),
        read_claims(token),
        (await server.keys.signing("ES256")).key,
    )


def read_claims(token: str) -> dict[str, Any]:
    """The claims, whoever signed them."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def get_me(http: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await http.get("/users/me", headers=bearer(token))


async def assert_accepted(http: httpx2.AsyncClient, token: str) -> None:
    response = await get_me(http, token)
    assert (response.status_code, response.json().get("username")) == (200, "alice")


async def assert_refused(http: httpx2.AsyncClient, token: str) -> None:
    assert_bearer_error(await get_me(http, token), "invalid_token", 401)
