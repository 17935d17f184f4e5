"""Rotations while somebody is logged in with a browser: a form and a session go on."""

import httpx2
import pytest
from fastapi import FastAPI

from tests.support.factories import TestClient, TestUser, add_user
from tests.support.flow import CodeFlow, Page, add_web_client, assert_logged_in, open_browser
from tests.support.instances import STEPS, Instances, instances

__all__ = ["instances"]


async def story(app: FastAPI) -> tuple[TestUser, TestClient]:
    """A user, and a client of the code flow."""
    user = await add_user(app.state.server, scopes=("openid", "profile"))
    return user, await add_web_client(app.state.server, "web", scopes=("openid", "profile"))


def moved(browser: httpx2.AsyncClient, app: FastAPI) -> httpx2.AsyncClient:
    """The same browser, sent to another instance by the proxy."""
    other = open_browser(app)
    other.cookies = browser.cookies
    return other


async def test_nobody_is_logged_out_by_a_new_secret_key(instances: Instances) -> None:
    app, _ = await instances.start(STEPS[0])
    user, web = await story(app)
    browser = open_browser(app)
    await CodeFlow(browser, user, web).tokens()
    for secrets in STEPS[1:]:
        app, _ = await instances.start(secrets)
        browser = moved(browser, app)
        await assert_logged_in(browser, user.username)


@pytest.mark.parametrize("step", [1, 2])
async def test_a_form_of_one_step_is_taken_by_an_instance_of_the_other(
    instances: Instances, step: int
) -> None:
    """A rolling restart: some have the next secrets already."""
    before, _ = await instances.start(STEPS[step])
    after, _ = await instances.start(STEPS[step + 1])
    user, web = await story(before)
    shown_there = CodeFlow(open_browser(after), user, web)
    page = await shown_there.login_page()
    sent_here = CodeFlow(moved(shown_there.browser, before), user, web)
    answer = await sent_here.log_in(page)
    assert answer.status_code == 303, Page(answer).text
