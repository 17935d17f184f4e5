"""The account page: who is logged in, where, what they allowed, and their password."""

import re
import uuid

import httpx2
import pytest
from sqlalchemy import select

from app.features.authorization_code import account as account_page
from app.features.authorization_code import signed_in
from app.models import User
from app.server import Server
from tests.conftest import ISSUER
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, TestUser, add_client, add_user, log_in
from tests.support.flow import (
    CALLBACK,
    STALE_FORM,
    CodeFlow,
    Page,
    add_native_client,
    add_web_client,
    assert_asks_to_allow,
    assert_code_answer,
    assert_error_page,
    assert_logged_in,
    assert_logged_out,
    source_names,
    submit,
)
from tests.support.lifecycle import INACTIVE, introspected, is_active, login_of, refreshed
from tests.support.operators import events

NEW = "another long and good password"

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

NONE_LOGGED_IN = "No application is signed in to your account."
NONE_ALLOWED = "No application has access to your account."

ENDED_EVERYWHERE = "The application has been logged out everywhere."
SESSION_ENDED = "The application has been logged out."
TAKEN_BACK = "The application no longer has access to your account."
BROWSER_ENDED = "That browser has been logged out."
ELSEWHERE = "You have been logged out everywhere else."
CHANGED = "Your password has been changed. You have been logged out everywhere else."


async def account(browser: httpx2.AsyncClient) -> Page:
    return Page(await browser.get("/account"))


async def log_in_here(browser: httpx2.AsyncClient, user: TestUser) -> None:
    """Log in at this server itself, for no application."""
    form = Page(await browser.get("/login")).form
    await submit(browser, form, {"username": user.username, "password": user.password})


def browsers_on(page: Page) -> list[str]:
    """The ids of the browser sessions that the page shows."""
    return [form.fields["browser"] for form in page.forms if "browser" in form.fields]


def older(response: httpx2.Response, of: str) -> str | None:
    """The address of the next page of that list."""
    found = re.search(rf'href="(account\?{of}=[0-9a-f.]+)#{of}"', response.text)
    return f"/{found[1]}" if found else None


async def press(browser: httpx2.AsyncClient, /, **fields: str) -> httpx2.Response:
    """Send the form of the account page that these fields are in."""
    return await submit(browser, (await account(browser)).form_with(**fields))


async def change_password(
    browser: httpx2.AsyncClient, new: str = NEW, current: str = PASSWORD
) -> httpx2.Response:
    form = (await account(browser)).form_with(action="password")
    return await submit(browser, form, {"current_password": current, "new_password": new})


async def assert_done(browser: httpx2.AsyncClient, response: httpx2.Response, notice: str) -> None:
    """Back on the page, which says what was done; to load it again does it no second time."""
    location = response.headers["location"]
    assert (response.status_code, location.split("?")[0]) == (303, f"{ISSUER}/account")
    assert Page(await browser.get(location)).all("status") == [notice]


def assert_not_changed(response: httpx2.Response, alert: str) -> None:
    page = Page(response)
    assert (response.status_code, page.alert) == (400, alert)
    for form in page.forms:
        assert form.fields.get("current_password", "") == form.fields.get("new_password", "") == ""


async def password_works(flow: CodeFlow, browser: httpx2.AsyncClient, password: str) -> bool:
    """Whether one can log in with it."""
    form = Page(await browser.get("/login")).form
    fields = {"username": flow.user.username, "password": password}
    return (await submit(browser, form, fields)).status_code == 303


# The page


async def test_the_page_begins_with_a_link_to_each_of_its_sections(flow: CodeFlow) -> None:
    await flow.tokens()
    response = await flow.browser.get("/account")
    headings = Page(response).all("h2")
    assert len(headings) > 5
    assert Page(response).all("nav") == [" ".join(headings)]
    for anchor in re.findall(r'<a href="#([^"]+)">', response.text):
        assert response.text.count(f'id="{anchor}"') == 1


async def test_who_is_not_logged_in_is_led_to_the_login(http: httpx2.AsyncClient) -> None:
    response = await http.get("/account")
    assert (response.status_code, response.headers["location"]) == (303, f"{ISSUER}/login")


async def test_who_is_logged_out_meanwhile_is_led_to_the_login(flow: CodeFlow) -> None:
    await flow.finish()
    form = (await account(flow.browser)).form_with(action="password")
    await submit(flow.browser, Page(await flow.browser.get("/logout")).form)
    fields = {"current_password": PASSWORD, "new_password": NEW}
    response = await submit(flow.browser, form, fields)
    assert (response.status_code, response.headers["location"]) == (303, f"{ISSUER}/login")
    assert not await password_works(flow, flow.browser, NEW)


async def test_the_page_says_who_is_logged_in(flow: CodeFlow) -> None:
    await flow.finish()
    page = await account(flow.browser)
    assert page.heading == "Your account"
    assert "alice · alice@example.com" in page.text


async def test_the_page_of_a_user_without_an_address_names_the_user_alone(
    http: httpx2.AsyncClient, server: Server
) -> None:
    user = await add_user(server, "carol", email=None)
    await log_in_here(http, user)
    assert (await account(http)).text.startswith("Your account carol Log out")


async def test_the_rules_of_a_new_password_are_told_in_words_beside_its_field(
    flow: CodeFlow,
) -> None:
    await flow.finish()
    html = (await flow.browser.get("/account")).text
    rule = re.search(r'<p class="lead" id="rule">(.*?)</p>', html, re.DOTALL)
    assert rule is not None
    assert " ".join(rule[1].split()) == (
        "At least 15 characters of any kind, including spaces. It cannot be your user name or a "
        "common password. Several words are easy to remember and hard to guess."
    )
    assert re.search(r'<input id="new"[^>]*minlength="15"[^>]*aria-describedby="rule"', html)


async def test_the_page_is_kept_by_nobody_and_framed_nowhere(flow: CodeFlow) -> None:
    await flow.finish()
    response = await flow.browser.get("/account")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert source_names(response, "frame-ancestors") == ["'none'"]
    assert source_names(response, "form-action") == ["'self'"]


async def test_the_page_leads_to_the_logout(flow: CodeFlow) -> None:
    await flow.finish()
    assert "Log out" in (await account(flow.browser)).all("a")


async def test_the_page_of_a_user_without_any_login_says_so(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    await log_in_here(http, alice)
    page = await account(http)
    assert NONE_LOGGED_IN in page.text
    assert NONE_ALLOWED in page.text


@pytest.mark.parametrize("done", ["evil", "<script>", "", "password2"])
async def test_an_unknown_notice_is_none(flow: CodeFlow, done: str) -> None:
    await flow.finish()
    response = await flow.browser.get("/account", params={"done": done})
    assert (Page(response).all("status"), "<script>" in response.text) == ([], False)


@pytest.mark.parametrize("proof", ["", "0" * 64, "\u00fc"], ids=["none", "wrong", "not_ascii"])
async def test_a_link_from_elsewhere_cannot_say_that_something_was_done(
    flow: CodeFlow, proof: str
) -> None:
    await flow.finish()
    response = await flow.browser.get("/account", params={"done": "password", "proof": proof})
    assert Page(response).all("status") == []


async def test_an_unknown_action_does_nothing(flow: CodeFlow) -> None:
    tokens = await flow.tokens()
    form = (await account(flow.browser)).form_with(action="session")
    response = await submit(flow.browser, form, {"action": "evil\r\nX: y"})
    assert response.status_code == 303
    assert "x" not in response.headers
    assert await is_active(flow.browser, flow.client, tokens["access_token"])


# Sessions


async def test_the_page_shows_the_logins_of_the_user_newest_first(
    flow: CodeFlow, server: Server, clock: TestClock
) -> None:
    flow.browser.headers["User-Agent"] = FIREFOX
    first = await flow.tokens()
    clock.advance(60)
    second = await log_in(flow.browser, flow.user, await add_client(server), "profile")
    page = await account(flow.browser)
    shown = [form.fields["session"] for form in page.forms if "session" in form.fields]
    assert shown == [str(login_of(second)), str(login_of(first))]
    assert f"since {clock.now().strftime('%-d %B %Y, %H:%M')} UTC" in page.text
    assert "from 127.0.0.1" in page.text
    assert "Firefox on Linux" in page.text
    assert f'title="{FIREFOX}"' in (await flow.browser.get("/account")).text


async def test_a_login_that_is_over_is_not_shown(flow: CodeFlow) -> None:
    await flow.finish()
    code = await flow.code()
    await flow.exchange(code)
    await flow.exchange(code)
    assert not [form for form in (await account(flow.browser)).forms if "session" in form.fields]


async def test_the_logins_of_another_user_are_not_shown(
    flow: CodeFlow, other_browser: httpx2.AsyncClient, bob: TestUser
) -> None:
    bobs = await CodeFlow(other_browser, bob, flow.client).tokens()
    await flow.tokens()
    assert str(login_of(bobs)) not in (await flow.browser.get("/account")).text


async def test_a_login_is_ended(flow: CodeFlow) -> None:
    tokens = await flow.tokens()
    response = await press(flow.browser, session=str(login_of(tokens)))
    await assert_done(flow.browser, response, SESSION_ENDED)
    for name in ("access_token", "refresh_token"):
        assert await introspected(flow.browser, flow.client, tokens[name]) == INACTIVE


async def test_another_login_stays(flow: CodeFlow) -> None:
    first, second = await flow.tokens(), await flow.tokens()
    await press(flow.browser, session=str(login_of(first)))
    assert await is_active(flow.browser, flow.client, second["refresh_token"])
    await assert_logged_in(flow.browser)


async def test_the_login_of_another_user_is_not_ended(
    flow: CodeFlow, other_browser: httpx2.AsyncClient, bob: TestUser
) -> None:
    bobs = await CodeFlow(other_browser, bob, flow.client).tokens()
    await flow.tokens()
    form = (await account(flow.browser)).form_with(action="session")
    response = await submit(flow.browser, form, {"session": str(login_of(bobs))})
    assert response.status_code == 303
    assert await is_active(flow.browser, flow.client, bobs["access_token"])
    assert await is_active(flow.browser, flow.client, bobs["refresh_token"])


@pytest.mark.parametrize(
    "session",
    ["", "garbage", str(uuid.UUID(int=1)), "' OR '1'='1", "x" * 5000],
    ids=["empty", "garbage", "unknown", "sql", "long"],
)
async def test_a_login_that_there_is_not_ends_nothing(flow: CodeFlow, session: str) -> None:
    tokens = await flow.tokens()
    form = (await account(flow.browser)).form_with(action="session")
    response = await submit(flow.browser, form, {"session": session})
    assert response.status_code == 303
    assert await is_active(flow.browser, flow.client, tokens["access_token"])


async def test_to_end_a_login_twice_is_no_error(flow: CodeFlow) -> None:
    tokens = await flow.tokens()
    form = (await account(flow.browser)).form_with(session=str(login_of(tokens)))
    for _ in range(2):
        response = await submit(flow.browser, form)
        await assert_done(flow.browser, response, SESSION_ENDED)


async def test_the_logins_of_one_application_are_one_row(
    flow: CodeFlow, server: Server, clock: TestClock
) -> None:
    first = await flow.tokens()
    await log_in(flow.browser, flow.user, await add_client(server), "profile")
    clock.advance(60)
    second = await flow.tokens()
    response = await flow.browser.get("/account")
    page = Page(response)
    shown = [form.fields["session"] for form in page.forms if "session" in form.fields]
    assert shown[:2] == [str(login_of(second)), str(login_of(first))]
    moment = clock.now().strftime("%-d %B %Y, %H:%M UTC")
    assert f"shop 2 logins, the newest since {moment} End all" in page.text
    assert len(re.findall(r'<strong class="cut">(?:shop|web)<', response.text)) == 3  # once allowed
    assert response.text.count("<details>") == 1


async def test_all_logins_of_an_application_are_ended_at_once(
    flow: CodeFlow, server: Server, other_browser: httpx2.AsyncClient, bob: TestUser
) -> None:
    bobs = await CodeFlow(other_browser, bob, flow.client).tokens()
    own = [await flow.tokens() for _ in range(2)]
    web = await add_client(server)
    elsewhere = await log_in(flow.browser, flow.user, web, "profile")
    response = await press(flow.browser, action="sessions")
    await assert_done(flow.browser, response, ENDED_EVERYWHERE)
    for tokens in own:
        assert await introspected(flow.browser, flow.client, tokens["refresh_token"]) == INACTIVE
    assert await is_active(flow.browser, flow.client, bobs["refresh_token"])
    assert await is_active(flow.browser, web, elsewhere["access_token"])
    (event,) = await events(server, event_type="session.ended")
    assert (event.client_id, event.details) == ("shop", {"session": "all of the application"})


async def test_to_end_all_logins_where_there_is_none_is_no_error(
    flow: CodeFlow, server: Server
) -> None:
    for _ in range(2):
        await flow.tokens()
    form = (await account(flow.browser)).form_with(action="sessions")
    assert (await submit(flow.browser, form, {"client": "nobody"})).status_code == 303
    assert await events(server, event_type="session.ended") == []


async def test_of_many_logins_of_an_application_the_newest_are_shown_and_how_many_there_are(
    flow: CodeFlow, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signed_in, "SHOWN_EACH", 2)
    for _ in range(5):
        clock.advance(1)
        await flow.tokens()
    page = await account(flow.browser)
    assert len([form for form in page.forms if "session" in form.fields]) == 2
    assert "And 3 older. End all ends them, too." in page.text


async def test_many_applications_are_shown_in_pages_that_of_the_newest_login_first(
    flow: CodeFlow, server: Server, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_page, "SHOWN", 2)
    expected: list[str] = []
    for number in range(5):
        clock.advance(1)
        client = await add_client(server, f"client-{number}")
        tokens = await log_in(flow.browser, flow.user, client, "profile")
        expected.insert(0, str(login_of(tokens)))
    await log_in_here(flow.browser, flow.user)
    shown = []
    address: str | None = "/account"
    while address is not None:
        response = await flow.browser.get(address)
        forms = Page(response).forms
        shown.append([form.fields["session"] for form in forms if "session" in form.fields])
        address = older(response, "logins")
    assert shown == [expected[:2], expected[2:4], expected[4:]]


async def test_a_login_of_a_later_page_is_ended(
    flow: CodeFlow, server: Server, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_page, "SHOWN", 1)
    tokens = await flow.tokens()
    clock.advance(1)
    await log_in(flow.browser, flow.user, await add_client(server), "profile")
    address = older(await flow.browser.get("/account"), "logins")
    assert address is not None
    form = Page(await flow.browser.get(address)).form_with(session=str(login_of(tokens)))
    await assert_done(flow.browser, await submit(flow.browser, form), SESSION_ENDED)
    assert not await is_active(flow.browser, flow.client, tokens["refresh_token"])


def _without_ids(response: httpx2.Response) -> str:
    """A page without what a form may be numbered by, so that it is sent once."""
    return re.sub(r'value="[0-9a-f-]{36}"', "", response.text)


@pytest.mark.parametrize("cursor", ["x", "1.2", "\u00fc", "9" * 40 + "." + "a" * 32])
async def test_what_is_no_place_in_a_list_shows_the_newest(flow: CodeFlow, cursor: str) -> None:
    await flow.tokens()
    plain = await flow.browser.get("/account")
    response = await flow.browser.get("/account", params={"logins": cursor, "browsers": cursor})
    assert response.status_code == 200
    assert _without_ids(response) == _without_ids(plain)


# Browsers


async def test_many_browsers_are_shown_in_pages_and_this_one_first_on_each(
    flow: CodeFlow,
    other_browser: httpx2.AsyncClient,
    clock: TestClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(account_page, "SHOWN", 2)
    await flow.finish()
    (own,) = browsers_on(await account(flow.browser))
    expected: list[str] = []
    for _ in range(3):
        clock.advance(1)
        other_browser.cookies.clear()
        await log_in_here(other_browser, flow.user)
        expected.insert(0, browsers_on(await account(other_browser))[0])
    first = await flow.browser.get("/account")
    assert browsers_on(Page(first)) == [own, *expected[:2]]
    address = older(first, "browsers")
    assert address is not None
    second = await flow.browser.get(address)
    assert browsers_on(Page(second)) == [own, expected[2]]
    assert older(second, "browsers") is None


async def test_the_page_shows_the_browsers_of_the_user_newest_first(
    flow: CodeFlow, other_browser: httpx2.AsyncClient, clock: TestClock
) -> None:
    other_browser.headers["User-Agent"] = FIREFOX
    await log_in_here(other_browser, flow.user)
    (older,) = browsers_on(await account(other_browser))
    began = clock.now().strftime("%-d %B %Y, %H:%M UTC")
    clock.advance(60)
    await flow.finish()
    page = await account(flow.browser)
    assert browsers_on(page)[1:] == [older]
    assert f"Firefox on Linux since {began}, from 127.0.0.1 Log out" in page.text


async def test_the_page_says_which_browser_is_this_one(
    flow: CodeFlow, other_browser: httpx2.AsyncClient
) -> None:
    await flow.finish()
    (own,) = browsers_on(await account(flow.browser))
    await log_in_here(other_browser, flow.user)
    response = await flow.browser.get("/account")
    cards = response.text.split('class="card"')[1:]
    assert [own in card for card in cards if "This browser" in card] == [True]


async def test_this_browser_comes_first_although_others_are_newer(
    flow: CodeFlow, other_browser: httpx2.AsyncClient, clock: TestClock
) -> None:
    await flow.finish()
    clock.advance(60)
    await log_in_here(other_browser, flow.user)
    cards = (await flow.browser.get("/account")).text.split('class="card"')[1:3]
    assert ["This browser" in card for card in cards] == [True, False]


@pytest.mark.parametrize("ended", ["expired", "logged out"])
async def test_a_browser_that_is_logged_out_is_not_shown(
    flow: CodeFlow, other_browser: httpx2.AsyncClient, clock: TestClock, ended: str
) -> None:
    await log_in_here(other_browser, flow.user)
    if ended == "expired":
        clock.advance(28_800)
    else:
        await submit(other_browser, Page(await other_browser.get("/logout")).form)
    await flow.finish()
    assert len(browsers_on(await account(flow.browser))) == 1


async def test_the_browsers_of_another_user_are_not_shown(
    flow: CodeFlow, other_browser: httpx2.AsyncClient, bob: TestUser
) -> None:
    await log_in_here(other_browser, bob)
    (bobs,) = browsers_on(await account(other_browser))
    await flow.finish()
    assert bobs not in (await flow.browser.get("/account")).text


async def test_another_browser_is_logged_out(
    flow: CodeFlow, other_browser: httpx2.AsyncClient
) -> None:
    await log_in_here(other_browser, flow.user)
    (other,) = browsers_on(await account(other_browser))
    await flow.finish()
    response = await press(flow.browser, browser=other)
    await assert_done(flow.browser, response, BROWSER_ENDED)
    await assert_logged_out(other_browser)
    await assert_logged_in(flow.browser)


async def test_with_a_browser_the_logins_through_it_end_but_for_offline_access(
    flow: CodeFlow, other_browser: httpx2.AsyncClient
) -> None:
    there = CodeFlow(other_browser, flow.user, flow.client)
    online = await there.tokens(scope="openid")
    offline = await there.tokens(scope="openid offline_access")
    (other,) = browsers_on(await account(other_browser))
    own = await flow.tokens(scope="openid")
    await press(flow.browser, browser=other)
    for name in ("access_token", "refresh_token"):
        assert await introspected(flow.browser, flow.client, online[name]) == INACTIVE
        assert await is_active(flow.browser, flow.client, offline[name])
        assert await is_active(flow.browser, flow.client, own[name])


async def test_the_browser_of_another_user_is_not_logged_out(
    flow: CodeFlow, other_browser: httpx2.AsyncClient, bob: TestUser
) -> None:
    await log_in_here(other_browser, bob)
    (bobs,) = browsers_on(await account(other_browser))
    await flow.finish()
    form = (await account(flow.browser)).form_with(action="browser")
    response = await submit(flow.browser, form, {"browser": bobs})
    assert response.status_code == 303
    await assert_logged_in(other_browser, "bob")


@pytest.mark.parametrize(
    "browser", ["", "garbage", str(uuid.UUID(int=1))], ids=["empty", "garbage", "unknown"]
)
async def test_a_browser_that_there_is_not_ends_nothing(flow: CodeFlow, browser: str) -> None:
    tokens = await flow.tokens()
    form = (await account(flow.browser)).form_with(action="browser")
    assert (await submit(flow.browser, form, {"browser": browser})).status_code == 303
    await assert_logged_in(flow.browser)
    assert await is_active(flow.browser, flow.client, tokens["access_token"])


async def test_everything_elsewhere_is_logged_out_at_once(
    flow: CodeFlow, other_browser: httpx2.AsyncClient, server: Server
) -> None:
    there = await CodeFlow(other_browser, flow.user, flow.client).tokens(
        scope="openid offline_access"
    )
    web = await add_client(server)
    by_password = await log_in(flow.browser, flow.user, web, "profile")
    own = await flow.tokens()
    response = await press(flow.browser, action="elsewhere")
    await assert_done(flow.browser, response, ELSEWHERE)
    await assert_logged_out(other_browser)
    assert await introspected(flow.browser, flow.client, there["refresh_token"]) == INACTIVE
    assert await introspected(flow.browser, web, by_password["access_token"]) == INACTIVE
    assert await is_active(flow.browser, flow.client, own["refresh_token"])


async def test_nothing_of_another_user_is_logged_out(
    flow: CodeFlow, other_browser: httpx2.AsyncClient, bob: TestUser
) -> None:
    bobs = await CodeFlow(other_browser, bob, flow.client).tokens()
    await flow.tokens()
    await press(flow.browser, action="elsewhere")
    await assert_logged_in(other_browser, "bob")
    assert await is_active(flow.browser, flow.client, bobs["refresh_token"])


async def test_who_is_logged_in_nowhere_else_is_not_offered_to_log_out_there(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    await log_in_here(http, alice)
    assert "Log out everywhere else" not in (await account(http)).text


# Applications


async def test_the_page_says_in_words_what_was_allowed(flow: CodeFlow) -> None:
    await flow.finish(scope="profile items:read")
    page = await account(flow.browser)
    assert [form.fields["client"] for form in page.forms if "client" in form.fields] == ["shop"]
    said = page.all("li")
    at = said.index("See your items")
    assert said[at : at + 2] == ["See your items", "See your user name"]


async def test_the_page_lists_applications_by_name(flow: CodeFlow, server: Server) -> None:
    for client_id in ("zebra", "apple"):
        other = await add_web_client(server, client_id)
        await CodeFlow(flow.browser, flow.user, other).finish()
    await flow.finish()
    page = await account(flow.browser)
    shown = [form.fields["client"] for form in page.forms if "client" in form.fields]
    assert shown == ["apple", "shop", "zebra"]


async def test_what_is_not_remembered_is_not_listed(native_flow: CodeFlow) -> None:
    await native_flow.finish()
    assert NONE_ALLOWED in (await account(native_flow.browser)).text


async def test_what_another_user_allowed_is_not_listed(
    flow: CodeFlow, other_browser: httpx2.AsyncClient, bob: TestUser, server: Server
) -> None:
    other = await add_web_client(server, "other")
    await CodeFlow(other_browser, bob, other).finish()
    await flow.finish()
    assert "other" not in (await account(flow.browser)).text


@pytest.mark.rfc("openid-connect-core", "16.18", 3)
async def test_an_allowance_that_is_taken_back_is_asked_for_again(flow: CodeFlow) -> None:
    await flow.finish()
    assert_code_answer(await flow.start())
    response = await press(flow.browser, client="shop")
    await assert_done(flow.browser, response, TAKEN_BACK)
    assert_asks_to_allow(await flow.start())
    assert NONE_ALLOWED in (await account(flow.browser)).text


@pytest.mark.rfc("openid-connect-core", "16.18", 3)
async def test_with_an_allowance_the_logins_of_the_application_end(flow: CodeFlow) -> None:
    tokens = await flow.tokens(scope="openid offline_access")
    await press(flow.browser, client="shop")
    for name in ("access_token", "refresh_token"):
        assert await introspected(flow.browser, flow.client, tokens[name]) == INACTIVE


async def test_with_an_allowance_a_code_that_waits_to_be_exchanged_ends(flow: CodeFlow) -> None:
    """What was taken back must not come to life a moment later."""
    code = await flow.code()
    await press(flow.browser, client="shop")
    assert (await flow.exchange(code)).status_code == 400


async def test_the_allowance_of_another_application_stays(flow: CodeFlow, server: Server) -> None:
    other = CodeFlow(flow.browser, flow.user, await add_web_client(server, "other"))
    tokens = await other.tokens()
    await flow.finish()
    await press(flow.browser, client="shop")
    assert await is_active(flow.browser, other.client, tokens["refresh_token"])
    assert_code_answer(await other.start())


async def test_the_allowance_of_another_user_stays(
    flow: CodeFlow, other_browser: httpx2.AsyncClient, bob: TestUser
) -> None:
    other = CodeFlow(other_browser, bob, flow.client)
    tokens = await other.tokens()
    await flow.finish()
    await press(flow.browser, client="shop")
    assert await is_active(flow.browser, flow.client, tokens["refresh_token"])
    assert_code_answer(await other.start())


@pytest.mark.parametrize("client", ["", "nobody", "\u00fc"], ids=["empty", "unknown", "not_ascii"])
async def test_an_allowance_that_there_is_not_takes_nothing_back(
    flow: CodeFlow, client: str
) -> None:
    await flow.finish()
    form = (await account(flow.browser)).form_with(action="application")
    response = await submit(flow.browser, form, {"client": client})
    assert response.status_code == 303
    assert_code_answer(await flow.start())


# The password


async def test_the_password_is_changed(flow: CodeFlow, other_browser: httpx2.AsyncClient) -> None:
    await flow.finish()
    response = await change_password(flow.browser)
    await assert_done(flow.browser, response, CHANGED)
    assert not await password_works(flow, other_browser, PASSWORD)
    assert await password_works(flow, other_browser, NEW)


async def test_this_session_and_its_logins_stay(flow: CodeFlow) -> None:
    tokens = await flow.tokens()
    await change_password(flow.browser)
    await assert_logged_in(flow.browser)
    await refreshed(flow.browser, flow.client, tokens["refresh_token"])


async def test_other_sessions_and_their_logins_end(
    flow: CodeFlow, other_browser: httpx2.AsyncClient
) -> None:
    other = await CodeFlow(other_browser, flow.user, flow.client).tokens(
        scope="openid offline_access"
    )
    await flow.finish()
    await change_password(flow.browser)
    await assert_logged_out(other_browser)
    for name in ("access_token", "refresh_token"):
        assert await introspected(flow.browser, flow.client, other[name]) == INACTIVE


async def test_logins_by_the_password_grant_end(flow: CodeFlow, server: Server) -> None:
    web = await add_client(server)
    tokens = await log_in(flow.browser, flow.user, web, "profile")
    await flow.finish()
    await change_password(flow.browser)
    assert await introspected(flow.browser, web, tokens["access_token"]) == INACTIVE


async def test_the_sessions_of_another_user_stay(
    flow: CodeFlow, other_browser: httpx2.AsyncClient, bob: TestUser
) -> None:
    tokens = await CodeFlow(other_browser, bob, flow.client).tokens()
    await flow.finish()
    await change_password(flow.browser)
    await assert_logged_in(other_browser, "bob")
    assert await is_active(flow.browser, flow.client, tokens["refresh_token"])


@pytest.mark.parametrize(
    ("new", "alert"),
    [
        pytest.param("short", "A password must have at least 15 characters.", id="short"),
        pytest.param("x" * 14, "A password must have at least 15 characters.", id="one_too_short"),
        pytest.param("", "A password must have at least 15 characters.", id="empty"),
        pytest.param("x" * 1025, "A password can have at most 1024 characters.", id="too_long"),
    ],
)
async def test_a_password_that_may_not_be_used_is_refused(
    flow: CodeFlow, other_browser: httpx2.AsyncClient, new: str, alert: str
) -> None:
    await flow.finish()
    assert_not_changed(await change_password(flow.browser, new), alert)
    assert await password_works(flow, other_browser, PASSWORD)


@pytest.mark.parametrize(
    "changes",
    [{"password_min_length": 8, "service_name": "The Service"}],
    ids=["8_characters"],
)
@pytest.mark.parametrize(
    ("new", "alert"),
    [
        pytest.param(
            "sunshine",
            "This password is one of the most common: choose another, such as several words.",
            id="common",
        ),
        pytest.param(
            "The service", "A password must differ from the name of the service.", id="the_service"
        ),
    ],
)
async def test_a_password_that_anybody_would_guess_is_refused(
    flow: CodeFlow, new: str, alert: str
) -> None:
    await flow.finish()
    assert_not_changed(await change_password(flow.browser, new), alert)


@pytest.mark.parametrize("current", ["wrong", "", PASSWORD.upper()], ids=ascii)
async def test_without_the_current_password_nothing_is_changed(
    flow: CodeFlow, other_browser: httpx2.AsyncClient, current: str
) -> None:
    await flow.finish()
    response = await change_password(flow.browser, current=current)
    assert_not_changed(response, "The current password is wrong.")
    assert await password_works(flow, other_browser, PASSWORD)


async def test_a_refused_change_ends_no_session(
    flow: CodeFlow, other_browser: httpx2.AsyncClient
) -> None:
    await CodeFlow(other_browser, flow.user, flow.client).finish()
    await flow.finish()
    await change_password(flow.browser, current="wrong")
    await assert_logged_in(other_browser)


async def test_no_password_is_repeated_on_the_page(flow: CodeFlow) -> None:
    await flow.finish()
    response = await change_password(flow.browser, "new-secret", "old-secret-of-somebody")
    assert "new-secret" not in response.text
    assert "old-secret" not in response.text


async def test_only_the_hash_of_the_new_password_is_stored(flow: CodeFlow, server: Server) -> None:
    await flow.finish()
    await change_password(flow.browser)
    async with server.database.read() as connection:
        stored = await connection.scalar(select(User.password_hash).where(User.id == flow.user.id))
    assert stored is not None
    assert stored.startswith("$argon2id$")
    assert NEW not in stored


# CSRF


ACTIONS = pytest.mark.parametrize("action", ["session", "elsewhere", "application", "password"])


async def filled_in(flow: CodeFlow, action: str) -> tuple[dict[str, str], Page]:
    page = await account(flow.browser)
    fields = page.form_with(action=action).fields
    return fields | {"current_password": PASSWORD, "new_password": NEW}, page


async def assert_nothing_done(flow: CodeFlow, refresh_token: str) -> None:
    assert await is_active(flow.browser, flow.client, refresh_token)
    assert_code_answer(await flow.start())
    wrong = await change_password(flow.browser, "short", PASSWORD)
    assert_not_changed(wrong, "A password must have at least 15 characters.")


@ACTIONS
@pytest.mark.parametrize("token", ["", "0" * 64, "\u00fc"], ids=["missing", "wrong", "not_ascii"])
async def test_a_form_without_its_token_does_nothing(
    flow: CodeFlow, action: str, token: str
) -> None:
    refresh_token = (await flow.tokens())["refresh_token"]
    fields, _ = await filled_in(flow, action)
    response = await flow.browser.post("/account", data=fields | {"form_token": token})
    assert_error_page(response, STALE_FORM)
    await assert_nothing_done(flow, refresh_token)


@ACTIONS
async def test_a_form_from_another_site_does_nothing(flow: CodeFlow, action: str) -> None:
    refresh_token = (await flow.tokens())["refresh_token"]
    fields, _ = await filled_in(flow, action)
    headers = {"Sec-Fetch-Site": "cross-site"}
    response = await flow.browser.post("/account", data=fields, headers=headers)
    assert_error_page(response, STALE_FORM)
    await assert_nothing_done(flow, refresh_token)


async def test_a_form_that_was_shown_to_another_user_does_nothing(
    flow: CodeFlow, bob: TestUser, clock: TestClock
) -> None:
    await flow.finish()
    fields, _ = await filled_in(flow, "password")
    clock.advance(1)
    bobs = CodeFlow(flow.browser, bob, flow.client)
    await bobs.log_in(await bobs.login_page(prompt="login"))
    assert_error_page(await flow.browser.post("/account", data=fields), STALE_FORM)


async def test_a_public_client_on_https_is_listed_too(flow: CodeFlow, server: Server) -> None:
    flow.client = await add_native_client(server, "spa", redirect_uris=[CALLBACK])
    await flow.finish()
    page = await account(flow.browser)
    assert page.form_with(client="spa").fields["action"] == "application"
