"""A request that the server cannot answer uses nothing up: the client tries again, and succeeds."""

import httpx2
import pytest
from sqlalchemy import event, update
from sqlalchemy.exc import DBAPIError

from app.models import SigningKey
from app.server import Server
from app.tokens import id_tokens
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_user
from tests.support.flow import USER_SCOPES, CodeFlow, add_web_client
from tests.support.lifecycle import KNOWN_EVERYWHERE, refresh, refreshed


class Deadlock(Exception):
    sqlstate = "40P01"


@pytest.fixture
async def alice(server: Server) -> TestUser:
    return await add_user(server, scopes=USER_SCOPES)


@pytest.fixture
async def shop(server: Server) -> TestClient:
    return await add_web_client(server, id_token_alg="EdDSA")


@pytest.fixture
def flow(http: httpx2.AsyncClient, alice: TestUser, shop: TestClient) -> CodeFlow:
    return CodeFlow(http, alice, shop)


async def publish_keys(server: Server, clock: TestClock, *, published: bool) -> None:
    """Take every signing key away, or give it back."""
    async with server.database.transaction() as connection:
        await connection.execute(
            update(SigningKey).values(retired_at=None if published else clock.now())
        )
    clock.advance(KNOWN_EVERYWHERE)


# Without a key


async def test_a_refresh_token_is_good_again_when_there_is_a_key(
    flow: CodeFlow, server: Server, clock: TestClock
) -> None:
    tokens = await flow.tokens()
    await publish_keys(server, clock, published=False)
    response = await refresh(flow.browser, flow.client, tokens["refresh_token"])
    assert (response.status_code, response.json()["error"]) == (500, "server_error")
    await publish_keys(server, clock, published=True)
    await refreshed(flow.browser, flow.client, tokens["refresh_token"])


async def test_a_code_is_good_again_when_there_is_a_key(
    flow: CodeFlow, server: Server, clock: TestClock
) -> None:
    code = await flow.code()
    await publish_keys(server, clock, published=False)
    response = await flow.exchange(code)
    assert (response.status_code, response.json()["error"]) == (500, "server_error")
    await publish_keys(server, clock, published=True)
    assert (await flow.exchange(code)).status_code == 200


async def test_a_code_is_good_again_when_the_key_of_an_id_token_could_not_be_made(
    flow: CodeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody needed a key for this algorithm before, and the database undoes the making of it."""
    code = await flow.code()

    async def fail(*_: object) -> None:
        raise DBAPIError("INSERT", {}, Deadlock())

    with monkeypatch.context() as patch:
        patch.setattr(id_tokens, "ensure_signing_key", fail)
        assert (await flow.exchange(code)).status_code == 503
    assert (await flow.exchange(code)).status_code == 200


# A transaction that the database undid


@pytest.mark.parametrize("grant", ["code", "refresh_token", "revocation"])
async def test_a_transaction_that_the_database_undid_is_done_again_by_itself(
    flow: CodeFlow, server: Server, grant: str
) -> None:
    tokens, code = await flow.tokens(), await flow.code()
    undone: list[str] = []
    engines = (server.database._writer.sync_engine, server.database._reader.sync_engine)

    def undo_once(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if not undone and " SET " in statement:
            undone.append(statement)
            raise DBAPIError("UPDATE", {}, Deadlock())

    for engine in engines:
        event.listen(engine, "before_cursor_execute", undo_once)
    if grant == "code":
        response = await flow.exchange(code)
    elif grant == "refresh_token":
        response = await refresh(flow.browser, flow.client, tokens["refresh_token"])
    else:
        data = {"token": tokens["refresh_token"]}
        response = await flow.browser.post("/revoke", data=data, auth=flow.client.basic)
    assert (response.status_code, len(undone)) == (200, 1)
