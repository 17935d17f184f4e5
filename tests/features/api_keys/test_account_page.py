"""The part of the account page in which people make, name and revoke their own keys."""

import html
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx2
import pytest

from app.features.api_keys.service import KeyRecord, list_api_keys, use_api_key
from app.server import Server
from tests.conftest import ISSUER
from tests.features import of_the_pages
from tests.features.api_keys.keys import give_key, revoke_key
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, TestUser, add_user, disable_user
from tests.support.flow import Page, submit
from tests.support.lifecycle import take_from_user
from tests.support.on_sqlite import backend as backend

pytestmark = of_the_pages

KEY = re.compile(r"<code>(lk_[0-9A-Za-z]{49})</code>")


async def account(browser: httpx2.AsyncClient) -> Page:
    return Page(await browser.get("/account"))


@pytest.fixture
async def browser(http: httpx2.AsyncClient, alice: TestUser) -> httpx2.AsyncClient:
    """Alice, logged in at this server itself."""
    form = Page(await http.get("/login")).form
    await submit(http, form, {"username": alice.username, "password": alice.password})
    return http


async def create(browser: httpx2.AsyncClient, *scopes: str, **fields: str) -> httpx2.Response:
    """Fill the form in and send it; only ``scopes`` are ticked."""
    form = (await account(browser)).form_with(action="api-key")
    for name in [name for name in form.fields if name.startswith("scope ")]:
        if name.removeprefix("scope ") not in scopes:
            del form.fields[name]
    filled = {"name": "backup", "current_password": PASSWORD} | fields
    return await submit(browser, form, filled)


async def keys_of(server: Server, user: TestUser) -> list[KeyRecord]:
    async with server.database.read() as connection:
        return await list_api_keys(connection, user.id)


async def test_a_key_is_created_named_and_shown_once(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    response = await create(browser, "items:read", "profile", days="30")
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    (key,) = KEY.findall(response.text)
    found = await use_api_key(server.database, key, server.clock.now())
    assert found is not None
    assert (found.user.id, found.permitted) == (
        alice.id,
        frozenset({"items:read", "profile"}),
    )
    (record,) = await keys_of(server, alice)
    assert record.name == "backup"
    assert record.expires_at == record.created_at + timedelta(days=30)
    again = await account(browser)
    assert key not in again.text
    assert f"backup {key[:11]}… for items:read profile" in again.text


async def test_the_scopes_to_tick_are_those_that_the_user_has_and_a_key_can_use(
    http: httpx2.AsyncClient, server: Server
) -> None:
    carol = await add_user(
        server, "carol", scopes=["openid", "offline_access", "profile", "items:read"]
    )
    form = Page(await http.get("/login")).form
    await submit(http, form, {"username": carol.username, "password": carol.password})
    shown = (await account(http)).form_with(action="api-key").fields
    assert [name for name in shown if name.startswith("scope ")] == [
        "scope items:read",
        "scope profile",
    ]


async def test_a_form_that_is_sent_twice_makes_one_key(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    form = (await account(browser)).form_with(action="api-key")
    fields = {"name": "backup", "current_password": PASSWORD}
    assert (await submit(browser, form, fields)).status_code == 200
    second = await submit(browser, form, fields)
    assert (second.status_code, Page(second).alert) == (
        400,
        "This key was created before: if you have not copied it, revoke it and create another one.",
    )
    assert len(await keys_of(server, alice)) == 1


@pytest.mark.parametrize(
    ("fields", "alert"),
    [
        ({"current_password": "wrong"}, "The current password is wrong."),
        ({"name": "   "}, "An API key has a name of 1 to 100 characters."),
        ({"days": "366"}, "It can last for 1 to 365 days."),
        ({"days": "0"}, "It can last for 1 to 365 days."),
        ({"days": "soon"}, "It can last for 1 to 365 days."),
        ({"scope users:write": "on"}, "The owner does not have the scope."),
        ({"key": "another"}, "There is no such API key."),
    ],
)
async def test_a_form_that_asks_for_too_much_makes_no_key(
    browser: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    fields: dict[str, str],
    alert: str,
) -> None:
    response = await create(browser, "items:read", **fields)
    assert (response.status_code, Page(response).alert) == (400, alert)
    assert await keys_of(server, alice) == []


async def test_a_key_is_revoked(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice, "items:read")
    form = (await account(browser)).form_with(action="revoke-api-key", key=str(key.id))
    response = await submit(browser, form)
    location = response.headers["location"]
    assert (response.status_code, location.split("?")[0]) == (303, f"{ISSUER}/account")
    page = Page(await browser.get(location))
    assert page.all("status") == ["The API key has been revoked."]
    assert str(key.id) not in [form.fields.get("key") for form in page.forms]
    assert await use_api_key(server.database, key.key, server.clock.now()) is None


async def test_somebody_elses_key_is_not_revoked(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    bob = await add_user(server, "bob", email=None)
    own, others = await give_key(server, alice), await give_key(server, bob)
    form = (await account(browser)).form_with(action="revoke-api-key", key=str(own.id))
    response = await submit(browser, form, {"key": str(others.id)})
    assert (response.status_code, Page(response).alert) == (400, "There is no such API key.")
    assert await use_api_key(server.database, others.key, server.clock.now()) is not None


async def test_keys_that_are_no_longer_good_are_not_shown(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser, clock: TestClock
) -> None:
    revoked, expired = await give_key(server, alice), await give_key(server, alice, expires_in=5)
    await revoke_key(server, revoked)
    clock.advance(5)
    shown = [form for form in (await account(browser)).forms if "key" in form.fields]
    assert [form.fields["action"] for form in shown] == ["api-key"]
    assert expired.key not in html.unescape((await browser.get("/account")).text)


async def test_the_page_says_when_a_key_was_used_last(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice)
    assert "never used" in (await account(browser)).text
    await use_api_key(server.database, key.key, server.clock.now())
    assert f"last used {server.clock.now():%-d %B %Y, %H:%M} UTC" in (await account(browser)).text


async def lose_a_scope(server: Server, user: TestUser) -> None:
    await take_from_user(server, user, "items:read")


@pytest.mark.parametrize(
    ("loss", "status"),
    [pytest.param(disable_user, 303, id="disabled"), pytest.param(lose_a_scope, 400, id="scope")],
)
async def test_what_is_lost_at_the_last_moment_is_in_no_key(
    browser: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    loss: Callable[[Server, TestUser], Awaitable[None]],
    status: int,
) -> None:
    form = (await account(browser)).form_with(action="api-key")
    for name in [name for name in form.fields if name.startswith("scope ")]:
        if name != "scope items:read":
            del form.fields[name]
    original = server.authenticator.authenticate

    async def then_lose(*arguments: object, **named: object) -> object:
        account = await original(*arguments, **named)  # type: ignore[arg-type]
        await loss(server, alice)
        return account

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server.authenticator, "authenticate", then_lose)
        response = await submit(browser, form, {"name": "k", "current_password": PASSWORD})
    assert response.status_code == status
    assert await keys_of(server, alice) == []
