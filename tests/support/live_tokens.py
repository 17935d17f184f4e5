"""What a client of a live server does: log in, refresh, revoke, use a token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx2

CLIENT = {"client_id": "first-party"}

ALICE = {"username": "alice", "password": "alice-in-wonderland"}

REFUSED = (400, "invalid_grant")
"""The answer of ``/token`` to a refresh token that is used, revoked or unknown."""

TIMEOUT = 20
"""Seconds for one request; nothing is meant to take that long."""

KEEPALIVE = 2
"""Seconds; the servers keep an idle connection for five."""


@dataclass(frozen=True)
class Tokens:
    """What a login or a refresh gave."""

    access: str
    refresh: str


def http_client() -> httpx2.AsyncClient:
    """A client that keeps enough connections open to send many requests at once.

    It lets go of an idle one before the server does, which may be just when it is used again.
    """
    limits = httpx2.Limits(
        max_connections=64, max_keepalive_connections=64, keepalive_expiry=KEEPALIVE
    )
    return httpx2.AsyncClient(trust_env=False, timeout=TIMEOUT, limits=limits)


def received(response: httpx2.Response) -> Tokens:
    """The tokens of a good answer."""
    assert response.status_code == 200, response.text
    answer = response.json()
    return Tokens(answer["access_token"], answer["refresh_token"])


def outcome(response: httpx2.Response) -> tuple[int, str | None]:
    """The status and the error code."""
    return response.status_code, response.json().get("error")


async def ask_for_tokens(
    http: httpx2.AsyncClient, url: str, user: Mapping[str, str] = ALICE, scope: str = ""
) -> httpx2.Response:
    """Send a user's name and password."""
    form = {"grant_type": "password", "scope": scope, **user, **CLIENT}
    return await http.post(f"{url}/token", data=form)


async def log_in(
    http: httpx2.AsyncClient, url: str, user: Mapping[str, str] = ALICE, scope: str = ""
) -> Tokens:
    """A new family."""
    return received(await ask_for_tokens(http, url, user, scope))


async def refresh(http: httpx2.AsyncClient, url: str, token: str) -> httpx2.Response:
    """Use a refresh token."""
    form = {"grant_type": "refresh_token", "refresh_token": token, **CLIENT}
    return await http.post(f"{url}/token", data=form)


async def revoke(http: httpx2.AsyncClient, url: str, token: str) -> httpx2.Response:
    """Revoke a token of either kind."""
    return await http.post(f"{url}/revoke", data={"token": token, **CLIENT})


async def use(http: httpx2.AsyncClient, url: str, access_token: str) -> int:
    """The status of a protected route."""
    headers = {"Authorization": f"Bearer {access_token}"}
    return (await http.get(f"{url}/users/me", headers=headers)).status_code


async def use_everywhere(
    http: httpx2.AsyncClient, urls: Sequence[str], access_tokens: Sequence[str]
) -> list[int]:
    """The status of each access token at each server."""
    return [await use(http, url, token) for token in access_tokens for url in urls]


async def refresh_everywhere(
    http: httpx2.AsyncClient, urls: Sequence[str], refresh_tokens: Sequence[str]
) -> list[tuple[int, str | None]]:
    """The outcome of using each refresh token at each server."""
    return [outcome(await refresh(http, url, token)) for token in refresh_tokens for url in urls]
