"""Users take away what there is of them, and no secret is in it."""

import json

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.features import load_features
from app.features.authorization_code.account_actions import TOO_WEAK
from app.features.export import document
from app.management.authority import operating
from app.management.users import change_user
from app.models import Base
from app.server import Server
from tests.support.clock import TestClock
from tests.support.factories import TestUser, add_user, disable_user
from tests.support.flow import (
    STALE_FORM,
    CodeFlow,
    Page,
    add_web_client,
    assert_error_page,
    assert_logged_out,
    open_browser,
    submit,
)
from tests.support.meanwhile import Meanwhile
from tests.support.on_sqlite import backend as backend
from tests.support.operators import events

OWN = sorted({"profile", "email", "account"}.union(*(each.scopes for each in load_features())))
"""What a user without any authority has."""

SECRETS = ("hash", "secret", "stamp", "sealed", "mac", "ha1", "private", "token", "nonce", "answer")
"""Words in the names of columns with something that must not be told."""


@pytest.fixture
async def alice(server: Server) -> TestUser:
    return await add_user(server, scopes=["openid", "offline_access", *OWN])


async def enter(browser: httpx2.AsyncClient, user: TestUser) -> None:
    form = Page(await browser.get("/login")).form
    await submit(browser, form, {"username": user.username, "password": user.password})


async def download(browser: httpx2.AsyncClient) -> httpx2.Response:
    page = Page(await browser.get("/account"))
    (form,) = [form for form in page.forms if form.action == "export-account"]
    return await submit(browser, form)


async def secrets_of(server: Server) -> set[str]:
    """The value of every column that sounds like a secret, of all that there is."""
    found: set[str] = set()
    async with server.database.read() as connection:
        for table in Base.metadata.sorted_tables:
            columns = [each for each in table.c if any(word in each.name for word in SECRETS)]
            for row in await connection.execute(select(*columns)) if columns else ():
                found |= {value for value in row if isinstance(value, str) and len(value) > 7}
    return found


async def test_the_download_is_a_file_with_all_that_there_is_of_the_user(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    shop = await add_web_client(server)
    await CodeFlow(http, alice, shop).tokens()
    response = await download(http)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-disposition"] == 'attachment; filename="account.json"'
    assert response.headers["cache-control"] == "no-store"
    told = response.json()
    assert told["user"]["id"] == str(alice.id)
    assert told["user"]["email"] == "alice@example.com"
    assert told["user"]["scopes"] == sorted(["openid", "offline_access", *OWN])
    (allowed,) = told["applications_with_access"]
    assert (allowed["client_id"], allowed["scopes"]) == ("shop", ["openid", "profile"])
    assert [each["client_id"] for each in told["logins"]] == ["shop"]
    assert [each["address"] for each in told["browser_sessions"]] == ["127.0.0.1"]
    types = [each["type"] for each in told["activity"]]
    assert types[0] == "account.exported"
    assert {"login.succeeded", "consent.granted", "token.issued"} >= set(types[1:])


async def test_no_secret_and_no_hash_of_one_is_in_it(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    shop = await add_web_client(server)
    tokens = await CodeFlow(http, alice, shop, scope="openid profile offline_access").tokens()
    page = Page(await http.get("/account"))
    for form in page.forms:  # whatever can be made at the page, such as a key
        if "current_password" in form.fields and "new_password" not in form.fields:
            fields = {"current_password": alice.password, "name": "laptop", "scope:profile": "on"}
            await submit(http, form, fields | {"email": "new@example.com"})
    text = (await download(http)).text
    stored = await secrets_of(server)
    assert len(stored) > 4
    issued = {tokens["access_token"], tokens["refresh_token"], tokens["id_token"]}
    secrets = stored | issued | {*http.cookies.values(), alice.password, shop.secret}
    assert [each for each in secrets if each in text] == []


async def test_each_feature_adds_its_part(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await enter(http, alice)
    told = (await download(http)).json()
    async with server.database.read() as connection:
        for feature in server.features:
            if feature.export is not None:
                assert (await feature.export(connection, alice.id, 1)).keys() <= told.keys()


async def test_a_download_is_in_the_trail(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await enter(http, alice)
    await download(http)
    (event,) = await events(server, event_type="account.exported")
    assert (event.actor, event.user_id) == (str(alice.id), str(alice.id))
    assert "Data of the account downloaded" in Page(await http.get("/account")).text


async def test_who_else_acted_and_from_where_is_not_in_it(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    async with operating(server.database, server.clock) as operator:
        await change_user(operator, alice.id, {"name": "Alice"})
    await enter(http, alice)
    told = (await download(http)).json()
    (changed,) = [each for each in told["activity"] if each["type"] == "user.changed"]
    assert (changed["actor"], changed["address"]) == ("administrator", None)


async def test_nothing_of_another_user_is_in_it(
    app: FastAPI, http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    bob = await add_user(server, "bob")
    async with open_browser(app) as other:
        await enter(other, bob)
    await enter(http, alice)
    text = (await download(http)).text
    assert (str(bob.id) in text, "bob" in text) == (False, False)


async def test_a_long_list_is_cut_and_the_document_says_so(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "MOST", 2)
    for _ in range(3):
        await enter(http, alice)
        http.cookies.clear()
    await enter(http, alice)
    told = (await download(http)).json()
    assert told["rows_of_each_list_at_most"] == 2
    assert (len(told["activity"]), len(told["browser_sessions"])) == (2, 2)


async def test_names_in_any_script_are_as_they_are(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    name = 'عائشة "x" </script>'
    async with operating(server.database, server.clock) as operator:
        await change_user(operator, alice.id, {"name": name})
    await enter(http, alice)
    response = await download(http)
    assert json.loads(response.content)["user"]["name"] == name
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_form_of_another_site_gets_nothing(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, site: str
) -> None:
    await enter(http, alice)
    (form,) = [
        form for form in Page(await http.get("/account")).forms if form.action == "export-account"
    ]
    assert_error_page(await submit(http, form, headers={"Sec-Fetch-Site": site}), STALE_FORM)
    assert_error_page(await http.post("/export-account", data={"form_token": "x"}), STALE_FORM)
    assert await events(server, event_type="account.exported") == []


async def test_a_session_that_ends_meanwhile_gets_nothing(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, meanwhile: Meanwhile
) -> None:
    await enter(http, alice)
    page = Page(await http.get("/account"))
    (form,) = [form for form in page.forms if form.action == "export-account"]
    meanwhile(server, lambda: disable_user(server, alice))
    response = await submit(http, form)
    assert (response.status_code, response.headers["location"][-6:]) == (303, "/login")
    await assert_logged_out(http)


async def test_a_session_from_before_the_second_factor_gets_nothing(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, alice: TestUser
) -> None:
    phones = pytest.importorskip("tests.features.mfa.phones")
    await enter(http, alice)
    await phones.give_phone(server, clock, alice)
    refused = await download(http)
    assert (refused.status_code, Page(refused).heading) == (403, "One more step")
    assert TOO_WEAK in Page(refused).text
    assert await events(server, event_type="account.exported") == []
