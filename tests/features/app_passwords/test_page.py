"""The pages on which people make, see and revoke their app passwords."""

import re

import httpx2
import pytest

from app.features.app_passwords.service import AppPasswordRecord, list_app_passwords
from app.main import create_app
from app.server import Server
from tests.conftest import make_settings
from tests.features.app_passwords.given import add_keeper, ask_for_tokens, give_app_password
from tests.support.clock import TestClock
from tests.support.factories import (
    PASSWORD,
    TestClient,
    TestUser,
    add_client,
    add_user,
    disable_user,
)
from tests.support.flow import STALE_FORM, Page, assert_error_page, submit
from tests.support.meanwhile import Meanwhile
from tests.support.on_sqlite import backend as backend
from tests.support.operators import events

SECRET = re.compile(r"<code>(lkapp_[0-9A-Za-z]{28})</code>")

Browser = httpx2.AsyncClient


@pytest.fixture
async def mail(server: Server) -> TestClient:
    return await add_client(server, "mail", scopes=("profile", "items:read", "items:write"))


@pytest.fixture
async def browser(http: Browser, alice: TestUser) -> Browser:
    """Alice, logged in at this server itself."""
    form = Page(await http.get("/login")).form
    await submit(http, form, {"username": alice.username, "password": alice.password})
    return http


async def create(browser: Browser, **fields: str) -> httpx2.Response:
    response = await browser.get("/app-passwords")
    form = Page(response).form
    ticked = re.findall(r'name="(scope [^"]+)" value="on" checked', response.text)
    for name in [name for name in form.fields if name.startswith("scope ")]:
        if name not in ticked:
            del form.fields[name]
    return await submit(browser, form, {"name": "laptop", "current_password": PASSWORD} | fields)


async def own(server: Server, user: TestUser) -> list[AppPasswordRecord]:
    async with server.database.read() as connection:
        return await list_app_passwords(connection, user.id)


async def test_an_app_password_is_made_and_shown_once(
    browser: Browser, server: Server, alice: TestUser, mail: TestClient
) -> None:
    response = await create(browser, days="30")
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    (secret,) = SECRET.findall(response.text)
    (record,) = await own(server, alice)
    assert (record.name, record.scopes) == ("laptop", ("profile",))  # what was ticked beforehand
    assert (record.expires_at - record.created_at).days == 30
    assert (await ask_for_tokens(browser, alice, mail, secret)).status_code == 200
    account = Page(await browser.get("/account")).text
    assert secret not in account
    assert "laptop at mail, for profile" in account
    assert f"last used {server.clock.now():%-d %B %Y, %H:%M} UTC" in account
    (event,) = await events(server, event_type="app_password.created")
    assert (event.client_id, event.details["scopes"]) == ("mail", ["profile"])


async def test_what_may_be_ticked_is_what_both_the_user_and_the_application_have(
    http: Browser, server: Server, mail: TestClient
) -> None:
    carol = await add_user(server, "carol", scopes=["profile", "email", "items:read"])
    form = Page(await http.get("/login")).form
    await submit(http, form, {"username": carol.username, "password": carol.password})
    fields = Page(await http.get("/app-passwords")).form.fields
    assert [name for name in fields if name.startswith("scope ")] == [
        "scope items:read",
        "scope profile",
    ]


async def test_what_makes_credentials_is_not_offered_and_not_given(
    http: Browser, server: Server
) -> None:
    keeper, _ = await add_keeper(server)
    form = Page(await http.get("/login")).form
    await submit(http, form, {"username": keeper.username, "password": keeper.password})
    form = Page(await http.get("/app-passwords")).form
    offered = [name for name in form.fields if name.startswith("scope ")]
    assert offered == ["scope account", "scope profile"]
    typed = {"name": "heir", "current_password": PASSWORD, "scope api-keys:write": "on"}
    refused = Page(await submit(http, form, typed))
    assert refused.alert == "No app password has the scope."
    assert await own(server, keeper) == []


async def test_of_several_applications_one_is_chosen_first(
    browser: Browser, server: Server, mail: TestClient
) -> None:
    await add_client(server, "chat")
    await add_client(server, "service", grant_types=("client_credentials",))
    page = Page(await browser.get("/app-passwords"))
    assert (page.all("a"), page.forms) == (["chat", "mail"], [])
    form = Page(await browser.get("/app-passwords?client=chat")).form
    assert form.fields["client"] == "chat"


async def test_where_no_application_takes_one_the_account_page_does_not_offer_it(
    browser: Browser, server: Server
) -> None:
    assert "App passwords" not in Page(await browser.get("/account")).text
    page = Page(await browser.get("/app-passwords"))
    assert "There is no application that takes one." in page.text


async def test_an_application_that_is_closed_to_the_user_is_not_named(
    browser: Browser, server: Server, mail: TestClient, closed: None
) -> None:
    page = Page(await browser.get("/app-passwords"))
    assert "There is no application that takes one." in page.text


@pytest.fixture
def closed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async def admit_nobody(*_asked: object) -> bool:
        return False

    monkeypatch.setattr(server, "admits", admit_nobody)


@pytest.mark.parametrize(
    ("fields", "alert"),
    [
        ({"current_password": "wrong"}, "The current password is wrong."),
        ({"name": "   "}, "An app password has a name of 1 to 100 characters."),
        ({"name": "lap\u202etop"}, "An app password has no control characters in its name."),
        ({"days": "366"}, "It can last for 1 to 365 days."),
        ({"scope email": "on"}, "The application may not ask for the scope."),
        ({"scope users:write": "on"}, "The user does not have the scope."),
        ({"client": "service"}, "There is no such application that takes app passwords."),
        ({"id": "another"}, "There is no such app password."),
    ],
)
async def test_a_form_that_asks_for_too_much_makes_none(
    browser: Browser,
    server: Server,
    alice: TestUser,
    mail: TestClient,
    fields: dict[str, str],
    alert: str,
) -> None:
    await add_client(server, "service", grant_types=("client_credentials",))
    response = await create(browser, **fields)
    assert (response.status_code, Page(response).alert) == (400, alert)
    assert await own(server, alice) == []


async def test_one_without_a_scope_is_not_made(
    browser: Browser, server: Server, alice: TestUser, mail: TestClient
) -> None:
    form = Page(await browser.get("/app-passwords")).form
    for name in [name for name in form.fields if name.startswith("scope ")]:
        del form.fields[name]
    response = await submit(browser, form, {"name": "laptop", "current_password": PASSWORD})
    assert Page(response).alert == "An app password has at least one scope."
    assert await own(server, alice) == []


async def test_a_form_that_is_sent_twice_makes_one(
    browser: Browser, server: Server, alice: TestUser, mail: TestClient
) -> None:
    form = Page(await browser.get("/app-passwords")).form
    fields = {"name": "laptop", "current_password": PASSWORD}
    assert (await submit(browser, form, fields)).status_code == 200
    assert (await submit(browser, form, fields)).status_code == 400
    assert len(await own(server, alice)) == 1


async def test_a_form_that_was_not_shown_makes_none(
    browser: Browser, server: Server, alice: TestUser, mail: TestClient
) -> None:
    form = Page(await browser.get("/app-passwords")).form
    fields = {"name": "laptop", "current_password": PASSWORD}
    response = await submit(browser, form, fields, leave_out="form_token")
    assert_error_page(response, STALE_FORM)
    assert await own(server, alice) == []


async def test_a_user_who_is_disabled_meanwhile_makes_none(
    browser: Browser, server: Server, alice: TestUser, mail: TestClient, meanwhile: Meanwhile
) -> None:
    form = Page(await browser.get("/app-passwords")).form
    meanwhile(server, lambda: disable_user(server, alice))
    response = await submit(browser, form, {"name": "laptop", "current_password": PASSWORD})
    assert (response.status_code, response.headers["location"].split("/")[-1]) == (303, "login")
    assert await own(server, alice) == []


async def test_whoever_is_not_logged_in_logs_in_first(http: Browser, server: Server) -> None:
    form = {"name": "laptop"}
    sent = await http.post("/app-passwords", data=form)
    for response in (await http.get("/app-passwords"), sent):
        assert (response.status_code, response.headers["location"].split("/")[-1]) == (303, "login")


async def test_one_is_revoked_on_the_account_page_and_no_one_elses(
    browser: Browser, server: Server, alice: TestUser, mail: TestClient
) -> None:
    bob = await add_user(server, "bob")
    mine, others = [await give_app_password(server, user, mail) for user in (alice, bob)]
    form = Page(await browser.get("/account")).form_with(action="revoke-app-password")
    for wrong in (str(others.id), "none"):
        refused = await submit(browser, form, {"app_password": wrong})
        assert (refused.status_code, Page(refused).alert) == (400, "There is no such app password.")
    assert form.fields["app_password"] == str(mine.id)
    done = await submit(browser, form)
    page = Page(await browser.get(done.headers["location"]))
    assert page.all("status") == ["The app password has been revoked."]
    assert await own(server, alice) == []
    assert [record.id for record in await own(server, bob)] == [others.id]


async def test_with_the_posture_of_oauth_2_1_there_are_none(
    database_url: str, clock: TestClock
) -> None:
    settings = make_settings(database_url=database_url, posture="oauth21")
    app = create_app(settings, clock)
    paths = {getattr(route, "path", "") for route in app.routes}
    assert {"/app-passwords", "/users/me/app-passwords"} & paths == set()
    assert "app_passwords/account.html" not in [
        section.template for section in app.state.server.account_sections
    ]
