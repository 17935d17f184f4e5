"""The login page, and the browser session that it begins."""

import asyncio
import os
import threading
import unicodedata
import uuid
from typing import Any

import httpx2
import pytest
from anyio.lowlevel import checkpoint
from fastapi import FastAPI
from passlib.hash import bcrypt
from sqlalchemy import select

from app.features.authorization_code.authorizations import PENDING_LIFETIME
from app.features.authorization_code.model import BrowserSession
from app.identity.profile import USERNAME_MAX_LENGTH
from app.models import User
from app.server import Server
from tests.conftest import ISSUER
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, TestClient, TestUser, add_user, disable_user
from tests.support.flow import (
    FINISHED,
    LOGIN_HEADING,
    CodeFlow,
    Page,
    add_web_client,
    assert_asks_to_allow,
    assert_asks_to_log_in,
    assert_code_answer,
    assert_error_page,
    assert_logged_in,
    assert_logged_out,
    dump,
    open_browser,
    read_answer,
    source_names,
    submit,
)
from tests.support.lifecycle import KNOWN_EVERYWHERE, delete_user, disable_client
from tests.support.on_sqlite import backend as backend

WRONG = "The user name or the password is wrong."
OVERTAKEN = (
    "You may have logged in or out in another tab, or your browser may be blocking cookies. "
    "Log in again here."
)
BUSY = "We're busy right now. Try again in a few seconds."
UNREADABLE = "This form could not be read"

SESSION = "latchkey_session"
BROWSER = "latchkey_browser"

HTTPS = "https://auth.example.com"


def cookies_of(response: httpx2.Response) -> dict[str, tuple[str, set[str]]]:
    """Value and attributes of each cookie that a response sets, by name."""
    found = {}
    for header in response.headers.get_list("set-cookie"):
        pair, *attributes = header.split("; ")
        name, _, value = pair.partition("=")
        found[name] = (value, {attribute.lower() for attribute in attributes})
    return found


def assert_overtaken(response: httpx2.Response, alert: str = OVERTAKEN) -> None:
    """The login page again: the password was not looked at."""
    page = Page(response)
    assert (response.status_code, page.heading, page.alert) == (400, LOGIN_HEADING, alert)
    assert SESSION not in cookies_of(response)


def assert_refused(response: httpx2.Response) -> None:
    """The login page again, with the one sentence for every reason."""
    page = Page(response)
    assert (response.status_code, page.alert) == (400, WRONG)
    assert page.form.fields["password"] == ""
    assert not [name for name in cookies_of(response) if SESSION in name]


async def log_in_plainly(browser: httpx2.AsyncClient, user: TestUser) -> httpx2.Response:
    """Log in without a client."""
    form = Page(await browser.get("/login")).form
    return await submit(browser, form, {"username": user.username, "password": user.password})


# The page


async def test_the_page_asks_for_a_name_and_one_password(flow: CodeFlow) -> None:
    form = Page(await flow.login_page()).form
    assert list(form.fields) == ["form_token", "request", "username", "password"]
    assert form.kinds == ["hidden", "hidden", "text", "password"]


async def test_whoever_asks_for_the_headers_alone_gets_them(http: httpx2.AsyncClient) -> None:
    assert (await http.head("/login")).status_code == 200
    response = await http.head("/account")
    assert (response.status_code, response.headers["location"]) == (303, f"{ISSUER}/login")


async def test_every_field_has_a_label(flow: CodeFlow) -> None:
    assert Page(await flow.login_page()).all("label") == ["User name", "Password"]


async def test_the_page_says_to_which_application_the_login_leads(flow: CodeFlow) -> None:
    assert Page(await flow.login_page()).all("strong") == ["shop"]


async def test_the_page_without_an_application_names_none(http: httpx2.AsyncClient) -> None:
    response = await http.get("/login")
    page = Page(response)
    assert (response.status_code, page.all("strong")) == (200, [])
    assert list(page.form.fields) == ["form_token", "username", "password"]
    assert source_names(response, "form-action") == ["'self'"]


async def test_a_login_without_an_application_leads_to_the_account(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    response = await log_in_plainly(http, alice)
    assert (response.status_code, response.headers["location"]) == (303, f"{ISSUER}/account")
    await assert_logged_in(http)


async def test_who_is_logged_in_is_led_from_the_login_to_the_account(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    await log_in_plainly(http, alice)
    response = await http.get("/login")
    assert (response.status_code, response.headers["location"]) == (303, f"{ISSUER}/account")


async def test_a_login_leads_to_the_consent(flow: CodeFlow) -> None:
    assert_asks_to_allow(await flow.log_in(await flow.login_page()))


@pytest.mark.parametrize("username", ["ALICE", "\uff41lice"], ids=["capitals", "full_width"])
async def test_a_name_is_compared_after_folding(flow: CodeFlow, username: str) -> None:
    assert_asks_to_allow(await flow.log_in(await flow.login_page(), username=username))


# What is refused, always with the same answer


@pytest.mark.rfc("6749", "3.1", 1)
@pytest.mark.parametrize(
    "password",
    [
        pytest.param("wrong", id="another"),
        pytest.param(PASSWORD.upper(), id="another_case"),
        pytest.param(PASSWORD + " ", id="a_space_more"),
        pytest.param("", id="empty"),
        pytest.param("x" * 5000, id="long"),
    ],
)
async def test_a_wrong_password_is_refused(flow: CodeFlow, password: str) -> None:
    assert_refused(await flow.log_in(await flow.login_page(), password=password))


@pytest.mark.parametrize(
    "username",
    [
        pytest.param("nobody", id="another"),
        pytest.param("", id="empty"),
        pytest.param("x" * 5000, id="long"),
        pytest.param("alice@example.com", id="the_e_mail_address"),
        pytest.param("' OR '1'='1", id="sql"),
    ],
)
async def test_an_unknown_user_is_refused(flow: CodeFlow, username: str) -> None:
    assert_refused(await flow.log_in(await flow.login_page(), username=username))


async def test_a_disabled_user_is_refused(flow: CodeFlow, server: Server) -> None:
    await disable_user(server, flow.user)
    assert_refused(await flow.log_in(await flow.login_page()))


async def test_a_user_without_a_password_is_refused(flow: CodeFlow, server: Server) -> None:
    carol = await add_user(server, "carol", password_hash=None)
    assert_refused(await flow.log_in(await flow.login_page(), username=carol.username))


async def test_the_page_is_the_same_whoever_is_refused(flow: CodeFlow, server: Server) -> None:
    page = await flow.login_page()
    disabled = await add_user(server, "disabled", disabled=True)
    bare = await add_user(server, "bare", password_hash=None)
    texts = set()
    for username in ("alice", "nobody", disabled.username, bare.username):
        wrong = PASSWORD if username != "alice" else "wrong"
        response = await flow.log_in(page, username=username, password=wrong)
        texts.add((response.status_code, response.text.replace(f'value="{username}"', "")))
    assert len(texts) == 1


async def test_the_name_is_kept_and_the_password_is_never_in_the_page(flow: CodeFlow) -> None:
    response = await flow.log_in(await flow.login_page(), password="wrong-and-secret")
    assert Page(response).form.fields["username"] == "alice"
    assert "wrong-and-secret" not in response.text


async def test_a_name_is_written_as_text(flow: CodeFlow) -> None:
    evil = '"><script>alert(1)</script>'
    page = Page(await flow.log_in(await flow.login_page(), username=evil))
    assert (page.form.fields["username"], page.foreign) == (evil, [])


async def test_who_mistyped_tries_again_on_the_page_that_came_back(flow: CodeFlow) -> None:
    again = await flow.log_in(await flow.login_page(), password="wrong")
    consent = await flow.follow(await flow.log_in(again))
    assert_code_answer(await flow.allow(consent))


async def test_a_failed_login_leaves_the_session_as_it_is(flow: CodeFlow, clock: TestClock) -> None:
    await flow.finish()
    clock.advance(1)
    assert_refused(await flow.log_in(await flow.login_page(prompt="login"), password="wrong"))
    await assert_logged_in(flow.browser)


@pytest.mark.parametrize("name", ["username", "password", "request", "form_token"])
async def test_a_nul_cannot_be_read(flow: CodeFlow, name: str) -> None:
    form = Page(await flow.login_page()).form
    fields = {"username": "alice", "password": PASSWORD} | {name: "a\x00b"}
    assert_error_page(await submit(flow.browser, form, fields), UNREADABLE)


async def test_a_body_that_is_not_a_form_cannot_be_read(flow: CodeFlow) -> None:
    response = await flow.browser.post("/login", json={"username": "alice"})
    assert_error_page(response, UNREADABLE)


async def test_credentials_in_the_address_are_not_taken(flow: CodeFlow) -> None:
    form = Page(await flow.login_page()).form
    address = {"username": "alice", "password": PASSWORD}
    response = await flow.browser.post("/login", params=address, data=form.fields)
    assert_error_page(response, UNREADABLE)


# Busy, and hashes of another cost


@pytest.mark.parametrize("changes", [{"login_queue": 0}], ids=["no_queue"])
async def test_a_full_login_queue_is_503_and_says_what_to_do(
    flow: CodeFlow, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await flow.log_in(await flow.login_page(), password="a wrong password")
    go_on = threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(server.passwords, "hash_now", lambda _password: str(go_on.wait(30)))
        threads = os.cpu_count() or 1
        logins = [asyncio.create_task(server.passwords.hash("x")) for _ in range(threads)]
        await checkpoint()
        response = await flow.log_in(page)
        go_on.set()
        await asyncio.gather(*logins)
    assert (response.status_code, Page(response).alert) == (503, BUSY)
    assert Page(response).form.fields["username"] == "alice"
    assert PASSWORD not in response.text
    assert_asks_to_allow(await flow.log_in(response))


async def stored_hash(server: Server, user: TestUser) -> str | None:
    async with server.database.read() as connection:
        found: str | None = await connection.scalar(
            select(User.password_hash).where(User.id == user.id)
        )
    return found


async def test_a_hash_of_another_cost_is_replaced_at_the_login(
    http: httpx2.AsyncClient, other_browser: httpx2.AsyncClient, server: Server
) -> None:
    old = bcrypt.using(rounds=4).hash(PASSWORD)
    carol = await add_user(server, "carol", password_hash=old)
    await log_in_plainly(http, carol)
    assert (await stored_hash(server, carol) or "").startswith("$argon2id$")
    await log_in_plainly(other_browser, carol)
    await assert_logged_in(other_browser, "carol")


async def test_a_failed_login_replaces_no_hash(http: httpx2.AsyncClient, server: Server) -> None:
    old = bcrypt.using(rounds=4).hash(PASSWORD)
    carol = await add_user(server, "carol", password_hash=old)
    assert_refused(await log_in_plainly(http, TestUser(carol.id, "carol", "wrong")))
    assert await stored_hash(server, carol) == old


# The session


async def test_a_login_begins_a_new_session_and_the_old_one_is_dead(
    flow: CodeFlow, other_browser: httpx2.AsyncClient, clock: TestClock
) -> None:
    await flow.finish()
    first = flow.browser.cookies[SESSION]
    clock.advance(1)
    await flow.log_in(await flow.login_page(prompt="login"))
    assert flow.browser.cookies[SESSION] != first
    await assert_logged_in(flow.browser)
    other_browser.cookies.set(SESSION, first)
    await assert_logged_out(other_browser)


async def test_a_session_cookie_that_somebody_planted_is_not_taken_over(
    flow: CodeFlow, other_browser: httpx2.AsyncClient
) -> None:
    planted = "x" * 43
    login = await flow.login_page()
    response = await flow.browser.post(
        "/login",
        data=Page(login).form.fields | {"username": "alice", "password": PASSWORD},
        headers={"Cookie": f"{SESSION}={planted}; {BROWSER}={flow.browser.cookies[BROWSER]}"},
    )
    assert cookies_of(response)[SESSION][0] != planted
    other_browser.cookies.set(SESSION, planted)
    await assert_logged_out(other_browser)


async def test_every_session_is_another_one(
    http: httpx2.AsyncClient, other_browser: httpx2.AsyncClient, alice: TestUser
) -> None:
    await log_in_plainly(http, alice)
    await log_in_plainly(other_browser, alice)
    assert http.cookies[SESSION] != other_browser.cookies[SESSION]
    await assert_logged_in(http)
    await assert_logged_in(other_browser)


async def test_the_database_holds_no_session_and_no_request_only_hashes(
    flow: CodeFlow, server: Server
) -> None:
    consent = await flow.consent_page()
    rows = await dump(server)
    assert f"UUID('{flow.user.id}')" in rows
    assert flow.browser.cookies[SESSION] not in rows
    assert Page(consent).form.fields["request"] not in rows


@pytest.mark.parametrize(
    "secret", ["garbage", "x" * 43, "%00", "\u00fc"], ids=["short", "long", "nul", "not_ascii"]
)
async def test_a_cookie_that_is_no_session_is_left_alone(
    http: httpx2.AsyncClient, secret: str
) -> None:
    headers = [(b"cookie", f"{SESSION}={secret}".encode())]
    response = await http.get("/account", headers=headers)
    assert (response.status_code, response.headers["location"]) == (303, f"{ISSUER}/login")


@pytest.mark.parametrize("changes", [{"session_ttl": 100}], ids=["100_seconds"])
async def test_a_session_ends_when_its_time_is_over(
    http: httpx2.AsyncClient, alice: TestUser, clock: TestClock
) -> None:
    await log_in_plainly(http, alice)
    secret = http.cookies[SESSION]
    clock.advance(99)
    await assert_logged_in(http)
    clock.advance(1)
    http.cookies.set(SESSION, secret)
    await assert_logged_out(http)


@pytest.mark.parametrize("changes", [{"session_ttl": 100}], ids=["100_seconds"])
async def test_a_session_that_has_expired_asks_to_log_in_again(
    flow: CodeFlow, clock: TestClock
) -> None:
    await flow.finish()
    clock.advance(100)
    assert_asks_to_log_in(await flow.start())


async def test_the_session_of_a_disabled_user_is_dead(flow: CodeFlow, server: Server) -> None:
    await flow.finish()
    await disable_user(server, flow.user)
    await assert_logged_out(flow.browser)
    assert_asks_to_log_in(await flow.start())


async def test_the_session_of_a_deleted_user_is_dead(flow: CodeFlow, server: Server) -> None:
    await flow.finish()
    await delete_user(server, flow.user)
    await assert_logged_out(flow.browser)


async def test_a_session_remembers_where_it_came_from(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    http.headers["User-Agent"] = "A browser " + "x" * 500
    await log_in_plainly(http, alice)
    async with server.database.read() as connection:
        rows = (await connection.execute(select(BrowserSession))).all()
    assert [(row.user_id, row.address, row.user_agent) for row in rows] == [
        (alice.id, "127.0.0.1", ("A browser " + "x" * 500)[:255])
    ]


# Cookies


async def test_the_cookies_of_an_http_server(http: httpx2.AsyncClient, alice: TestUser) -> None:
    shown = cookies_of(await http.get("/login"))
    logged_in = cookies_of(await log_in_plainly(http, alice))
    common = {"httponly", "path=/", "samesite=lax"}
    assert list(shown) == [BROWSER]
    assert shown[BROWSER][1] == common | {"max-age=34560000"}
    assert list(logged_in) == [SESSION]
    assert logged_in[SESSION][1] == common | {"max-age=28800"}


@pytest.mark.rfc("6749", "10.8", 1)
@pytest.mark.parametrize("changes", [{"issuer": HTTPS}], ids=["https"])
async def test_the_cookies_of_an_https_server(
    app: FastAPI, server: Server, alice: TestUser
) -> None:
    async with open_browser(app, HTTPS) as browser:
        shown = cookies_of(await browser.get("/login"))
        logged_in = cookies_of(await log_in_plainly(browser, alice))
    common = {"httponly", "path=/", "samesite=lax", "secure"}
    assert list(shown) == [f"__Host-{BROWSER}"]
    assert shown[f"__Host-{BROWSER}"][1] == common | {"max-age=34560000"}
    assert list(logged_in) == [f"__Host-{SESSION}"]
    assert logged_in[f"__Host-{SESSION}"][1] == common | {"max-age=28800"}


@pytest.mark.parametrize("changes", [{"issuer": HTTPS}], ids=["https"])
async def test_an_https_server_reads_no_cookie_without_the_prefix(
    app: FastAPI, server: Server, alice: TestUser
) -> None:
    async with open_browser(app, HTTPS) as browser:
        await log_in_plainly(browser, alice)
        secret = browser.cookies[f"__Host-{SESSION}"]
    async with open_browser(app, HTTPS) as browser:
        browser.cookies.set(SESSION, secret)
        response = await browser.get("/account")
    assert (response.status_code, response.headers["location"]) == (303, f"{HTTPS}/login")


async def test_the_cookie_of_the_browser_stays_the_same(flow: CodeFlow) -> None:
    await flow.login_page()
    first = flow.browser.cookies[BROWSER]
    response = await flow.login_page()
    assert cookies_of(response) == {}
    assert flow.browser.cookies[BROWSER] == first


# Forms of other sites: CSRF


@pytest.mark.rfc("6749", "10.12", 2)
@pytest.mark.rfc("openid-connect-core", "3.1.2.3", 4)
async def test_a_form_without_its_token_is_refused(flow: CodeFlow) -> None:
    form = Page(await flow.login_page()).form
    form.fields |= {"username": "alice", "password": PASSWORD}
    response = await submit(flow.browser, form, leave_out="form_token")
    assert_overtaken(response)
    await assert_logged_out(flow.browser)


@pytest.mark.parametrize(
    "token", ["0" * 64, "x", "\u00e9" * 64], ids=["wrong", "short", "not_ascii"]
)
async def test_a_form_with_a_wrong_token_is_refused(flow: CodeFlow, token: str) -> None:
    response = await flow.log_in(await flow.login_page(), form_token=token)
    assert_overtaken(response)


async def test_the_form_of_another_browser_is_refused(
    flow: CodeFlow, other_browser: httpx2.AsyncClient
) -> None:
    """Login CSRF: an attacker's form must not log their victim in as the attacker."""
    foreign = Page(await other_browser.get("/login")).form.fields["form_token"]
    response = await flow.log_in(await flow.login_page(), form_token=foreign)
    assert_overtaken(response)
    await assert_logged_out(flow.browser)


async def test_the_token_of_another_form_is_refused(flow: CodeFlow, clock: TestClock) -> None:
    consent = Page(await flow.consent_page()).form.fields["form_token"]
    clock.advance(1)
    page = await flow.login_page(prompt="login")
    response = await flow.log_in(page, form_token=consent, password="not looked at")
    assert_asks_to_log_in(response)


async def test_a_browser_that_blocks_cookies_is_told_so(flow: CodeFlow) -> None:
    page = await flow.login_page()
    flow.browser.cookies.clear()
    response = await flow.log_in(page)
    assert_overtaken(response)
    assert "blocking cookies" in Page(response).text


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_a_form_from_another_site_is_refused(flow: CodeFlow, site: str) -> None:
    form = Page(await flow.login_page()).form
    fields = {"username": "alice", "password": PASSWORD}
    headers = {"Sec-Fetch-Site": site}
    response = await submit(flow.browser, form, fields, headers=headers)
    assert_overtaken(response)
    await assert_logged_out(flow.browser)


async def test_a_form_from_this_origin_is_taken(flow: CodeFlow) -> None:
    form = Page(await flow.login_page()).form
    fields = {"username": "alice", "password": PASSWORD}
    headers = {"Sec-Fetch-Site": "same-origin"}
    assert_asks_to_allow(await submit(flow.browser, form, fields, headers=headers))


# The pending request


async def test_a_request_waits_for_half_an_hour(flow: CodeFlow, clock: TestClock) -> None:
    page = await flow.login_page()
    clock.advance(PENDING_LIFETIME.total_seconds() - 1)
    assert_asks_to_allow(await flow.log_in(page))


async def test_a_login_form_whose_request_has_expired_says_to_start_again(
    flow: CodeFlow, clock: TestClock
) -> None:
    page = await flow.login_page()
    clock.advance(PENDING_LIFETIME.total_seconds())
    response = await flow.log_in(page)
    assert_error_page(response, FINISHED)
    assert "Go back to the application" in Page(response).text
    await assert_logged_out(flow.browser)


async def test_the_login_page_of_an_expired_request_is_not_shown(
    flow: CodeFlow, clock: TestClock
) -> None:
    response = await flow.start()
    clock.advance(PENDING_LIFETIME.total_seconds())
    assert_error_page(await flow.follow(response), FINISHED)


async def test_the_back_button_leads_to_no_second_login_of_a_finished_request(
    flow: CodeFlow,
) -> None:
    page = await flow.login_page()
    consent = await flow.follow(await flow.log_in(page))
    await flow.exchange(read_answer(await flow.allow(consent))["code"])
    key = Page(page).form.fields["request"]
    assert_error_page(await flow.browser.get("/login", params={"request": key}), FINISHED)
    assert_error_page(await flow.browser.get("/consent", params={"request": key}), FINISHED)
    assert_error_page(await flow.log_in(page), FINISHED)


async def test_the_back_button_before_the_consent_leads_to_the_consent(flow: CodeFlow) -> None:
    start = await flow.start()
    await flow.log_in(await flow.follow(start))
    assert_asks_to_allow(await flow.follow(start))


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("x" * 43, id="another"),
        pytest.param("x", id="short"),
        pytest.param("\x00", id="nul"),
        pytest.param("\u00fc", id="not_ascii"),
        pytest.param("x" * 101, id="long"),
    ],
)
@pytest.mark.parametrize("path", ["/login", "/consent"])
async def test_a_request_that_nobody_made_is_an_error_page(
    http: httpx2.AsyncClient, path: str, key: str
) -> None:
    assert_error_page(await http.get(path, params={"request": key}), FINISHED)


async def test_a_login_form_with_a_request_that_nobody_made_logs_nobody_in(
    flow: CodeFlow,
) -> None:
    response = await flow.log_in(await flow.login_page(), request="x" * 43)
    assert_error_page(response, FINISHED)
    await assert_logged_out(flow.browser)


async def test_a_request_whose_client_was_disabled_meanwhile_is_an_error_page(
    flow: CodeFlow, server: Server, shop: TestClient, clock: TestClock
) -> None:
    page = await flow.login_page()
    await disable_client(server, shop)
    clock.advance(KNOWN_EVERYWHERE)
    assert_error_page(await flow.log_in(page), FINISHED)


async def test_what_the_browser_adds_to_the_login_form_is_not_read(flow: CodeFlow) -> None:
    page = await flow.login_page()
    extra = {
        "redirect_uri": "https://evil.example.com/",
        "client_id": "evil",
        "response_type": "token",
        "response_mode": "fragment",
        "scope": "profile email",
        "state": "evil",
        "next": "https://evil.example.com/",
    }
    consent = await flow.follow(await flow.log_in(page, **extra))
    assert_code_answer(await flow.allow(consent))


@pytest.mark.rfc("9700", "2.1", 2)
@pytest.mark.parametrize("name", ["next", "return_to", "redirect_uri", "url"])
async def test_a_login_leads_nowhere_that_the_address_names(
    http: httpx2.AsyncClient, alice: TestUser, name: str
) -> None:
    form = Page(await http.get("/login", params={name: "https://evil.example.com/"})).form
    fields = {"username": alice.username, "password": alice.password}
    response = await submit(http, form, fields)
    assert response.headers["location"] == f"{ISSUER}/account"


# Tabs


async def test_two_tabs_end_each_with_its_own_request(flow: CodeFlow, server: Server) -> None:
    other = await add_web_client(server, "other", redirect_uris=["https://other.example.com/cb"])
    other_flow = CodeFlow(flow.browser, flow.user, other, "https://other.example.com/cb")
    start, other_start = await flow.start(state="one"), await other_flow.start(state="two")
    consent = await flow.follow(await flow.log_in(await flow.follow(start)))
    other_consent = await other_flow.follow(await other_flow.follow(other_start))
    two = await other_flow.allow(other_consent)
    one = await flow.allow(consent)
    assert_code_answer(one, state="one")
    assert_code_answer(two, "https://other.example.com/cb", state="two")


async def test_the_codes_of_two_tabs_are_both_good(flow: CodeFlow) -> None:
    start, second_start = await flow.start(state="one"), await flow.start(state="two")
    consent = await flow.follow(await flow.log_in(await flow.follow(start)))
    second_consent = await flow.follow(await flow.follow(second_start))
    for page in (consent, second_consent):
        code = read_answer(await flow.allow(page))["code"]
        assert (await flow.exchange(code)).status_code == 200


async def overtaken(flow: CodeFlow) -> httpx2.Response:
    """A login form with a request of its own, shown before alice logged in in another tab."""
    first, second = await flow.login_page(state="one"), await flow.login_page(state="two")
    await flow.allow(await flow.follow(await flow.log_in(first)))
    return second


@pytest.mark.parametrize("username", ["alice", "\uff21lice"])
async def test_a_login_form_goes_on_with_the_login_of_another_tab(
    flow: CodeFlow, username: str
) -> None:
    """Nothing is to be proven: the browser would be led on without a form, too."""
    page = await overtaken(flow)
    session = flow.browser.cookies[SESSION]
    response = await flow.log_in(page, username=username, password="not looked at")
    assert_code_answer(response, state="two")
    assert flow.browser.cookies[SESSION] == session


async def test_a_login_form_without_a_request_goes_on_to_the_account_with_that_login(
    flow: CodeFlow,
) -> None:
    page = await flow.browser.get("/login")
    await flow.finish()
    response = await flow.log_in(page)
    assert (response.status_code, response.headers["location"]) == (303, f"{ISSUER}/account")


async def test_who_types_another_name_than_the_other_tab_is_told_who_is_logged_in(
    flow: CodeFlow, bob: TestUser
) -> None:
    """Silently going on as somebody else would be worse than to ask again."""
    page = await overtaken(flow)
    bobs = CodeFlow(flow.browser, bob, flow.client)
    response = await bobs.log_in(page)
    assert_overtaken(
        response,
        "You are already logged in as alice in another tab. Log in here to switch accounts.",
    )
    await assert_logged_in(flow.browser)
    assert_asks_to_allow(await bobs.log_in(response))
    await assert_logged_in(flow.browser, "bob")


async def test_a_name_that_nobody_can_have_is_not_even_normalised(
    flow: CodeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFKC of what fits into a body would stop the server for a tenth of a second."""
    page = await overtaken(flow)
    normalised: list[int] = []
    normalize = unicodedata.normalize

    def spy(form: Any, text: str) -> str:
        normalised.append(len(text))
        return normalize(form, text)

    monkeypatch.setattr(unicodedata, "normalize", spy)
    name = "\ufdfa" * 2_000
    assert_overtaken(
        await flow.log_in(page, username=name),
        "You are already logged in as alice in another tab. Log in here to switch accounts.",
    )
    assert max(normalised, default=0) <= USERNAME_MAX_LENGTH


async def test_a_login_that_the_request_wants_typed_is_not_spared_by_an_older_one(
    flow: CodeFlow, clock: TestClock
) -> None:
    page = await flow.browser.get("/login")
    await flow.finish()
    clock.advance(1)
    key = Page(await flow.login_page(prompt="login")).form.fields["request"]
    assert_asks_to_log_in(await flow.log_in(page, request=key))


async def test_a_login_form_that_was_shown_before_a_logout_logs_nobody_in_and_is_shown_again(
    flow: CodeFlow, clock: TestClock
) -> None:
    await flow.finish()
    clock.advance(1)
    page = await flow.login_page(prompt="login")
    await submit(flow.browser, Page(await flow.browser.get("/logout")).form)
    response = await flow.log_in(page)
    assert_overtaken(response)
    await assert_logged_out(flow.browser)
    assert_code_answer(await flow.log_in(response))


async def test_the_consent_of_one_user_is_not_given_by_another_who_logs_in_between(
    flow: CodeFlow, bob: TestUser, clock: TestClock
) -> None:
    consent = await flow.consent_page()
    clock.advance(1)
    bobs = CodeFlow(flow.browser, bob, flow.client)
    await bobs.log_in(await bobs.login_page(prompt="login"))
    assert_error_page(await flow.allow(consent), "This form is no longer valid")


async def test_the_consent_page_asks_the_user_who_is_logged_in_now(
    flow: CodeFlow, bob: TestUser, clock: TestClock
) -> None:
    consent = await flow.consent_page()
    clock.advance(1)
    bobs = CodeFlow(flow.browser, bob, flow.client)
    await bobs.log_in(await bobs.login_page(prompt="login"))
    key = Page(consent).form.fields["request"]
    shown = await flow.browser.get("/consent", params={"request": key})
    assert Page(shown).all("strong") == ["bob"]
    tokens = await bobs.exchange(read_answer(await flow.allow(shown))["code"])
    assert uuid.UUID(await subject_of(flow, tokens.json()["access_token"])) == bob.id


async def subject_of(flow: CodeFlow, token: str) -> str:
    response = await flow.browser.get("/userinfo", headers={"Authorization": f"Bearer {token}"})
    subject: str = response.json()["sub"]
    return subject
