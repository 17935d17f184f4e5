"""Logging out: OpenID Connect RP-Initiated Logout 1.0."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx2
import jwt
import pytest

from app.server import Server
from app.tokens.key_rotation import (
    PROPAGATION,
    algorithms_in_use,
    retire_key,
    rotate_keys,
)
from tests.conftest import ISSUER
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_client, add_scope, bearer, log_in
from tests.support.flow import (
    FORM,
    STALE_FORM,
    CodeFlow,
    Page,
    add_web_client,
    assert_asks_to_log_in,
    assert_error_page,
    assert_logged_in,
    assert_logged_out,
    source_names,
    submit,
)
from tests.support.lifecycle import (
    INACTIVE,
    KNOWN_EVERYWHERE,
    Tokens,
    disable_client,
    give_to_user,
    introspected,
    is_active,
    refreshed,
)
from tests.support.on_sqlite import backend as backend

GOODBYE = "https://shop.example.com/goodbye"
STATE = "a b&c+%\u00e9"

ASKS = "Log out?"
DONE = "You have been logged out"

SESSION = "latchkey_session"


@pytest.fixture
async def shop(server: Server) -> TestClient:
    """A client whose users may be sent to an address of it after the logout."""
    return await add_web_client(
        server, post_logout_redirect_uris=[GOODBYE, "https://shop.example.com/bye?tenant=one"]
    )


@pytest.fixture
async def tokens(flow: CodeFlow) -> Tokens:
    """What alice got at the client; she is logged in."""
    return await flow.tokens()


@pytest.fixture
def hint(tokens: Tokens) -> str:
    id_token: str = tokens["id_token"]
    return id_token


async def log_out(browser: httpx2.AsyncClient, **parameters: str) -> httpx2.Response:
    return await browser.get("/logout", params=parameters)


async def confirm(browser: httpx2.AsyncClient, page: httpx2.Response) -> httpx2.Response:
    assert Page(page).heading == ASKS
    return await submit(browser, Page(page).form)


def assert_done(response: httpx2.Response) -> None:
    """A page of this server; the browser is sent nowhere."""
    assert (response.status_code, Page(response).heading) == (200, DONE)
    assert "location" not in response.headers


def assert_sent_to(response: httpx2.Response, location: str) -> None:
    assert (response.status_code, response.headers["location"]) == (303, location)


def assert_cookie_removed(response: httpx2.Response, name: str = SESSION) -> None:
    (header,) = response.headers.get_list("set-cookie")
    pair, *attributes = header.split("; ")
    assert pair == f'{name}=""'
    assert "Max-Age=0" in attributes
    assert {"HttpOnly", "Path=/", "SameSite=lax"}.issubset(attributes)


# With the hint of the user who is logged in


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 1, 2)
async def test_a_hint_of_the_user_logs_out_at_once(flow: CodeFlow, hint: str) -> None:
    response = await log_out(flow.browser, id_token_hint=hint)
    assert_done(response)
    assert_cookie_removed(response)
    assert SESSION not in flow.browser.cookies
    await assert_logged_out(flow.browser)


async def test_the_session_is_dead_not_only_its_cookie(
    flow: CodeFlow, hint: str, other_browser: httpx2.AsyncClient
) -> None:
    other_browser.cookies.set(SESSION, flow.browser.cookies[SESSION])
    await assert_logged_in(other_browser)
    await log_out(flow.browser, id_token_hint=hint)
    await assert_logged_out(other_browser)


async def test_after_the_logout_the_client_asks_to_log_in(flow: CodeFlow, hint: str) -> None:
    await log_out(flow.browser, id_token_hint=hint)
    assert_asks_to_log_in(await flow.start())


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 4)
async def test_an_expired_hint_is_good(flow: CodeFlow, hint: str, clock: TestClock) -> None:
    clock.advance(7200)
    assert_done(await log_out(flow.browser, id_token_hint=hint))
    await assert_logged_out(flow.browser)


@pytest.mark.parametrize("passed", [timedelta(minutes=30), timedelta(days=30)])
async def test_a_hint_that_a_rotated_key_signed_is_good_as_long_as_a_login_may_live(
    flow: CodeFlow, hint: str, server: Server, clock: TestClock, passed: timedelta
) -> None:
    await rotate_every_key(server)
    clock.advance(passed.total_seconds())
    await flow.tokens()  # logged in anew, where the session is over
    response = await log_out(flow.browser, id_token_hint=hint, post_logout_redirect_uri=GOODBYE)
    assert_sent_to(response, GOODBYE)


async def test_a_hint_that_a_rotated_key_signed_is_asked_about_when_no_login_is_so_old(
    flow: CodeFlow, hint: str, server: Server, clock: TestClock
) -> None:
    await rotate_every_key(server)
    clock.advance(timedelta(days=30, minutes=11).total_seconds())
    await flow.tokens()
    assert Page(await log_out(flow.browser, id_token_hint=hint)).heading == ASKS


async def test_a_hint_that_a_retired_key_signed_is_asked_about(
    flow: CodeFlow, hint: str, server: Server, clock: TestClock
) -> None:
    await rotate_every_key(server)
    clock.advance(PROPAGATION)
    async with server.database.transaction() as connection:
        kid = jwt.get_unverified_header(hint)["kid"]
        await retire_key(connection, kid, clock.now(), {"RS256"})
    clock.advance(KNOWN_EVERYWHERE)
    assert Page(await log_out(flow.browser, id_token_hint=hint)).heading == ASKS


async def rotate_every_key(server: Server) -> None:
    async with server.database.transaction() as connection:
        await rotate_keys(
            connection,
            server.encryption,
            await algorithms_in_use(connection, server.settings),
            server.clock,
            server.settings,
            at_once=False,
        )


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 4)
async def test_a_hint_from_an_earlier_session_of_the_user_is_good(
    flow: CodeFlow, hint: str
) -> None:
    await log_out(flow.browser, id_token_hint=hint)
    await flow.finish()
    assert_done(await log_out(flow.browser, id_token_hint=hint))
    await assert_logged_out(flow.browser)


async def test_the_user_is_sent_to_the_registered_address(flow: CodeFlow, hint: str) -> None:
    response = await log_out(flow.browser, id_token_hint=hint, post_logout_redirect_uri=GOODBYE)
    assert_sent_to(response, GOODBYE)
    assert_cookie_removed(response)


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 22)
async def test_the_state_goes_along_as_it_was(flow: CodeFlow, hint: str) -> None:
    response = await log_out(
        flow.browser, id_token_hint=hint, post_logout_redirect_uri=GOODBYE, state=STATE
    )
    location = urlsplit(response.headers["location"])
    assert response.status_code == 303
    assert location._replace(query="").geturl() == GOODBYE
    assert parse_qs(location.query, strict_parsing=True) == {"state": [STATE]}


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 23)
async def test_the_query_of_the_registered_address_is_kept(flow: CodeFlow, hint: str) -> None:
    uri = "https://shop.example.com/bye?tenant=one"
    response = await log_out(
        flow.browser, id_token_hint=hint, post_logout_redirect_uri=uri, state="s"
    )
    assert_sent_to(response, f"{uri}&state=s")


async def test_the_registered_address_without_a_state_stays_as_it_is(
    flow: CodeFlow, hint: str
) -> None:
    uri = "https://shop.example.com/bye?tenant=one"
    response = await log_out(flow.browser, id_token_hint=hint, post_logout_redirect_uri=uri)
    assert_sent_to(response, uri)


@pytest.mark.rfc("9700", "2.1", 2)
@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 20)
@pytest.mark.rfc("openid-connect-rp-initiated-logout", "3", 1)
@pytest.mark.rfc("openid-connect-rp-initiated-logout", "4", 3)
@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("https://evil.example.com/", id="another"),
        pytest.param(GOODBYE + "/", id="a_trailing_slash"),
        pytest.param(GOODBYE + "?a=b", id="a_query_more"),
        pytest.param(GOODBYE + "#", id="an_empty_fragment"),
        pytest.param("https://SHOP.example.com/goodbye", id="another_case"),
        pytest.param("https://shop.example.com@evil.example.com/goodbye", id="a_user"),
        pytest.param(GOODBYE + "\n", id="a_newline"),
        pytest.param("https://shop.example.com/callback", id="the_redirect_uri"),
        pytest.param("javascript:alert(1)", id="javascript"),
        pytest.param("", id="empty"),
        pytest.param("\x00", id="nul"),
    ],
)
async def test_nobody_is_sent_to_an_address_that_is_not_registered(
    flow: CodeFlow, hint: str, uri: str
) -> None:
    response = await log_out(
        flow.browser, id_token_hint=hint, post_logout_redirect_uri=uri, state="s"
    )
    assert_done(response)
    assert "evil" not in response.text
    await assert_logged_out(flow.browser)


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "3", 1)
async def test_nobody_is_sent_to_the_address_of_another_client(
    flow: CodeFlow, hint: str, server: Server
) -> None:
    other = "https://other.example.com/goodbye"
    await add_web_client(server, "other", post_logout_redirect_uris=[other])
    for client_id in ("", "shop", "other"):
        await flow.finish()
        response = await log_out(
            flow.browser,
            id_token_hint=hint,
            post_logout_redirect_uri=other,
            client_id=client_id,
        )
        assert "location" not in response.headers


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 6)
@pytest.mark.rfc("openid-connect-rp-initiated-logout", "4", 1, 3)
async def test_a_hint_and_a_client_that_do_not_agree_are_asked_about_and_lead_nowhere(
    flow: CodeFlow, hint: str, server: Server
) -> None:
    await add_web_client(server, "other", post_logout_redirect_uris=[GOODBYE])
    response = await log_out(
        flow.browser, id_token_hint=hint, post_logout_redirect_uri=GOODBYE, client_id="other"
    )
    await assert_logged_in(flow.browser)
    assert_done(await confirm(flow.browser, response))


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 6)
async def test_a_hint_and_its_client_agree(flow: CodeFlow, hint: str) -> None:
    response = await log_out(
        flow.browser, id_token_hint=hint, post_logout_redirect_uri=GOODBYE, client_id="shop"
    )
    assert_sent_to(response, GOODBYE)


async def test_nobody_is_sent_to_the_address_of_a_disabled_client(
    flow: CodeFlow, hint: str, server: Server, shop: TestClient, clock: TestClock
) -> None:
    await disable_client(server, shop)
    clock.advance(KNOWN_EVERYWHERE)
    response = await log_out(flow.browser, id_token_hint=hint, post_logout_redirect_uri=GOODBYE)
    assert_done(response)


# Without it the user is asked


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 9)
@pytest.mark.rfc("openid-connect-rp-initiated-logout", "6")
async def test_without_a_hint_the_user_is_asked(flow: CodeFlow, tokens: Tokens) -> None:
    response = await log_out(flow.browser)
    page = Page(response)
    assert (response.status_code, page.heading) == (200, ASKS)
    assert page.all("strong") == ["alice"]
    assert list(page.form.fields) == ["form_token"]
    await assert_logged_in(flow.browser)


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 13)
async def test_who_says_yes_is_logged_out(flow: CodeFlow, tokens: Tokens) -> None:
    response = await confirm(flow.browser, await log_out(flow.browser))
    assert_done(response)
    assert_cookie_removed(response)
    await assert_logged_out(flow.browser)


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 5)
@pytest.mark.rfc("openid-connect-rp-initiated-logout", "3", 2)
async def test_who_says_yes_is_sent_to_the_registered_address(
    flow: CodeFlow, tokens: Tokens
) -> None:
    page = await log_out(
        flow.browser, client_id="shop", post_logout_redirect_uri=GOODBYE, state=STATE
    )
    assert source_names(page, "form-action") == ["'self'", "https:"]
    response = await confirm(flow.browser, page)
    assert response.headers["location"].startswith(GOODBYE + "?state=")
    assert parse_qs(urlsplit(response.headers["location"]).query) == {"state": [STATE]}


async def test_an_address_that_is_not_registered_is_not_in_the_policy_and_leads_nowhere(
    flow: CodeFlow, tokens: Tokens
) -> None:
    page = await log_out(
        flow.browser, client_id="shop", post_logout_redirect_uri="https://evil.example.com/"
    )
    assert source_names(page, "form-action") == ["'self'"]
    assert_done(await confirm(flow.browser, page))


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "3", 2)
async def test_an_address_without_a_client_leads_nowhere(flow: CodeFlow, tokens: Tokens) -> None:
    page = await log_out(flow.browser, post_logout_redirect_uri=GOODBYE)
    assert_done(await confirm(flow.browser, page))


async def test_an_address_that_the_browser_puts_into_the_form_leads_nowhere(
    flow: CodeFlow, tokens: Tokens
) -> None:
    page = await log_out(flow.browser, client_id="shop", post_logout_redirect_uri=GOODBYE)
    form = Page(page).form
    evil = {"post_logout_redirect_uri": "https://evil.example.com/"}
    assert_done(await submit(flow.browser, form, evil))


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 10)
async def test_the_hint_of_another_user_is_asked_about(
    flow: CodeFlow, tokens: Tokens, other_browser: httpx2.AsyncClient, bob: TestUser
) -> None:
    bobs = await CodeFlow(other_browser, bob, flow.client).tokens()
    response = await log_out(flow.browser, id_token_hint=bobs["id_token"])
    assert (Page(response).heading, Page(response).all("strong")) == (ASKS, ["alice"])
    await assert_logged_in(flow.browser)


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 3)
@pytest.mark.rfc("openid-connect-rp-initiated-logout", "4", 1)
@pytest.mark.parametrize(
    "hint",
    ["garbage", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "\x00", "\u00fc", "x" * 5000],
    ids=["garbage", "three_parts", "not_signed", "nul", "not_ascii", "long"],
)
async def test_a_hint_that_is_no_id_token_is_asked_about(
    flow: CodeFlow, tokens: Tokens, hint: str
) -> None:
    assert Page(await log_out(flow.browser, id_token_hint=hint)).heading == ASKS
    await assert_logged_in(flow.browser)


@pytest.mark.rfc("8725", "3.12")
@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 3)
async def test_an_access_token_is_no_hint(flow: CodeFlow, tokens: Tokens) -> None:
    response = await log_out(flow.browser, id_token_hint=tokens["access_token"])
    assert Page(response).heading == ASKS


@pytest.mark.rfc("openid-connect-core", "16.3")
@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 3)
async def test_an_id_token_whose_claims_were_changed_is_no_hint(flow: CodeFlow, hint: str) -> None:
    header, claims, signature = hint.split(".")
    response = await log_out(flow.browser, id_token_hint=f"{header}.{claims[:-2]}.{signature}")
    assert Page(response).heading == ASKS


async def test_what_comes_in_the_address_is_written_as_text(flow: CodeFlow, tokens: Tokens) -> None:
    evil = '"><script>alert(1)</script>'
    response = await log_out(flow.browser, state=evil, client_id="shop", unknown=evil)
    page = Page(response)
    assert (page.form.fields["state"], page.tags["script"]) == (evil, 0)


@pytest.mark.parametrize("query", ["state=%ff", "state=%ed%a0%80"], ids=["no_utf_8", "surrogate"])
async def test_an_address_that_cannot_be_read_is_asked_about(
    flow: CodeFlow, tokens: Tokens, query: str
) -> None:
    assert Page(await flow.browser.get(f"/logout?{query}")).heading == ASKS


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 14)
async def test_unknown_parameters_are_no_error(flow: CodeFlow, hint: str) -> None:
    response = await log_out(
        flow.browser, id_token_hint=hint, claims_locales="de fr", logout_hint="alice", foo="bar"
    )
    assert_done(response)


# A client's own form


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 1)
async def test_the_form_of_a_client_is_led_to_the_same_question_by_get(
    flow: CodeFlow, hint: str
) -> None:
    """It comes from another site, so the browser sends no cookies with it."""
    form = {"id_token_hint": hint, "post_logout_redirect_uri": GOODBYE, "state": STATE}
    response = await flow.browser.post("/logout", data=form | {"foo": "bar"})
    location = urlsplit(response.headers["location"])
    assert response.status_code == 303
    assert location._replace(query="").geturl() == f"{ISSUER}/logout"
    assert {name: value for name, (value,) in parse_qs(location.query).items()} == form
    await assert_logged_in(flow.browser)
    assert_cookie_removed(await flow.follow(response))


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "6")
async def test_an_empty_form_of_a_client_logs_nobody_out(flow: CodeFlow, tokens: Tokens) -> None:
    response = await flow.browser.post("/logout", content="", headers=FORM)
    assert response.status_code == 303
    assert Page(await flow.follow(response)).heading == ASKS


async def test_a_body_that_is_not_a_form_is_an_error_page(http: httpx2.AsyncClient) -> None:
    assert_error_page(await http.post("/logout", json={}), "This form could not be read")


# CSRF


@pytest.mark.parametrize("token", ["0" * 64, "x", "\u00fc"], ids=["wrong", "short", "not_ascii"])
async def test_a_form_with_a_wrong_token_logs_nobody_out(
    flow: CodeFlow, tokens: Tokens, token: str
) -> None:
    form = Page(await log_out(flow.browser)).form
    assert_error_page(await submit(flow.browser, form, {"form_token": token}), STALE_FORM)
    await assert_logged_in(flow.browser)


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "6")
async def test_the_token_of_another_form_logs_nobody_out(flow: CodeFlow, tokens: Tokens) -> None:
    token = Page(await flow.browser.get("/account")).forms[0].fields["form_token"]
    form = Page(await log_out(flow.browser)).form
    assert_error_page(await submit(flow.browser, form, {"form_token": token}), STALE_FORM)
    await assert_logged_in(flow.browser)


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "6")
@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_a_form_from_another_site_logs_nobody_out(
    flow: CodeFlow, tokens: Tokens, site: str
) -> None:
    form = Page(await log_out(flow.browser)).form
    response = await submit(flow.browser, form, headers={"Sec-Fetch-Site": site})
    assert_error_page(response, STALE_FORM)
    await assert_logged_in(flow.browser)


# Nobody is logged in


async def test_who_says_yes_after_another_tab_did_is_logged_out_and_sent_on(
    flow: CodeFlow, tokens: Tokens
) -> None:
    """The session may have expired meanwhile as well: what the user wanted is so."""
    page, with_client = (
        await log_out(flow.browser),
        await log_out(flow.browser, client_id="shop", post_logout_redirect_uri=GOODBYE),
    )
    assert_done(await confirm(flow.browser, page))
    assert_done(await confirm(flow.browser, page))
    assert_sent_to(await confirm(flow.browser, with_client), GOODBYE)


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "4", 2)
async def test_without_a_session_the_logout_is_done(http: httpx2.AsyncClient) -> None:
    assert_done(await log_out(http))


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "4", 2)
async def test_without_a_session_the_user_is_sent_to_the_registered_address(
    flow: CodeFlow, hint: str
) -> None:
    await log_out(flow.browser, id_token_hint=hint)
    response = await log_out(
        flow.browser, id_token_hint=hint, post_logout_redirect_uri=GOODBYE, state="s"
    )
    assert_sent_to(response, GOODBYE + "?state=s")


async def test_without_a_session_nobody_is_sent_to_an_address_that_is_not_registered(
    http: httpx2.AsyncClient, shop: TestClient
) -> None:
    evil = "https://evil.example.com/"
    assert_done(await log_out(http, client_id="shop", post_logout_redirect_uri=evil))


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "3", 2)
@pytest.mark.parametrize("client_id", ["nobody", "\x00", "\u00fc", "x" * 5000, ""], ids=ascii)
async def test_an_unknown_client_leads_nowhere(
    http: httpx2.AsyncClient, shop: TestClient, client_id: str
) -> None:
    response = await log_out(http, client_id=client_id, post_logout_redirect_uri=GOODBYE)
    assert_done(response)


# What ends with the session


@pytest.mark.rfc("9700", "4.14.2", 7)
@pytest.mark.rfc("openid-connect-core", "11", 4)
async def test_a_login_without_offline_access_ends(flow: CodeFlow, tokens: Tokens) -> None:
    await log_out(flow.browser, id_token_hint=tokens["id_token"])
    for name in ("access_token", "refresh_token"):
        assert await introspected(flow.browser, flow.client, tokens[name]) == INACTIVE
    response = await flow.browser.get("/userinfo", headers=bearer(tokens["access_token"]))
    assert response.status_code == 401


async def test_a_login_with_offline_access_stays(flow: CodeFlow) -> None:
    tokens = await flow.tokens(scope="openid offline_access")
    await log_out(flow.browser, id_token_hint=tokens["id_token"])
    await assert_logged_out(flow.browser)
    assert await is_active(flow.browser, flow.client, tokens["access_token"])
    await refreshed(flow.browser, flow.client, tokens["refresh_token"])


async def test_a_login_that_was_refreshed_ends_too(flow: CodeFlow, tokens: Tokens) -> None:
    successor = await refreshed(flow.browser, flow.client, tokens["refresh_token"])
    await log_out(flow.browser, id_token_hint=tokens["id_token"])
    token = successor["refresh_token"]
    assert await introspected(flow.browser, flow.client, token) == INACTIVE


async def test_the_logins_of_every_client_in_the_browser_end(
    flow: CodeFlow, tokens: Tokens, server: Server
) -> None:
    other = CodeFlow(flow.browser, flow.user, await add_web_client(server, "other"))
    others = await other.tokens()
    await log_out(flow.browser, id_token_hint=tokens["id_token"])
    assert await introspected(flow.browser, other.client, others["refresh_token"]) == INACTIVE


async def test_the_logins_in_another_browser_stay(
    flow: CodeFlow, tokens: Tokens, other_browser: httpx2.AsyncClient
) -> None:
    other = await CodeFlow(other_browser, flow.user, flow.client).tokens()
    await log_out(flow.browser, id_token_hint=tokens["id_token"])
    await assert_logged_in(other_browser)
    assert await is_active(flow.browser, flow.client, other["refresh_token"])


async def test_a_login_by_the_password_grant_stays(
    flow: CodeFlow, tokens: Tokens, server: Server
) -> None:
    web = await add_client(server)
    by_password = await log_in(flow.browser, flow.user, web, "profile")
    await log_out(flow.browser, id_token_hint=tokens["id_token"])
    assert await is_active(flow.browser, web, by_password["access_token"])


async def test_a_scope_with_a_similar_name_keeps_no_login(
    flow: CodeFlow, server: Server, clock: TestClock
) -> None:
    for name in ("offline_access2", "not_offline_access"):
        await add_scope(server, name, "Similar")
        await give_to_user(server, flow.user, name)
    flow.client = await add_web_client(
        server, "similar", scopes=["openid", "offline_access2", "not_offline_access"]
    )
    tokens = await flow.tokens(scope="openid offline_access2 not_offline_access")
    await log_out(flow.browser, id_token_hint=tokens["id_token"])
    token = tokens["refresh_token"]
    assert await introspected(flow.browser, flow.client, token) == INACTIVE
