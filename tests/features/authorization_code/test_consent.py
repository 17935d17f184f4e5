"""The consent page: what an application wants, allowed or not, remembered or not."""

import asyncio
from collections.abc import Sequence

import httpx2
import pytest
from sqlalchemy import func, select, update

from app.features.authorization_code.model import AuthorizationCode, Consent
from app.models import Client
from app.server import Server
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_scope, add_user, bearer, disable_user
from tests.support.flow import (
    CALLBACK,
    FINISHED,
    LOOPBACK,
    PRIVATE_SCHEME,
    STALE_FORM,
    CodeFlow,
    Page,
    add_native_client,
    add_web_client,
    assert_asks_to_allow,
    assert_asks_to_log_in,
    assert_code_answer,
    assert_error_answer,
    assert_error_page,
    assert_logged_in,
    assert_logged_out,
    dump,
    read_answer,
    submit,
)
from tests.support.lifecycle import (
    KNOWN_EVERYWHERE,
    give_to_user,
    take_from_client,
    take_from_user,
)

SAID_NO = "The user denied the request."
NONE_OF_THE_SCOPES = "None of the scopes can be granted."
MUST_CONSENT = "The user must consent."

NOT_ASKED_AGAIN = "You will not be asked for this again"

DESCRIPTIONS = {
    "openid": "Know who you are",
    "profile": "See your user name",
    "email": "See your e-mail address",
    "offline_access": "Stay logged in while you are away",
    "items:read": "See your items",
    "items:write": "Add, change and delete your items",
}


async def remembered(server: Server) -> list[tuple[str, str]]:
    """Client and scope of every consent that is stored."""
    async with server.database.read() as connection:
        rows = await connection.execute(
            select(Consent.client_id, Consent.scope).order_by(Consent.client_id, Consent.scope)
        )
        return [(row.client_id, row.scope) for row in rows]


# The page


@pytest.mark.rfc("6749", "10.2", 3)
async def test_the_page_names_the_application_and_the_user(
    flow: CodeFlow, server: Server, clock: TestClock
) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(update(Client).values(name="The Corner Shop & Sons"))
    clock.advance(KNOWN_EVERYWHERE)
    page = Page(await flow.consent_page())
    assert page.heading == "Allow The Corner Shop & Sons?"
    assert page.all("strong") == ["alice"]


@pytest.mark.rfc("6749", "10.2", 3)
@pytest.mark.rfc("openid-connect-core", "17.1")
@pytest.mark.parametrize(
    "scope",
    ["profile", "email profile", " ".join(DESCRIPTIONS)],
    ids=["one", "two", "many"],
)
async def test_the_page_says_in_words_what_the_application_wants(
    flow: CodeFlow, scope: str
) -> None:
    page = Page(await flow.consent_page(scope=scope))
    assert page.all("li") == [DESCRIPTIONS[name] for name in scope.split()]


async def test_a_new_scope_is_described_as_its_maker_did(
    flow: CodeFlow, server: Server, clock: TestClock
) -> None:
    await add_scope(server, "fax", "Send <faxes>")
    await give_to_user(server, flow.user, "fax")
    flow.client = await add_web_client(server, "office", scopes=["fax"])
    assert Page(await flow.consent_page(scope="fax")).all("li") == ["Send <faxes>"]


async def test_only_the_scopes_that_the_user_has_are_shown(flow: CodeFlow, server: Server) -> None:
    await take_from_user(server, flow.user, "items:write", "offline_access")
    page = Page(await flow.consent_page(scope="items:write profile offline_access items:read"))
    assert page.all("li") == [DESCRIPTIONS["profile"], DESCRIPTIONS["items:read"]]


async def test_a_user_with_none_of_the_scopes_is_not_asked(flow: CodeFlow, server: Server) -> None:
    await take_from_user(server, flow.user, "email")
    response = await flow.log_in(await flow.login_page(scope="email"))
    assert_error_answer(response, "access_denied", NONE_OF_THE_SCOPES)


@pytest.mark.rfc("9700", "4.11.2", 5)
@pytest.mark.parametrize(
    ("uri", "target"),
    [
        pytest.param(CALLBACK, "https://shop.example.com", id="https"),
        pytest.param("http://127.0.0.1:9000/cb", "http://127.0.0.1:9000", id="loopback"),
        pytest.param(PRIVATE_SCHEME, "com.example.app:", id="a_private_scheme"),
    ],
)
async def test_the_page_says_where_the_browser_goes_then(
    flow: CodeFlow, server: Server, uri: str, target: str
) -> None:
    flow.client = await add_web_client(server, "another", redirect_uris=[uri])
    flow.redirect_uri = uri
    assert Page(await flow.consent_page()).all("code") == [target]


async def test_the_page_has_one_button_for_yes_and_one_for_no(flow: CodeFlow) -> None:
    page = Page(await flow.consent_page())
    assert page.all("button") == ["Allow", "Deny"]
    assert page.form.choices == [("decision", "allow"), ("decision", "deny")]
    assert list(page.form.fields) == ["form_token", "request", "shown"]


async def test_who_is_not_logged_in_is_led_to_the_login(flow: CodeFlow) -> None:
    login = (await flow.start()).headers["location"]
    response = await flow.browser.get(login.replace("/login", "/consent"))
    assert_asks_to_log_in(response)


async def test_the_page_without_a_request_is_an_error(flow: CodeFlow) -> None:
    await flow.finish()
    assert_error_page(await flow.browser.get("/consent"), FINISHED)


# Yes and no


@pytest.mark.rfc("openid-connect-core", "3.1.2.4")
async def test_yes_leads_back_with_a_code(flow: CodeFlow) -> None:
    assert_code_answer(await flow.allow(await flow.consent_page()))


@pytest.mark.rfc("6749", "4.1.2.1", 5)
@pytest.mark.rfc("openid-connect-core", "3.1.2.4")
async def test_no_leads_back_with_an_error(flow: CodeFlow) -> None:
    response = await flow.deny(await flow.consent_page())
    assert_error_answer(response, "access_denied", SAID_NO)


@pytest.mark.rfc("6749", "10.12", 3)
@pytest.mark.parametrize("decision", ["", "ALLOW", "yes", "deny"])
async def test_anything_but_yes_is_no(flow: CodeFlow, decision: str) -> None:
    form = Page(await flow.consent_page()).form
    response = await submit(flow.browser, form, {"decision": decision})
    assert_error_answer(response, "access_denied", SAID_NO)


@pytest.mark.rfc("6749", "10.12", 3)
async def test_no_decision_at_all_is_no(flow: CodeFlow) -> None:
    response = await submit(flow.browser, Page(await flow.consent_page()).form)
    assert_error_answer(response, "access_denied", SAID_NO)


async def test_after_no_the_user_is_asked_again(flow: CodeFlow, server: Server) -> None:
    await flow.deny(await flow.consent_page())
    assert await remembered(server) == []
    assert_asks_to_allow(await flow.start())


async def test_no_takes_nothing_back_that_was_allowed_before(
    flow: CodeFlow, server: Server
) -> None:
    await flow.finish(scope="profile")
    await flow.deny(await flow.consent_page(scope="profile email"))
    assert await remembered(server) == [("shop", "profile")]
    assert_code_answer(await flow.start(scope="profile"))


@pytest.mark.parametrize("first", ["allow", "deny"])
async def test_a_decision_is_taken_once(flow: CodeFlow, first: str) -> None:
    page = await flow.consent_page()
    answer = await flow.decide(page, first)
    for again in (await flow.allow(page), await flow.deny(page)):
        assert again.headers["location"] == answer.headers["location"]


async def test_a_second_press_is_answered_like_the_first_as_long_as_a_code_is_good(
    flow: CodeFlow, clock: TestClock
) -> None:
    page = await flow.consent_page()
    await flow.allow(page)
    clock.advance(59)
    code = read_answer(await flow.allow(page))["code"]
    assert (await flow.exchange(code)).status_code == 200
    clock.advance(1)
    assert_error_page(await flow.allow(page), FINISHED)


async def test_nobody_else_gets_the_answer_that_is_kept(
    flow: CodeFlow, other_browser: httpx2.AsyncClient, server: Server
) -> None:
    page = await flow.consent_page()
    code = read_answer(await flow.allow(page))["code"]
    thief = CodeFlow(other_browser, flow.user, flow.client)
    assert_error_page(await thief.allow(page), FINISHED)
    await thief.consent_page(scope="email")
    assert_error_page(await thief.allow(page), FINISHED)
    assert code not in await dump(server)


async def test_many_simultaneous_yeses_are_one_code(flow: CodeFlow, server: Server) -> None:
    page = await flow.consent_page()
    responses = await asyncio.gather(*(flow.allow(page) for _ in range(8)))
    assert len({read_answer(response)["code"] for response in responses}) == 1
    async with server.database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(AuthorizationCode)) == 1


async def test_simultaneous_yeses_to_several_requests_are_a_code_each(
    flow: CodeFlow, server: Server
) -> None:
    pages = [await flow.consent_page() for _ in range(8)]
    answers = await asyncio.gather(*(flow.allow(page) for page in pages))
    assert len({read_answer(answer)["code"] for answer in answers}) == 8
    assert await remembered(server) == [("shop", "openid"), ("shop", "profile")]


async def test_a_scope_that_is_taken_from_the_user_meanwhile_is_not_allowed(
    flow: CodeFlow, server: Server
) -> None:
    page = await flow.consent_page(scope="profile email")
    await take_from_user(server, flow.user, "email")
    code = read_answer(await flow.allow(page))["code"]
    assert (await flow.exchange(code)).json()["scope"] == "profile"
    assert await remembered(server) == [("shop", "profile")]


async def test_a_user_who_loses_every_scope_meanwhile_allows_nothing(
    flow: CodeFlow, server: Server
) -> None:
    page = await flow.consent_page(scope="profile email")
    await take_from_user(server, flow.user, "profile", "email")
    response = await flow.allow(page)
    assert_error_answer(response, "access_denied", NONE_OF_THE_SCOPES)


async def test_a_user_who_is_disabled_meanwhile_allows_nothing(
    flow: CodeFlow, server: Server
) -> None:
    page = await flow.consent_page()
    await disable_user(server, flow.user)
    assert_asks_to_log_in(await flow.allow(page))
    assert await remembered(server) == []


# Remembering


@pytest.mark.rfc("openid-connect-core", "3.1.2.4")
async def test_what_was_allowed_is_not_asked_again(flow: CodeFlow, server: Server) -> None:
    page = await flow.consent_page()
    assert NOT_ASKED_AGAIN in Page(page).text
    await flow.allow(page)
    assert await remembered(server) == [("shop", "openid"), ("shop", "profile")]
    assert_code_answer(await flow.start())


async def test_what_was_allowed_is_remembered_in_another_browser(
    flow: CodeFlow, other_browser: httpx2.AsyncClient
) -> None:
    await flow.finish()
    other = CodeFlow(other_browser, flow.user, flow.client)
    assert_code_answer(await other.log_in(await other.login_page()))


async def test_less_than_was_allowed_is_not_asked_again(flow: CodeFlow) -> None:
    await flow.finish(scope="profile email items:read")
    assert_code_answer(await flow.start(scope="items:read profile"))


async def test_more_than_was_allowed_is_asked_again_as_a_whole(flow: CodeFlow) -> None:
    await flow.finish(scope="profile")
    page = Page(await flow.consent_page(scope="profile email"))
    assert page.all("li") == [DESCRIPTIONS["profile"], DESCRIPTIONS["email"]]


async def test_what_was_allowed_adds_up(flow: CodeFlow) -> None:
    await flow.finish(scope="profile")
    await flow.finish(scope="email")
    assert_code_answer(await flow.start(scope="profile email"))


async def test_a_scope_that_the_user_gets_later_is_asked_for(
    flow: CodeFlow, server: Server
) -> None:
    await take_from_user(server, flow.user, "email")
    await flow.finish(scope="profile email")
    assert_code_answer(await flow.start(scope="profile email"))
    await give_to_user(server, flow.user, "email")
    assert_asks_to_allow(await flow.start(scope="profile email"))


@pytest.mark.rfc("6749", "10.2", 3)
@pytest.mark.rfc("openid-connect-core", "11", 1)
@pytest.mark.rfc("openid-connect-core", "16.18", 2)
@pytest.mark.rfc("openid-connect-core", "17.4")
async def test_offline_access_is_asked_for_in_words_and_then_granted(flow: CodeFlow) -> None:
    """OpenID Connect Core, section 11: with a consent that names it."""
    page = await flow.consent_page(scope="openid offline_access")
    assert DESCRIPTIONS["offline_access"] in Page(page).all("li")
    granted = await flow.exchange(read_answer(await flow.allow(page))["code"])
    assert granted.json()["scope"] == "openid offline_access"


@pytest.mark.rfc("openid-connect-core", "11", 1, 2)
async def test_offline_access_is_not_granted_by_a_consent_to_less(flow: CodeFlow) -> None:
    await flow.finish(scope="openid")
    silent = await flow.start(scope="openid offline_access", prompt="none")
    assert read_answer(silent)["error"] == "consent_required"
    assert_asks_to_allow(await flow.start(scope="openid offline_access"))


@pytest.mark.rfc("openid-connect-core", "11", 2)
async def test_offline_access_that_was_allowed_is_granted_without_asking(flow: CodeFlow) -> None:
    await flow.finish(scope="openid offline_access")
    silent = await flow.start(scope="openid offline_access", prompt="none")
    granted = await flow.exchange(read_answer(silent)["code"])
    assert granted.json()["scope"] == "openid offline_access"


async def test_another_client_asks_itself(flow: CodeFlow, server: Server) -> None:
    await flow.finish()
    flow.client = await add_web_client(server, "other")
    assert_asks_to_allow(await flow.start())


async def test_another_user_is_asked_themselves(
    flow: CodeFlow, other_browser: httpx2.AsyncClient, bob: TestUser
) -> None:
    await flow.finish()
    other = CodeFlow(other_browser, bob, flow.client)
    assert_asks_to_allow(await other.log_in(await other.login_page()))


@pytest.mark.rfc("8252", "8.6", 2)
async def test_a_public_client_on_https_is_remembered(flow: CodeFlow, server: Server) -> None:
    flow.client = await add_native_client(server, "spa", redirect_uris=[CALLBACK])
    await flow.finish()
    assert_code_answer(await flow.start())


NATIVE = pytest.mark.parametrize(
    "uris",
    [
        pytest.param([LOOPBACK], id="loopback"),
        pytest.param(["http://[::1]/callback"], id="ipv6_loopback"),
        pytest.param(["http://localhost:9000/callback"], id="localhost"),
        pytest.param([PRIVATE_SCHEME], id="a_private_scheme"),
        pytest.param([LOOPBACK, CALLBACK], id="loopback_beside_https"),
    ],
)


@pytest.mark.rfc("6749", "10.2", 4)
@pytest.mark.rfc("8252", "8.6", 1)
@NATIVE
async def test_a_program_on_the_users_device_is_never_remembered(
    flow: CodeFlow, server: Server, uris: Sequence[str]
) -> None:
    """RFC 8252, section 8.6: any program could pose as the client."""
    flow.client = await add_native_client(server, redirect_uris=uris)
    flow.redirect_uri = uris[0]
    page = await flow.consent_page()
    assert NOT_ASKED_AGAIN not in Page(page).text
    await flow.allow(page)
    assert await remembered(server) == []
    assert_asks_to_allow(await flow.start())


@pytest.mark.rfc("6749", "10.2", 4)
@pytest.mark.rfc("8252", "8.6", 1)
@pytest.mark.rfc("openid-connect-core", "11", 5)
@NATIVE
async def test_a_program_on_the_users_device_gets_no_code_without_asking(
    flow: CodeFlow, server: Server, uris: Sequence[str]
) -> None:
    flow.client = await add_native_client(server, redirect_uris=uris)
    flow.redirect_uri = uris[0]
    await flow.finish()
    response = await flow.start(prompt="none")
    assert_error_answer(response, "consent_required", MUST_CONSENT, redirect_uri=uris[0])


async def test_a_confidential_client_on_loopback_is_remembered(
    flow: CodeFlow, server: Server
) -> None:
    flow.client = await add_web_client(server, "local", redirect_uris=[LOOPBACK])
    flow.redirect_uri = LOOPBACK
    await flow.finish()
    assert_code_answer(await flow.start(), LOOPBACK)


# prompt


async def test_prompt_consent_asks_again_and_is_remembered_as_before(
    flow: CodeFlow, server: Server
) -> None:
    await flow.finish()
    assert_code_answer(await flow.allow(await flow.consent_page(prompt="consent")))
    assert await remembered(server) == [("shop", "openid"), ("shop", "profile")]
    assert_code_answer(await flow.start())


async def test_no_to_prompt_consent_is_an_error_although_it_was_allowed_before(
    flow: CodeFlow,
) -> None:
    await flow.finish()
    response = await flow.deny(await flow.consent_page(prompt="consent"))
    assert_error_answer(response, "access_denied", SAID_NO)


async def test_prompt_none_for_more_than_was_allowed_is_consent_required(
    flow: CodeFlow,
) -> None:
    await flow.finish(scope="profile")
    response = await flow.start(scope="profile email", prompt="none")
    assert_error_answer(response, "consent_required", MUST_CONSENT)


@pytest.mark.rfc("6749", "4.1.2.1", 5)
async def test_prompt_none_for_none_of_the_users_scopes_is_access_denied(
    flow: CodeFlow, server: Server
) -> None:
    await flow.finish()
    await take_from_user(server, flow.user, "email")
    response = await flow.start(scope="email", prompt="none")
    assert_error_answer(response, "access_denied", NONE_OF_THE_SCOPES)


# The request is not the browser's to change


EVIL = {
    "client_id": "evil",
    "redirect_uri": "https://evil.example.com/",
    "scope": "profile email items:write",
    "scopes": "items:write",
    "state": "evil",
    "response_type": "token",
    "response_mode": "form_post",
    "nonce": "evil",
    "code_challenge": "evil",
    "code_challenge_method": "plain",
    "prompt": "none",
    "user_id": "1",
}


async def test_what_the_browser_adds_to_the_form_is_not_read(flow: CodeFlow) -> None:
    page = await flow.consent_page(nonce="mine")
    response = await flow.allow(page, **EVIL)
    assert_code_answer(response)
    tokens = (await flow.exchange(read_answer(response)["code"])).json()
    assert tokens["scope"] == "openid profile"


async def test_what_the_browser_adds_to_the_address_is_not_read(flow: CodeFlow) -> None:
    key = Page(await flow.consent_page()).form.fields["request"]
    page = await flow.browser.get("/consent", params=EVIL | {"request": key})
    assert Page(page).all("li") == [DESCRIPTIONS["openid"], DESCRIPTIONS["profile"]]
    assert "evil" not in page.text
    assert_code_answer(await flow.allow(page))


async def test_the_consent_is_for_the_request_that_the_form_names(flow: CodeFlow) -> None:
    """The request of another tab: its own client gets what was asked for there."""
    first = await flow.consent_page(state="one")
    second = await flow.consent_page(state="two", scope="profile email")
    key = Page(second).form.fields["request"]
    assert_code_answer(await flow.allow(first, request=key), state="two")


# CSRF


async def assert_nothing_allowed(flow: CodeFlow, server: Server, page: httpx2.Response) -> None:
    """The request still waits for its answer."""
    assert await remembered(server) == []
    assert_code_answer(await flow.allow(page))


@pytest.mark.rfc("6749", "10.12", 2)
async def test_a_form_without_its_token_allows_nothing(flow: CodeFlow, server: Server) -> None:
    page = await flow.consent_page()
    form = Page(page).form
    response = await submit(flow.browser, form, {"decision": "allow"}, leave_out="form_token")
    assert_error_page(response, STALE_FORM)
    await assert_nothing_allowed(flow, server, page)


async def test_the_token_of_another_form_allows_nothing(flow: CodeFlow, server: Server) -> None:
    page = await flow.consent_page()
    token = Page(await flow.browser.get("/logout")).form.fields["form_token"]
    assert_error_page(await flow.allow(page, form_token=token), STALE_FORM)
    await assert_nothing_allowed(flow, server, page)


async def test_the_token_of_another_browser_allows_nothing(
    flow: CodeFlow, server: Server, other_browser: httpx2.AsyncClient
) -> None:
    page = await flow.consent_page()
    other = CodeFlow(other_browser, flow.user, flow.client)
    token = Page(await other.consent_page()).form.fields["form_token"]
    assert_error_page(await flow.allow(page, form_token=token), STALE_FORM)
    await assert_nothing_allowed(flow, server, page)


@pytest.mark.rfc("6749", "10.12", 2)
@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_a_form_from_another_site_allows_nothing(
    flow: CodeFlow, server: Server, site: str
) -> None:
    page = await flow.consent_page()
    headers = {"Sec-Fetch-Site": site}
    form = Page(page).form
    response = await submit(flow.browser, form, {"decision": "allow"}, headers=headers)
    assert_error_page(response, STALE_FORM)
    await assert_nothing_allowed(flow, server, page)


async def test_who_was_logged_out_meanwhile_allows_nothing_and_logs_in_to_go_on(
    flow: CodeFlow, server: Server
) -> None:
    page = await flow.consent_page()
    await submit(flow.browser, Page(await flow.browser.get("/logout")).form)
    await assert_logged_out(flow.browser)
    response = await flow.allow(page)
    assert_asks_to_log_in(response)
    assert await remembered(server) == []
    consent = await flow.follow(await flow.log_in(await flow.follow(response)))
    assert_code_answer(await flow.allow(consent))


async def test_whoever_is_somebody_else_logs_in_and_is_asked_themselves(
    flow: CodeFlow, bob: TestUser
) -> None:
    page = await flow.consent_page()
    key = Page(page).form.fields["request"]
    assert f'href="login?request={key}&amp;switch=true"' in page.text
    login = await flow.browser.get("/login", params={"request": key, "switch": "true"})
    bobs = CodeFlow(flow.browser, bob, flow.client)
    consent = await bobs.follow(await bobs.log_in(login))
    assert Page(consent).all("strong") == ["bob"]
    assert_code_answer(await bobs.allow(consent))


async def test_the_link_to_another_login_logs_nobody_out(flow: CodeFlow) -> None:
    key = Page(await flow.consent_page()).form.fields["request"]
    await flow.browser.get("/login", params={"request": key, "switch": "true"})
    await assert_logged_in(flow.browser)


@pytest.mark.parametrize("lost", ["redirect_uris", "grant_types"])
async def test_a_client_that_could_not_ask_for_it_any_more_gets_no_code(
    flow: CodeFlow, server: Server, clock: TestClock, lost: str
) -> None:
    page = await flow.consent_page()
    values = {lost: ["password"] if lost == "grant_types" else ["https://shop.example.com/new"]}
    async with server.database.transaction() as connection:
        await connection.execute(update(Client).values(**values))
    clock.advance(KNOWN_EVERYWHERE)
    assert_error_page(await flow.allow(page), "The application changed while you were logging in")
    key = Page(page).form.fields["request"]
    response = await flow.browser.get("/login", params={"request": key})
    assert_error_page(response, "The application changed while you were logging in")
    assert await remembered(server) == []


async def test_a_scope_that_is_taken_from_the_client_meanwhile_is_not_asked_for(
    flow: CodeFlow, server: Server, clock: TestClock
) -> None:
    start = await flow.start(scope="profile email")
    await take_from_client(server, flow.client, "email")
    clock.advance(KNOWN_EVERYWHERE)
    consent = await flow.follow(await flow.log_in(await flow.follow(start)))
    assert Page(consent).all("li") == [DESCRIPTIONS["profile"]]
    await flow.allow(consent)
    assert await remembered(server) == [("shop", "profile")]


async def test_a_password_that_is_too_old_by_now_is_asked_for_before_the_decision(
    flow: CodeFlow, clock: TestClock
) -> None:
    """The request of max_age came after the login, and the form was left open."""
    await flow.finish(scope="profile")
    clock.advance(1)
    page = await flow.consent_page(scope="profile email", max_age="60")
    clock.advance(61)
    assert_asks_to_log_in(await flow.allow(page))


@pytest.mark.parametrize(
    ("max_age", "waited", "asked"),
    [("90", 90, False), ("90", 91, True), ("0", 60, False), ("0", 61, True)],
)
async def test_a_login_for_the_request_grows_too_old_while_the_form_is_open(
    flow: CodeFlow, clock: TestClock, max_age: str, waited: int, asked: bool
) -> None:
    page = await flow.consent_page(max_age=max_age)
    clock.advance(waited)
    response = await flow.allow(page)
    if not asked:
        assert_code_answer(response)
        return
    assert_asks_to_log_in(response)
    consent = await flow.follow(await flow.log_in(await flow.follow(response)))
    assert_code_answer(await flow.allow(consent))


# What was shown is what is granted


async def test_a_scope_that_the_user_gets_after_the_page_was_shown_is_not_granted(
    flow: CodeFlow, server: Server
) -> None:
    await take_from_user(server, flow.user, "email")
    page = await flow.consent_page(scope="profile email")
    await give_to_user(server, flow.user, "email")
    code = read_answer(await flow.allow(page))["code"]
    assert (await flow.exchange(code)).json()["scope"] == "profile"
    assert await remembered(server) == [("shop", "profile")]
    assert_asks_to_allow(await flow.start(scope="profile email"))


@pytest.mark.parametrize("shown", ["profile email", "email", "", "profile  ", "email profile"])
async def test_a_form_with_another_list_of_scopes_allows_nothing(
    flow: CodeFlow, server: Server, shown: str
) -> None:
    page = await flow.consent_page(scope="profile")
    assert_error_page(await flow.allow(page, shown=shown), STALE_FORM)
    assert await remembered(server) == []


async def test_a_form_without_its_list_of_scopes_allows_nothing(
    flow: CodeFlow, server: Server
) -> None:
    form = Page(await flow.consent_page(scope="profile")).form
    response = await submit(flow.browser, form, {"decision": "allow"}, leave_out="shown")
    assert_error_page(response, STALE_FORM)
    assert await remembered(server) == []


# What the tokens can do is what was allowed


async def test_the_tokens_reach_no_further_than_what_was_allowed(flow: CodeFlow) -> None:
    await flow.finish(scope="profile email items:read")
    tokens = await flow.tokens(scope="items:read")
    assert tokens["scope"] == "items:read"
    response = await flow.browser.get("/users/me", headers=bearer(tokens["access_token"]))
    assert response.status_code == 403


async def test_a_user_with_few_scopes_gets_no_others_by_consenting(
    http: httpx2.AsyncClient, server: Server, shop: TestClient
) -> None:
    carol = await add_user(server, "carol", scopes=["profile"])
    tokens = await CodeFlow(http, carol, shop).tokens(scope="profile items:write email")
    assert tokens["scope"] == "profile"
