"""What of the browser's part ends along with what is managed."""

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.features.authorization_code.consents import remember, remembered_scopes
from app.server import Server
from tests.support.factories import TestClient, TestUser
from tests.support.flow import Page, assert_logged_in, assert_logged_out, open_browser, submit
from tests.support.managed_users import ENDING


@pytest.mark.parametrize("stop", ENDING)
async def test_the_browser_sessions_of_a_user_stop_at_once(
    http: httpx2.AsyncClient, app: FastAPI, as_admin: dict[str, str], alice: TestUser, stop: Any
) -> None:
    async with open_browser(app) as browser:
        page = Page(await browser.get("/login"))
        fields = {"username": alice.username, "password": alice.password}
        await submit(browser, page.form, fields)
        await assert_logged_in(browser, alice.username)
        await stop(http, as_admin, alice)
        await assert_logged_out(browser)


async def test_a_scope_is_deleted_with_the_consents_to_it(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    alice: TestUser,
    shop: TestClient,
) -> None:
    """Or who once allowed it would have allowed another one that gets its name."""
    created = {"name": "reports", "description": "Read reports"}
    assert (await http.post("/scopes", json=created, headers=as_admin)).status_code == 201
    async with server.database.transaction() as connection:
        await remember(connection, alice.id, shop.client_id, ["reports"], [], server.clock.now())
    response = await http.delete("/scopes/reports", headers=as_admin)
    assert response.status_code == 204, response.text
    async with server.database.read() as connection:
        assert await remembered_scopes(connection, alice.id, shop.client_id, []) == frozenset()
