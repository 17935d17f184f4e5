"""What of the browser's part ends along with what is managed."""

import asyncio
import os
import subprocess
import sys
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.features.authorization_code.consents import remember, remembered_scopes
from app.server import Server
from tests.support.assertions import assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser
from tests.support.flow import (
    CodeFlow,
    Page,
    assert_logged_in,
    assert_logged_out,
    open_browser,
    submit,
)
from tests.support.lifecycle import KNOWN_EVERYWHERE
from tests.support.live_server import ROOT
from tests.support.managed_users import ENDING
from tests.support.processes import development


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


async def test_a_code_is_good_no_longer_after_a_command_that_disables_its_client(
    flow: CodeFlow, server: Server, clock: TestClock
) -> None:
    """In a process of its own, which has imported no more than the command takes."""
    code = await flow.code()
    environment = {**os.environ, **development(server.settings.database_url)}
    for verb in ("disable", "enable"):
        command = [sys.executable, "-m", "app", "clients", verb, flow.client.client_id]
        await asyncio.to_thread(subprocess.run, command, env=environment, check=True, cwd=ROOT)
    clock.advance(KNOWN_EVERYWHERE)
    assert_oauth2_error(await flow.exchange(code), "invalid_grant")
