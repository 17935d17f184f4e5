"""Rotations while users are logged in: nobody is logged out by one."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.management.authority import operating
from app.management.clients import rotate_secret
from app.tokens.key_rotation import rotate_keys
from tests.conftest import make_settings
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_user, log_in
from tests.support.flow import CodeFlow, Page, add_web_client, assert_logged_in, open_browser
from tests.support.forger import assert_accepted
from tests.support.lifecycle import add_refreshing, refresh, refreshed
from tests.support.started import started

OLD = "the old secret of 32 bytes or more"
NEW = "the new secret of 32 bytes or more"

STEPS = ([OLD], [OLD, NEW], [NEW, OLD], [NEW])
"""What LATCHKEY_SECRET_KEY is, from one restart to the next."""


class Instances:
    """Servers on one database, with secrets of their own."""

    def __init__(self, url: str, clock: TestClock, stack: AsyncExitStack) -> None:
        self._url = url
        self._clock = clock
        self._stack = stack

    async def start(self, secrets: Sequence[str]) -> tuple[FastAPI, httpx2.AsyncClient]:
        settings = make_settings(database_url=self._url, secret_key=list(secrets))
        app = create_app(settings, self._clock)
        return app, await self._stack.enter_async_context(started(app))


@pytest.fixture
async def instances(database_url: str, clock: TestClock) -> AsyncGenerator[Instances]:
    async with AsyncExitStack() as stack:
        yield Instances(database_url, clock, stack)


async def story(app: FastAPI) -> tuple[TestUser, TestClient, TestClient]:
    """A user, a client that refreshes, and one of the code flow."""
    user = await add_user(app.state.server, scopes=("openid", "profile"))
    return (
        user,
        await add_refreshing(app.state.server),
        await add_web_client(app.state.server, "web", scopes=("openid", "profile")),
    )


def moved(browser: httpx2.AsyncClient, app: FastAPI) -> httpx2.AsyncClient:
    """The same browser, sent to another instance by the proxy."""
    other = open_browser(app)
    other.cookies = browser.cookies
    return other


async def test_nobody_is_logged_out_by_a_new_secret_key(instances: Instances) -> None:
    app, http = await instances.start(STEPS[0])
    user, client, web = await story(app)
    tokens = await log_in(http, user, client)
    browser = open_browser(app)
    await CodeFlow(browser, user, web).tokens()
    for secrets in STEPS[1:]:
        app, http = await instances.start(secrets)
        browser = moved(browser, app)
        await assert_logged_in(browser, user.username)
        await assert_accepted(http, tokens["access_token"])
        tokens = await refreshed(http, client, tokens["refresh_token"])


@pytest.mark.parametrize("step", [1, 2])
async def test_instances_of_two_steps_serve_one_login_together(
    instances: Instances, step: int
) -> None:
    """A rolling restart: some have the next secrets already, and one of the others restarts."""
    before, http = await instances.start(STEPS[step])
    after, renewed = await instances.start(STEPS[step + 1])
    user, client, web = await story(before)
    shown_there = CodeFlow(open_browser(after), user, web)
    page = await shown_there.login_page()
    sent_here = CodeFlow(moved(shown_there.browser, before), user, web)
    answer = await sent_here.log_in(page)
    assert answer.status_code == 303, Page(answer).text
    _, restarted = await instances.start(STEPS[step])
    tokens = await log_in(renewed, user, client)
    for instance in (http, restarted, renewed):
        await assert_accepted(instance, tokens["access_token"])
        tokens = await refreshed(instance, client, tokens["refresh_token"])


async def test_nobody_is_logged_out_by_a_new_client_secret(
    instances: Instances, clock: TestClock
) -> None:
    app, http = await instances.start([OLD])
    server = app.state.server
    user, client, _ = await story(app)
    tokens = await log_in(http, user, client)
    async with operating(server.database, server.clock) as operator:
        secret, _ = await rotate_secret(operator, client.client_id, timedelta(hours=1))
    clock.advance(10)
    renewed = TestClient(client.client_id, secret)
    tokens = await refreshed(http, client, tokens["refresh_token"])
    tokens = await refreshed(http, renewed, tokens["refresh_token"])
    clock.advance(3600)
    assert (await refresh(http, client, tokens["refresh_token"])).status_code == 401
    await refreshed(http, renewed, tokens["refresh_token"])


async def test_nobody_is_logged_out_by_new_signing_keys(
    instances: Instances, clock: TestClock
) -> None:
    app, http = await instances.start([OLD])
    server = app.state.server
    user, client, _ = await story(app)
    tokens = await log_in(http, user, client)
    async with operating(server.database, server.clock) as operator:
        await rotate_keys(
            operator.connection,
            server.encryption,
            server.signing_algorithms,
            server.clock,
            server.settings,
            at_once=True,
        )
    clock.advance(5)
    await assert_accepted(http, tokens["access_token"])
    renewed = await refreshed(http, client, tokens["refresh_token"])
    await assert_accepted(http, renewed["access_token"])
    kids = [key["kid"] for key in (await http.get("/.well-known/jwks.json")).json()["keys"]]
    assert len(kids) == 2 * len(server.signing_algorithms)
