"""The second service of docs/one-machine.md takes the tokens of this server."""

import re
from collections.abc import AsyncGenerator
from types import ModuleType

import httpx2
import jwt
import pytest
from fastapi import FastAPI

from scripts.empty_debian import script
from tests.conftest import ISSUER
from tests.support.factories import add_client, add_scope, add_user, bearer, log_in

SCOPE = "orders:read"


@pytest.fixture
async def orders(
    http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[httpx2.AsyncClient]:
    """The service, which fetches the keys of the server under test."""
    found = re.findall(r"^cat > orders\.py <<'END_OF_FILE'\n(.*?)^END", script(), re.M | re.S)
    (text,) = found
    module = ModuleType("orders")
    exec(text.replace("https://login.example.com", ISSUER), vars(module))
    keys = (await http.get("/.well-known/jwks.json")).json()
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda _: keys)
    transport = httpx2.ASGITransport(app=module.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://orders") as client:
        yield client


@pytest.fixture
async def tokens(app: FastAPI, http: httpx2.AsyncClient) -> dict[str, str]:
    """What a user with the scope gets for it, and for another one."""
    server = app.state.server
    await add_scope(server, SCOPE, "Read your orders")
    user = await add_user(server, scopes=("profile", SCOPE))
    client = await add_client(server, scopes=("profile", SCOPE))
    answers = {scope: await log_in(http, user, client, scope) for scope in (SCOPE, "profile")}
    return {scope: answer["access_token"] for scope, answer in answers.items()}


async def test_it_answers_whoever_has_the_scope(
    orders: httpx2.AsyncClient, tokens: dict[str, str]
) -> None:
    answer = await orders.get("/orders", headers=bearer(tokens[SCOPE]))
    subject = jwt.decode(tokens[SCOPE], options={"verify_signature": False})["sub"]
    assert (answer.status_code, answer.json()) == (200, f"the orders of {subject}")


async def test_it_refuses_whoever_lacks_the_scope(
    orders: httpx2.AsyncClient, tokens: dict[str, str]
) -> None:
    answer = await orders.get("/orders", headers=bearer(tokens["profile"]))
    assert answer.status_code == 403
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'


async def test_it_refuses_a_token_that_was_changed_and_none(
    orders: httpx2.AsyncClient, tokens: dict[str, str]
) -> None:
    head, _, signature = tokens["profile"].rpartition(".")
    other_signature = tokens[SCOPE].rpartition(".")[2]
    assert signature != other_signature
    changed = await orders.get("/orders", headers=bearer(f"{head}.{other_signature}"))
    assert changed.status_code == 401
    assert changed.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert (await orders.get("/orders")).status_code == 401


async def test_it_is_unavailable_while_it_cannot_fetch_the_keys(
    orders: httpx2.AsyncClient, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise jwt.PyJWKClientConnectionError

    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", refuse)
    assert (await orders.get("/orders", headers=bearer(tokens[SCOPE]))).status_code == 503
