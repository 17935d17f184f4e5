"""The same of the tokens that began with a browser session and a code."""

from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from app.features.authorization_code import grant as code_grant
from app.oauth2.new_login import begin_login
from tests.support.databases import Backend
from tests.support.factories import TestClient, TestUser
from tests.support.flow import CALLBACK, CodeFlow, Page, add_web_client, open_browser, submit
from tests.support.shared import Shared
from tests.support.token_machine import EXAMPLES, SCOPES, TokenLifecycle, any_of, tell
from tests.support.token_model import SESSION_TTL, Visit


class BrowserLifecycle(TokenLifecycle):
    """A user who logs in with browsers, too."""

    def __init__(self) -> None:
        super().__init__()
        self.browsers: list[httpx2.AsyncClient] = []

    async def add_shop(self) -> TestClient:
        return await add_web_client(
            self.server,
            grant_types=("password", "refresh_token", "authorization_code"),
            scopes=SCOPES,
            default_scopes=SCOPES[1:],
        )

    async def log_in_otherwise(self) -> None:
        await self._log_in_with_a_code(offline=False)

    @precondition(lambda self: self.may_log_in() and self.shop.enabled)
    @rule(offline=st.booleans())
    def log_in_with_a_code(self, offline: bool) -> None:
        self.run(self._log_in_with_a_code(offline))

    async def _log_in_with_a_code(self, offline: bool) -> None:
        browser = open_browser(self.app)
        self.browsers.append(browser)
        user = TestUser(self.user.id, "alice", self.person.password)
        scope = "openid profile account" + (" offline_access" if offline else "")
        flow = CodeFlow(browser, user, self.client(self.shop), scope=scope)
        code = await flow.code()
        response = await flow.exchange(code)
        assert response.status_code == 200, response.text
        visit = Visit(self.clock.now() + timedelta(seconds=SESSION_TTL))
        self.model.visits.append(visit)
        login = self.model.begin(self.shop, self.person, code=code, visit=visit, offline=offline)
        self.keep(self.shop, login, response.json())

    @precondition(lambda self: self.shop.enabled and any(each.code for each in self.model.logins))
    @rule(which=any_of)
    def present_a_code_again(self, which: int) -> None:
        logins = [login for login in self.model.logins if login.code]
        login = logins[which % len(logins)]
        flow = CodeFlow(self.http, self.user, self.client(self.shop), redirect_uri=CALLBACK)
        response = self.run(flow.exchange(login.code))
        assert response.status_code == 400, response.text
        login.ended = True

    @precondition(lambda self: self.visits_that_go_on())
    @rule(which=any_of)
    def log_out(self, which: int) -> None:
        numbers = self.visits_that_go_on()
        number = numbers[which % len(numbers)]
        self.run(self._log_out(self.browsers[number]))
        self.model.logged_out(self.model.visits[number])

    def visits_that_go_on(self) -> list[int]:
        now = self.model.now
        return [n for n, visit in enumerate(self.model.visits) if not visit.over(now)]

    @staticmethod
    async def _log_out(browser: httpx2.AsyncClient) -> None:
        response = await submit(browser, Page(await browser.get("/logout")).form)
        assert response.status_code == 200, response.text

    @precondition(lambda self: self.visits_that_go_on())
    @rule()
    def let_the_newest_browser_session_run_out(self) -> None:
        newest = self.model.visits[self.visits_that_go_on()[-1]]
        self.pass_time(int((newest.ends_at - self.model.now).total_seconds()))

    async def _close(self) -> None:
        for browser in self.browsers:
            await browser.aclose()
        await super()._close()


@pytest.fixture(scope="module", autouse=True)
def _sqlite(sqlite: Backend) -> None:
    BrowserLifecycle.backend, BrowserLifecycle.shared = sqlite, Shared()


def test_every_token_is_alive_exactly_when_the_model_says_so() -> None:
    run_state_machine_as_test(BrowserLifecycle, settings=EXAMPLES)


# It would notice


async def begin_without_an_end(*arguments: Any, ends_by: object, **more: Any) -> Any:
    """In the place of the beginning of a login that ends with its browser session."""
    return await begin_login(*arguments, **more)


def outlive_the_session(machine: BrowserLifecycle) -> None:
    machine.let_the_newest_browser_session_run_out()


@pytest.mark.parametrize("with_bug", [True, False], ids=["bug", "no_bug"])
def test_the_machine_notices_a_login_that_outlives_its_session_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, *, with_bug: bool
) -> None:
    if with_bug:
        monkeypatch.setattr(code_grant, "begin_login", begin_without_an_end)
    with pytest.raises(AssertionError) if with_bug else nullcontext():
        tell(BrowserLifecycle(), outlive_the_session)
