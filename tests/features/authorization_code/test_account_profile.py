"""The profile on the account page: what is written, what is refused, and what stays."""

import html

import httpx2
import pytest
from fastapi import FastAPI

from app.identity.users import get_person
from app.server import Server
from tests.support.factories import PASSWORD, TestUser, add_user, disable_user
from tests.support.flow import (
    STALE_FORM,
    Form,
    Page,
    assert_error_page,
    assert_logged_out,
    open_browser,
    submit,
)
from tests.support.meanwhile import Meanwhile
from tests.support.on_sqlite import backend as backend
from tests.support.operators import events

SAVED = "Your profile has been saved."
FULL = {
    "name": "Alice Liddell",
    "given_name": "Alice",
    "family_name": "Liddell",
    "picture": "https://example.com/alice.jpg",
    "locale": "en-GB",
}


async def enter(browser: httpx2.AsyncClient, user: TestUser) -> None:
    form = Page(await browser.get("/login")).form
    await submit(browser, form, {"username": user.username, "password": user.password})


@pytest.fixture
async def browser(http: httpx2.AsyncClient, alice: TestUser) -> httpx2.AsyncClient:
    """Alice, logged in."""
    await enter(http, alice)
    return http


async def form_of(browser: httpx2.AsyncClient, action: str = "profile") -> Form:
    return Page(await browser.get("/account")).form_with(action=action)


async def save(browser: httpx2.AsyncClient, **fields: str) -> httpx2.Response:
    return await submit(browser, await form_of(browser), fields)


async def stored(server: Server, user: TestUser) -> dict[str, str | bool]:
    """What the user has of a profile."""
    async with server.database.read() as connection:
        profile = (await get_person(connection, user.id)).profile
    return profile.model_dump(exclude_none=True)


ADDRESS = {"email": "alice@example.com", "email_verified": True}


async def test_the_profile_is_saved_and_shown_again(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    response = await save(browser, **FULL)
    assert response.status_code == 303
    assert Page(await browser.get(response.headers["location"])).all("status") == [SAVED]
    assert await stored(server, alice) == FULL | ADDRESS
    assert (await form_of(browser)).fields.items() >= FULL.items()


async def test_a_field_that_is_emptied_is_taken_away(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await save(browser, **FULL)
    await save(browser, name=" ", picture="")
    rest = {name: FULL[name] for name in ("given_name", "family_name", "locale")}
    assert await stored(server, alice) == rest | ADDRESS


async def test_a_change_says_in_the_trail_what_was_changed_and_not_to_what(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await save(browser, name="Alice Liddell")
    (event,) = await events(server, event_type="user.changed")
    assert (event.actor, event.user_id, event.details) == (
        str(alice.id),
        str(alice.id),
        {"name": "changed"},
    )


async def test_a_form_that_changes_nothing_writes_nothing(
    browser: httpx2.AsyncClient, server: Server
) -> None:
    assert (await save(browser)).status_code == 303
    assert await events(server, event_type="user.changed") == []


async def test_of_two_changes_at_once_neither_undoes_what_the_other_changed(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await save(browser, **FULL)
    first, second = await form_of(browser), await form_of(browser)
    await submit(browser, first, {"name": "Alice Pleasance Liddell"})
    await submit(browser, second, {"locale": "de"})
    expected = FULL | ADDRESS | {"name": "Alice Pleasance Liddell", "locale": "de"}
    assert await stored(server, alice) == expected


@pytest.mark.parametrize(
    ("field", "value", "alert"),
    [
        pytest.param(
            "name",
            "Alice\u202egnp.exe",
            "A name must be visible and cannot contain control characters.",
            id="a_mark_that_turns_the_page_around",
        ),
        pytest.param(
            "given_name",
            "Alice\r\nSet-Cookie: a=b",
            "A name must be visible and cannot contain control characters.",
            id="a_header",
        ),
        pytest.param("family_name", "x" * 256, "It should have at most 255 characters.", id="long"),
        pytest.param(
            "picture", "javascript:alert(1)", "A picture must be the URL of an image.", id="script"
        ),
        pytest.param(
            "picture",
            "https://example.com/a.jpg\r\nX-Evil: 1",
            "A picture must be the URL of an image.",
            id="a_header_in_a_link",
        ),
        pytest.param(
            "picture",
            "data:image/png;base64,AAAA",
            "A picture must be the URL of an image.",
            id="data",
        ),
        pytest.param(
            "locale", "klingon!", "A locale must be a language tag, such as en-GB.", id="locale"
        ),
    ],
)
async def test_what_breaks_a_rule_is_told_at_its_field_and_nothing_typed_is_lost(
    browser: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    field: str,
    value: str,
    alert: str,
) -> None:
    await save(browser, **FULL)
    typed = FULL | {"given_name": "Alicia", field: value}
    response = await save(browser, **typed)
    page = Page(response)
    assert (response.status_code, page.alert) == (400, alert)
    assert f'aria-describedby="profile-{field}-fault" autofocus' in response.text
    assert page.form_with(action="profile").fields.items() >= typed.items()
    assert await stored(server, alice) == FULL | ADDRESS


async def test_a_form_that_was_mended_writes_only_what_was_changed(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    refused = Page(await save(browser, name="Alice", locale="klingon!"))
    await save(browser, given_name="A.")
    await submit(browser, refused.form_with(action="profile"), {"locale": "de"})
    expected = {"name": "Alice", "given_name": "A.", "locale": "de"}
    assert await stored(server, alice) == expected | ADDRESS


async def test_markup_in_a_name_is_text(browser: httpx2.AsyncClient) -> None:
    name = '"><script src=//evil.example></script>'
    await save(browser, name=name)
    response = await browser.get("/account")
    assert f'value="{html.escape(name).replace("&quot;", "&#34;")}"' in response.text
    assert name not in response.text


async def test_a_picture_is_shown_nowhere_on_the_page(browser: httpx2.AsyncClient) -> None:
    await save(browser, picture="https://example.com/alice.jpg")
    assert 'src="https://example.com' not in (await browser.get("/account")).text


async def test_without_the_password_the_address_stays_and_what_was_typed_too(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    typed = {"email": "new@example.com", "current_password": "a wrong one"}
    response = await submit(browser, await form_of(browser, "email"), typed)
    page = Page(response)
    assert (response.status_code, page.alert) == (400, "The current password is wrong.")
    assert page.form_with(action="email").fields["email"] == "new@example.com"
    assert "a wrong one" not in response.text
    assert await stored(server, alice) == ADDRESS


async def test_an_address_that_is_none_is_told_at_its_field(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    typed = {"email": "alice at home", "current_password": PASSWORD}
    response = await submit(browser, await form_of(browser, "email"), typed)
    assert Page(response).alert == "An e-mail address must have the form name@domain."
    assert 'aria-describedby="email-email-fault"' in response.text
    assert await stored(server, alice) == ADDRESS


async def test_the_form_of_the_profile_changes_no_address(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    forged = {"email": "mallory@example.com", "email_verified": "1", "username": "root"}
    assert (await save(browser, **forged)).status_code == 303
    assert await stored(server, alice) == ADDRESS


async def test_a_form_without_its_token_or_from_another_site_changes_nothing(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    form = await form_of(browser)
    stale = await submit(browser, form, {"name": "Mallory", "form_token": "0" * 64})
    headers = {"Sec-Fetch-Site": "cross-site"}
    foreign = await submit(browser, form, {"name": "Mallory"}, headers=headers)
    for response in (stale, foreign):
        assert_error_page(response, STALE_FORM)
    assert await stored(server, alice) == ADDRESS


async def test_the_form_of_somebody_else_changes_neither(
    app: FastAPI, browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    bob = await add_user(server, "bob")
    async with open_browser(app) as other:
        await enter(other, bob)
        response = await submit(other, await form_of(browser), {"name": "Mallory"})
    assert_error_page(response, STALE_FORM)
    assert await stored(server, alice) == ADDRESS


async def test_a_session_that_ends_meanwhile_changes_nothing(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser, meanwhile: Meanwhile
) -> None:
    form = await form_of(browser)
    meanwhile(server, lambda: disable_user(server, alice))
    response = await submit(browser, form, {"name": "Mallory"})
    assert (response.status_code, response.headers["location"][-6:]) == (303, "/login")
    assert await stored(server, alice) == ADDRESS
    await assert_logged_out(browser)
