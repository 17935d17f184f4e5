"""The second step in a browser: after the password, before the session."""

import asyncio
import re

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import insert

from app.features.mfa.model import MfaRequirement
from app.features.mfa.service import reset_factors
from app.identity.users import change_password, get_account
from app.management.authority import operating
from app.server import Server
from tests.conftest import ISSUER
from tests.features.mfa.phones import STEP, Phone, give_phone
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, TestClient, TestUser, add_user, disable_user
from tests.support.flow import (
    USER_SCOPES,
    CodeFlow,
    Page,
    add_web_client,
    assert_error_answer,
    assert_error_page,
    assert_logged_in,
    assert_logged_out,
    open_browser,
    read_answer,
    submit,
)
from tests.support.forger import read_claims
from tests.support.on_sqlite import backend as backend

EXPIRED = "This login has expired"

MFA_ACR = "urn:latchkey:acr:mfa"


@pytest.fixture
async def alice(server: Server) -> TestUser:
    return await add_user(server, scopes=USER_SCOPES)


@pytest.fixture
async def shop(server: Server) -> TestClient:
    return await add_web_client(server)


@pytest.fixture
def flow(http: httpx2.AsyncClient, alice: TestUser, shop: TestClient) -> CodeFlow:
    return CodeFlow(http, alice, shop)


async def type_password(http: httpx2.AsyncClient, user: TestUser, where: str = "") -> Page:
    """Log in at the login page as far as the password goes, and see what comes."""
    form = Page(await http.get(f"/login{where}")).form
    form.action = form.action or f"login{where}"
    response = await submit(http, form, {"username": user.username, "password": user.password})
    assert response.status_code == 303, response.text
    return Page(await http.get(response.headers["location"]))


async def show(http: httpx2.AsyncClient, page: Page, **shown: str) -> httpx2.Response:
    """Fill in the form that has these fields."""
    (form,) = [form for form in page.forms if set(shown) <= set(form.fields)]
    return await submit(http, form, shown)


def assert_over(response: httpx2.Response) -> None:
    assert (response.status_code, Page(response).heading) == (400, EXPIRED)


def secret_on(page: Page) -> str:
    """What a person types into the app."""
    (code,) = [text for text in page.all("code") if re.fullmatch(r"([A-Z2-7]{4} ?)+", text)]
    return code.replace(" ", "")


# At the login page


async def test_after_the_password_comes_the_code(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone
) -> None:
    page = await type_password(http, alice)
    assert page.heading == "One more step"
    await assert_logged_out(http)
    response = await show(http, page, otp=phone.code())
    assert (response.status_code, response.headers["location"]) == (303, f"{ISSUER}/account")
    await assert_logged_in(http)


async def test_a_recovery_code_does_in_place_of_the_code(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone
) -> None:
    page = await type_password(http, alice)
    response = await show(http, page, recovery_code=phone.recovery_codes[0])
    assert response.status_code == 303
    assert "9 left" in Page(await http.get("/account")).text


async def test_a_wrong_code_is_told_and_the_next_one_may_be_right(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone
) -> None:
    page = await type_password(http, alice)
    again = await show(http, page, otp=phone.wrong_code())
    assert (again.status_code, Page(again).alert) == (
        400,
        "The code is wrong, or was used before.",
    )
    assert (await show(http, Page(again), otp=phone.code())).status_code == 303


async def test_after_five_wrong_codes_the_password_is_asked_for_again(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone
) -> None:
    page = await type_password(http, alice)
    for _ in range(4):
        assert (await show(http, page, otp=phone.wrong_code())).status_code == 400
    response = await show(http, page, otp=phone.wrong_code())
    assert Page(response).heading == EXPIRED
    assert Page(await show(http, page, otp=phone.code())).heading == EXPIRED
    await assert_logged_out(http)


@pytest.mark.parametrize("changes", [{"login_max_failures": 3}], ids=["three"])
async def test_guesses_wait_over_all_logins_of_an_account(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone
) -> None:
    page = await type_password(http, alice)
    for _ in range(3):
        await show(http, page, otp=phone.wrong_code())
    page = await type_password(http, alice)
    response = await show(http, page, otp=phone.code())
    assert (response.status_code, response.headers["retry-after"]) == (429, "300")


async def test_a_login_waits_for_five_minutes(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone, clock: TestClock
) -> None:
    page = await type_password(http, alice)
    clock.advance(300)
    assert Page(await show(http, page, otp=phone.code())).heading == EXPIRED
    response = await http.get("/second-factor")
    assert response.headers["location"] == f"{ISSUER}/login"


async def test_the_page_is_of_the_browser_in_which_the_password_was_typed(
    http: httpx2.AsyncClient, app: FastAPI, alice: TestUser, phone: Phone
) -> None:
    page = await type_password(http, alice)
    async with open_browser(app) as other:
        await other.get("/login")
        assert Page(await show(other, page, otp=phone.code())).heading == EXPIRED
        assert (await other.get("/second-factor")).headers["location"] == f"{ISSUER}/login"


async def test_a_form_of_an_earlier_login_is_no_longer_valid(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone, server: Server, clock: TestClock
) -> None:
    await give_phone(server, clock, await add_user(server, "bob"))
    page = await type_password(http, alice)
    await type_password(http, TestUser(alice.id, "bob", PASSWORD))
    assert_error_page(await show(http, page, otp=phone.code()), "This form is no longer valid")


async def test_a_form_that_no_page_showed_does_nothing(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone
) -> None:
    await type_password(http, alice)
    response = await http.post("/second-factor", data={"otp": phone.code()})
    assert_error_page(response, "This form is no longer valid")


async def test_a_login_that_waits_ends_with_the_password(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone, server: Server
) -> None:
    page = await type_password(http, alice)
    async with server.database.transaction() as connection:
        account = await get_account(connection, alice.id)
        await change_password(connection, account, "another hash", server.clock.now())
    assert_over(await show(http, page, otp=phone.code()))
    assert (await http.get("/second-factor")).headers["location"] == f"{ISSUER}/login"
    await assert_logged_out(http)


async def test_a_login_that_waits_ends_with_the_user(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone, server: Server
) -> None:
    page = await type_password(http, alice)
    await disable_user(server, alice)
    assert_over(await show(http, page, otp=phone.code()))


async def test_the_page_that_asked_for_the_login_comes_after_the_code(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone
) -> None:
    page = await type_password(http, alice, "?next=docs")
    form = page.form_with(otp="")
    response = await http.post("/second-factor?next=docs", data=form.fields | {"otp": phone.code()})
    assert response.headers["location"] == f"{ISSUER}/docs"


# In the code flow


async def second_step(flow: CodeFlow, **changes: str | None) -> Page:
    """As far as the code is asked for."""
    response = await flow.log_in(await flow.login_page(**changes))
    page = Page(await flow.follow(response))
    assert page.heading == "One more step"
    return page


async def test_the_application_gets_its_tokens_after_the_code(
    flow: CodeFlow, phone: Phone, clock: TestClock
) -> None:
    page = await second_step(flow)
    clock.advance(5)
    consent = await flow.follow(await show(flow.browser, page, otp=phone.code()))
    code = read_answer(await flow.allow(consent))["code"]
    id_token = read_claims((await flow.exchange(code)).json()["id_token"])
    assert (id_token["acr"], id_token["amr"], id_token["auth_time"]) == (
        MFA_ACR,
        ["pwd", "otp", "mfa"],
        int(clock.now().timestamp()),
    )


async def test_a_request_that_waits_is_no_way_around_the_code(flow: CodeFlow, phone: Phone) -> None:
    page = await second_step(flow)
    key = page.form_with(otp="").fields["request"]
    for path in ("consent", "login"):
        response = await flow.browser.get(f"/{path}?request={key}")
        if response.status_code == 303:
            response = await flow.follow(response)
        assert Page(response).heading == "Log in"
    await assert_logged_out(flow.browser)


async def test_a_session_from_before_the_factor_shows_it_when_it_is_asked_for(
    flow: CodeFlow, server: Server, clock: TestClock, alice: TestUser
) -> None:
    await flow.code()
    phone = await give_phone(server, clock, alice)
    page = Page(await flow.follow(await flow.start()))
    assert page.heading == "One more step"
    response = await show(flow.browser, page, otp=phone.code())
    assert "code" in read_answer(response)


@pytest.mark.rfc("9470", "5", 1)
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"acr_values": MFA_ACR}, id="acr_values"),
        pytest.param(
            {"claims": '{"id_token":{"acr":{"essential":true,"value":"urn:latchkey:acr:mfa"}}}'},
            id="essential",
        ),
    ],
)
async def test_a_client_that_asks_for_two_factors_gets_them_or_nothing(
    flow: CodeFlow, asked: dict[str, str]
) -> None:
    await flow.code()  # with a password alone
    assert_error_answer(
        await flow.start(prompt="none", **asked), "login_required", "The user must show more."
    )
    page = Page(await flow.follow(await flow.log_in(await flow.login_page(**asked))))
    assert page.heading == "Set up a second factor"
    phone = Phone(secret_on(page), flow_clock(flow), ())
    saved = Page(await show(flow.browser, page, otp=phone.code()))
    assert saved.heading == "Save your recovery codes"
    tokens = await flow.tokens(**asked)
    assert read_claims(tokens["id_token"])["acr"] == MFA_ACR


def flow_clock(flow: CodeFlow) -> TestClock:
    server: Server = flow.browser._transport.app.state.server  # type: ignore[attr-defined]
    assert isinstance(server.clock, TestClock)
    return server.clock


async def test_a_session_older_than_max_age_types_the_password_and_shows_a_code(
    flow: CodeFlow, phone: Phone, clock: TestClock
) -> None:
    page = await second_step(flow)
    consent = await flow.follow(await show(flow.browser, page, otp=phone.code()))
    await flow.allow(consent)
    clock.advance(3600)
    assert "code" in read_answer(await flow.start())
    page = await second_step(flow, max_age="60")
    assert "code" in read_answer(await show(flow.browser, page, otp=phone.code()))


# Whoever must have a factor and has none


@pytest.mark.parametrize("changes", [{"mfa": "required"}], ids=["required"])
async def test_whoever_must_have_a_factor_sets_one_up_before_anything_else(
    http: httpx2.AsyncClient, alice: TestUser, clock: TestClock
) -> None:
    page = await type_password(http, alice)
    assert page.heading == "Set up a second factor"
    await assert_logged_out(http)
    wrong = await show(http, page, otp="000000")
    assert (wrong.status_code, Page(wrong).alert) == (
        400,
        "The code is wrong. Take the one that the app shows now.",
    )
    phone = Phone(secret_on(page), clock, ())
    saved = Page(await show(http, page, otp=phone.code()))
    codes = [code for code in saved.all("code") if len(code) == 29]
    assert len(set(codes)) == 10
    await assert_logged_in(http)
    http.cookies.clear()
    clock.advance(STEP)
    page = await type_password(http, alice)
    assert (await show(http, page, recovery_code=codes[9])).status_code == 303


@pytest.mark.parametrize("changes", [{"mfa": "required"}], ids=["required"])
async def test_at_the_token_endpoint_they_are_told_where(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    client = await add_web_client(server, "old", grant_types=("password",))
    form = {"grant_type": "password", "username": "alice", "password": PASSWORD, "scope": "email"}
    response = await http.post("/token", data=form, auth=client.basic)
    assert (response.status_code, response.json()) == (
        400,
        {
            "error": "mfa_required",
            "error_description": "This account needs a second factor. "
            f"Set one up at {ISSUER}/account.",
            "mfa_methods": [],
        },
    )


@pytest.mark.parametrize("what", ["user", "client", "scope"])
async def test_a_factor_can_be_required_of_a_user_of_a_client_or_for_a_scope(
    flow: CodeFlow, server: Server, alice: TestUser, what: str
) -> None:
    required: dict[str, dict[str, object]] = {
        "user": {"user_id": alice.id},
        "client": {"client_id": "shop"},
    }
    column = required.get(what, {"scope": "items:write"})
    async with server.database.transaction() as connection:
        await connection.execute(insert(MfaRequirement).values(level=2, **column))
    page = Page(await flow.follow(await flow.log_in(await flow.login_page(scope="items:write"))))
    assert page.heading == "Set up a second factor"


async def test_what_is_required_for_one_scope_is_not_for_another(
    flow: CodeFlow, server: Server
) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(insert(MfaRequirement).values(level=2, scope="items:write"))
    await flow.code(scope="items:read")
    page = Page(await flow.follow(await flow.start(scope="items:read items:write")))
    assert page.heading == "Log in"  # who has no factor types the password before they get one


async def test_whoever_was_logged_in_before_it_was_required_logs_in_again(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    form = Page(await http.get("/login")).form
    await submit(http, form, {"username": alice.username, "password": alice.password})
    await assert_logged_in(http)
    form = Page(await http.get("/account")).form_with(action="password")
    async with server.database.transaction() as connection:
        await connection.execute(insert(MfaRequirement).values(level=2, user_id=alice.id))
    await assert_logged_out(http)
    response = await submit(http, form)
    assert response.headers["location"] == f"{ISSUER}/login"
    assert (await type_password(http, alice)).heading == "Set up a second factor"


async def test_no_page_of_the_account_is_open_to_who_has_to_set_a_factor_up(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    form = Page(await http.get("/login")).form
    await submit(http, form, {"username": alice.username, "password": alice.password})
    async with server.database.transaction() as connection:
        await connection.execute(insert(MfaRequirement).values(level=2, user_id=alice.id))
    for path in ("/account", "/app-passwords"):
        response = await http.get(path)
        if response.status_code != 404:  # of a feature that was deleted
            assert response.headers["location"] == f"{ISSUER}/login", path


# Whoever presses the button twice, and whose browser drops the first answer

SESSION = "latchkey_session"


@pytest.mark.parametrize("recovery", [False, True], ids=["otp", "recovery_code"])
async def test_a_second_press_is_answered_like_the_first(
    flow: CodeFlow, phone: Phone, recovery: bool
) -> None:
    await flow.allow(
        await flow.follow(
            await show(flow.browser, await second_step(flow), recovery_code=phone.recovery_codes[1])
        )
    )
    flow.browser.cookies.delete(SESSION)
    page = await second_step(flow)
    shown = {"recovery_code": phone.recovery_codes[0]} if recovery else {"otp": phone.code()}
    first = await show(flow.browser, page, **shown)
    flow.browser.cookies.delete(SESSION)
    again = await show(flow.browser, page, **shown)
    assert read_answer(again)["code"] == read_answer(first)["code"]
    await assert_logged_in(flow.browser)
    tokens = (await flow.exchange(read_answer(again)["code"])).json()
    assert read_claims(tokens["id_token"])["acr"] == MFA_ACR


async def test_so_is_that_of_whoever_was_logged_in_without_the_factor(
    flow: CodeFlow, server: Server, clock: TestClock, alice: TestUser
) -> None:
    await flow.code()
    before = flow.browser.cookies[SESSION]
    phone = await give_phone(server, clock, alice)
    page, code = Page(await flow.follow(await flow.start())), phone.code()
    first = await show(flow.browser, page, otp=code)
    flow.browser.cookies.delete(SESSION)
    flow.browser.cookies.set(SESSION, before)
    again = await show(flow.browser, page, otp=code)
    assert read_answer(again)["code"] == read_answer(first)["code"]
    await assert_logged_in(flow.browser)


async def test_what_the_second_press_begins_takes_the_place_of_what_the_first_one_did(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone
) -> None:
    page, code = await type_password(http, alice), phone.code()
    given = []
    for _ in range(3):
        assert (await show(http, page, otp=code)).headers["location"] == f"{ISSUER}/account"
        given.append(http.cookies[SESSION])
        http.cookies.delete(SESSION)
    for session in given[:2]:
        http.cookies.set(SESSION, session)
        await assert_logged_out(http)
    http.cookies.set(SESSION, given[2])
    await assert_logged_in(http)


async def test_of_presses_at_once_each_is_answered(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone
) -> None:
    page, code = await type_password(http, alice), phone.code()
    answers = await asyncio.gather(*[show(http, page, otp=code) for _ in range(3)])
    assert {answer.headers["location"] for answer in answers} == {f"{ISSUER}/account"}


async def test_after_a_logout_it_is_no_second_press(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone
) -> None:
    page, code = await type_password(http, alice), phone.code()
    await show(http, page, otp=code)
    await submit(http, Page(await http.get("/logout")).form)
    assert_over(await show(http, page, otp=code))
    await assert_logged_out(http)


async def test_after_a_logout_from_elsewhere_it_is_no_second_press(
    http: httpx2.AsyncClient, app: FastAPI, alice: TestUser, phone: Phone
) -> None:
    page, code = await type_password(http, alice), phone.code()
    await show(http, page, otp=code)
    http.cookies.delete(SESSION)
    async with open_browser(app) as other:
        entrance = await type_password(other, alice)
        await show(other, entrance, recovery_code=phone.recovery_codes[0])
        account = Page(await other.get("/account"))
        await submit(other, account.form_with(action="elsewhere"))
        await assert_logged_in(other)
    assert_over(await show(http, page, otp=code))
    await assert_logged_out(http)


async def test_after_a_reset_it_is_no_second_press(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone, server: Server
) -> None:
    page, code = await type_password(http, alice), phone.code()
    await show(http, page, otp=code)
    http.cookies.delete(SESSION)
    async with operating(server.database, server.clock) as operator:
        await reset_factors(operator, alice.id, server.second_factors.factors)
    assert_over(await show(http, page, otp=code))
    await assert_logged_out(http)


async def test_another_code_is_no_second_press(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone
) -> None:
    page = await type_password(http, alice)
    await show(http, page, otp=phone.code())
    http.cookies.delete(SESSION)
    assert Page(await show(http, page, otp=phone.code(steps=1))).heading == EXPIRED
    await assert_logged_out(http)


async def test_after_a_minute_it_is_no_second_press_any_more(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone, clock: TestClock
) -> None:
    page = await type_password(http, alice)
    code = phone.code()
    await show(http, page, otp=code)
    http.cookies.delete(SESSION)
    clock.advance(60)
    assert Page(await show(http, page, otp=code)).heading == EXPIRED


async def test_another_browser_presses_nothing_twice(
    http: httpx2.AsyncClient, app: FastAPI, alice: TestUser, phone: Phone
) -> None:
    page = await type_password(http, alice)
    code = phone.code()
    await show(http, page, otp=code)
    async with open_browser(app) as other:
        await other.get("/login")
        assert Page(await show(other, page, otp=code)).heading == EXPIRED
        await assert_logged_out(other)


async def test_a_second_press_is_void_with_the_password(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone, server: Server
) -> None:
    page = await type_password(http, alice)
    code = phone.code()
    await show(http, page, otp=code)
    http.cookies.delete(SESSION)
    async with server.database.transaction() as connection:
        account = await get_account(connection, alice.id)
        await change_password(connection, account, "another hash", server.clock.now())
    assert Page(await show(http, page, otp=code)).heading == EXPIRED


# Where a passkey is required, which is got at the account page


async def require_passkey(server: Server, **of: object) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(insert(MfaRequirement).values(level=3, **of))


def assert_takes_a_passkey(response: httpx2.Response) -> None:
    page = Page(response)
    assert (response.status_code, page.heading) == (403, "This application takes a passkey")
    assert page.all("a") == ["Go to your account"]


async def test_whoever_has_no_passkey_is_told_where_to_get_one(
    flow: CodeFlow, phone: Phone, server: Server
) -> None:
    await require_passkey(server, client_id="shop")
    page = await second_step(flow)
    shown = await show(flow.browser, page, otp=phone.code())
    assert_takes_a_passkey(await flow.follow(shown))
    await assert_logged_out(flow.browser)


async def test_so_is_whoever_is_logged_in_with_another_factor(
    flow: CodeFlow, phone: Phone, server: Server
) -> None:
    shown = await show(flow.browser, await second_step(flow), otp=phone.code())
    await flow.allow(await flow.follow(shown))
    await require_passkey(server, scope="items:read")
    assert_takes_a_passkey(await flow.follow(await flow.start(scope="items:read")))


async def test_they_come_to_their_account_with_the_factor_that_they_have(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone, server: Server
) -> None:
    await require_passkey(server, user_id=alice.id)
    page = await type_password(http, alice)
    assert (await show(http, page, otp=phone.code())).status_code == 303
    await assert_logged_in(http)
