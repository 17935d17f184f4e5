"""An address is verified by whoever reads its mail, and by nobody else."""

import re
from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from app.features.mail.proofs import TRIES
from app.features.mail.queue import QueuedMail
from app.features.verification.service import PURPOSE
from app.identity.addresses import email_columns
from app.models import User
from app.server import Server
from tests.conftest import ISSUER, make_settings
from tests.features.mail.sent import assert_dead_link, link_in, mails
from tests.support.clock import TestClock
from tests.support.factories import (
    PASSWORD,
    TestClient,
    TestUser,
    add_client,
    add_user,
    bearer,
    disable_user,
    log_in,
)
from tests.support.flow import Page, assert_error_page, dump, open_browser, submit
from tests.support.meanwhile import Meanwhile
from tests.support.on_sqlite import backend as backend
from tests.support.operators import events
from tests.support.untranslated import left_in_english, mark_sentences

NEW = "new@example.com"


@pytest.fixture
async def alice(server: Server) -> TestUser:
    return await add_user(server, scopes=("profile", "email", "account"))


@pytest.fixture
async def browser(http: httpx2.AsyncClient, alice: TestUser) -> httpx2.AsyncClient:
    """Alice, logged in."""
    await enter(http, alice)
    return http


async def enter(browser: httpx2.AsyncClient, user: TestUser) -> None:
    form = Page(await browser.get("/login")).form
    await submit(browser, form, {"username": user.username, "password": user.password})


async def account(browser: httpx2.AsyncClient) -> Page:
    return Page(await browser.get("/account"))


async def change_to(browser: httpx2.AsyncClient, email: str = NEW) -> httpx2.Response:
    form = (await account(browser)).form_with(action="email")
    return await submit(browser, form, {"email": email, "current_password": PASSWORD})


async def is_verified(server: Server, user: TestUser) -> tuple[str | None, bool]:
    async with server.database.read() as connection:
        query = select(User.email, User.email_verified).where(User.id == user.id)
        row = (await connection.execute(query)).one()
    return row.email, row.email_verified


async def newest_mail(server: Server, email: str) -> QueuedMail:
    """The one that asks to confirm the address; others tell of what was changed."""
    return [mail for mail in await mails(server, email) if mail.kind == PURPOSE.name][-1]


async def link_to(server: Server, email: str = NEW) -> str:
    return link_in(await newest_mail(server, email))


async def code_to(server: Server, email: str = NEW) -> str:
    text = (await newest_mail(server, email)).text
    (code,) = re.findall(r"^(\d{4} \d{4})$", text, re.MULTILINE)
    return str(code)


async def confirm(browser: httpx2.AsyncClient, link: str) -> httpx2.Response:
    """Open the link, and press the button if there is one."""
    page = Page(response := await browser.get(link))
    return await submit(browser, page.form) if page.forms else response


async def type_code(browser: httpx2.AsyncClient, code: str) -> httpx2.Response:
    form = (await account(browser)).form_with(action="verify-email")
    return await submit(browser, form, {"code": code})


async def test_a_changed_address_is_verified_by_the_link_in_the_mail(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    response = await change_to(browser)
    assert response.status_code == 303
    assert await is_verified(server, alice) == (NEW, False)
    page = Page(await confirm(browser, await link_to(server)))
    assert page.heading == "Address confirmed"
    assert await is_verified(server, alice) == (NEW, True)
    (event,) = await events(server, event_type="email.verified")
    assert (event.user_id, event.actor, event.details) == (
        str(alice.id),
        str(alice.id),
        {"by": "link"},
    )


async def test_an_address_changed_over_the_api_gets_the_same_mail(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient
) -> None:
    client = await add_client(server, "app", scopes=("profile", "email", "account"))
    tokens = await log_in(http, alice, client, "account email")
    body = {"email": NEW, "current_password": PASSWORD}
    headers = bearer(tokens["access_token"])
    assert (await http.patch("/users/me", json=body, headers=headers)).status_code == 200
    await confirm(http, await link_to(server))
    assert await is_verified(server, alice) == (NEW, True)


async def test_the_mail_says_what_for_and_what_else_to_do(
    browser: httpx2.AsyncClient, server: Server
) -> None:
    await change_to(browser)
    (mail,) = await mails(server, NEW)
    assert mail.subject == "Confirm your e-mail address for Latchkey"
    assert "entered for an account at Latchkey" in mail.text
    assert "Account: alice\n" in mail.text
    assert "From the address: 127.0.0.1" in mail.text
    assert "If it was not you, do nothing." in mail.text


async def test_a_name_that_advertises_something_is_not_in_the_mail(
    http: httpx2.AsyncClient, server: Server
) -> None:
    spammer = await add_user(server, "Win at https://evil.example now")
    await enter(http, spammer)
    await change_to(http, "victim@example.com")
    (mail,) = await mails(server, "victim@example.com")
    assert "entered for an account at Latchkey" in mail.text
    assert "evil" not in mail.text + mail.html + mail.subject


async def test_the_link_also_works_where_nobody_is_logged_in(
    browser: httpx2.AsyncClient, app: FastAPI, server: Server, alice: TestUser
) -> None:
    await change_to(browser)
    async with open_browser(app) as phone:
        assert Page(await confirm(phone, await link_to(server))).heading == "Address confirmed"
    assert await is_verified(server, alice) == (NEW, True)


async def test_the_code_is_for_where_the_link_does_not_open(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await change_to(browser)
    response = await type_code(browser, await code_to(server))
    assert response.status_code == 303
    assert await is_verified(server, alice) == (NEW, True)
    assert "Confirm your e-mail address" not in (await account(browser)).text
    (event,) = await events(server, event_type="email.verified")
    assert event.details == {"by": "code"}


async def test_a_program_that_opens_links_verifies_nothing(
    browser: httpx2.AsyncClient, app: FastAPI, server: Server, alice: TestUser
) -> None:
    await change_to(browser)
    link = await link_to(server)
    before = await dump(server)
    async with open_browser(app) as scanner:
        for _ in range(3):
            assert (await scanner.get(link)).status_code == 200
            assert (await scanner.head(link)).status_code == 200
    assert await dump(server) == before
    await confirm(browser, link)
    assert await is_verified(server, alice) == (NEW, True)


async def test_a_link_is_good_once(browser: httpx2.AsyncClient, server: Server) -> None:
    await change_to(browser)
    link = await link_to(server)
    form = Page(await browser.get(link)).form
    await submit(browser, form)
    assert_dead(await submit(browser, form))
    assert_dead(await browser.get(link))


def assert_dead(response: httpx2.Response) -> None:
    assert_dead_link(response, onward="Go to your account")


async def test_the_code_ends_with_the_link_and_the_link_with_the_code(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await change_to(browser)
    link = await link_to(server)
    await type_code(browser, await code_to(server))
    assert_dead(await confirm(browser, link))
    await change_to(browser, "other@example.com")
    code = await code_to(server, "other@example.com")
    form = (await account(browser)).form_with(action="verify-email")
    await confirm(browser, await link_to(server, "other@example.com"))
    async with server.database.transaction() as connection:
        await connection.execute(update(User).values(email_verified=False))
    assert "wrong or no longer valid" in Page(await submit(browser, form, {"code": code})).alert


async def test_a_newer_mail_ends_the_older_one(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await change_to(browser)
    old_link, old_code = await link_to(server), await code_to(server)
    server.clock.advance(1)  # type: ignore[attr-defined]
    await submit(browser, (await account(browser)).form_with(action="send-verification"))
    assert_dead(await confirm(browser, old_link))
    if old_code != await code_to(server):
        assert "wrong" in Page(await type_code(browser, old_code)).alert
    await confirm(browser, await link_to(server))
    assert await is_verified(server, alice) == (NEW, True)


async def test_a_link_ends_with_a_change_of_the_address(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await change_to(browser)
    link = await link_to(server)
    async with server.database.transaction() as connection:  # as an administrator does
        other = email_columns("other@example.com", verified=False)
        await connection.execute(update(User).where(User.id == alice.id).values(other))
    assert_dead(await confirm(browser, link))
    assert await is_verified(server, alice) == ("other@example.com", False)


async def test_an_address_that_was_changed_meanwhile_is_not_verified(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser, meanwhile: Meanwhile
) -> None:
    await change_to(browser)
    form = Page(await browser.get(await link_to(server))).form

    async def change() -> None:
        async with server.database.transaction() as connection:
            other = email_columns("other@example.com", verified=False)
            await connection.execute(update(User).where(User.id == alice.id).values(other))

    meanwhile(server, change)
    assert_dead(await submit(browser, form))
    assert await is_verified(server, alice) == ("other@example.com", False)


async def test_a_link_is_good_for_a_day(
    browser: httpx2.AsyncClient, server: Server, clock: TestClock, alice: TestUser
) -> None:
    await change_to(browser)
    link, lifetime = await link_to(server), PURPOSE.lifetime.total_seconds()
    clock.advance(lifetime - 1)
    assert (await browser.get(link)).status_code == 200
    clock.advance(1)
    assert_dead(await browser.get(link))


async def test_a_link_for_one_account_does_nothing_in_the_browser_of_another(
    browser: httpx2.AsyncClient, app: FastAPI, server: Server, alice: TestUser
) -> None:
    await change_to(browser)
    link = await link_to(server)
    bob = await add_user(server, "bob", PASSWORD)
    async with open_browser(app) as other:
        await enter(other, bob)
        assert Page(await other.get(link)).heading == "This link is for another account"
        await change_to(other, "bobs@example.com")
        own = Page(await other.get(await link_to(server, "bobs@example.com"))).form
        response = await submit(other, own, {"token": link.partition("token=")[2]})
        assert Page(response).heading == "This link is for another account"
    assert await is_verified(server, alice) == (NEW, False)
    assert await is_verified(server, bob) == ("bobs@example.com", False)
    await confirm(browser, link)  # which is still good for alice
    assert await is_verified(server, alice) == (NEW, True)


async def test_a_code_of_one_account_is_worth_nothing_to_another(
    browser: httpx2.AsyncClient, app: FastAPI, server: Server
) -> None:
    bob = await add_user(server, "bob", "bob's own secret password", email_verified=False)
    await change_to(browser)
    async with open_browser(app) as other:
        await enter(other, bob)
        response = await type_code(other, await code_to(server))
        assert "wrong or no longer valid" in Page(response).alert
    assert await is_verified(server, bob) == ("bob@example.com", False)


async def test_a_code_can_be_guessed_five_times(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await change_to(browser)
    code = await code_to(server)
    wrong = "0000 0001" if code != "0000 0001" else "0000 0002"
    for _ in range(TRIES):
        assert "wrong or no longer valid" in Page(await type_code(browser, wrong)).alert
    assert "wrong or no longer valid" in Page(await type_code(browser, code)).alert
    assert await is_verified(server, alice) == (NEW, False)


async def test_an_hour_has_five_mails_for_a_user(
    browser: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    await change_to(browser)
    form = (await account(browser)).form_with(action="send-verification")
    answers = [await submit(browser, form) for _ in range(PURPOSE.most)]
    assert [each.status_code for each in answers] == [303] * 4 + [400]
    assert "wait an hour" in Page(answers[-1]).alert
    assert len(await mails(server, NEW)) == PURPOSE.most
    clock.advance(timedelta(hours=1).total_seconds())
    form = (await account(browser)).form_with(action="send-verification")
    assert (await submit(browser, form)).status_code == 303


async def test_an_hour_has_five_mails_for_an_address_whoever_enters_it(
    app: FastAPI, http: httpx2.AsyncClient, server: Server
) -> None:
    for number in range(PURPOSE.most + 1):
        user = await add_user(server, f"user{number}")
        async with open_browser(app) as browser:
            await enter(browser, user)
            await change_to(browser, "victim@example.com")
    assert len(await mails(server, "victim@example.com")) == PURPOSE.most


async def test_an_address_that_another_account_has_verified_is_refused_to_whoever_proved_it(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await add_user(server, "bob", email=NEW)
    response = await change_to(browser)
    assert response.status_code == 303  # nobody is told yet
    response = await confirm(browser, await link_to(server))
    assert Page(response).heading == "Another account has this address"
    assert await is_verified(server, alice) == (NEW, False)


async def test_a_disabled_user_verifies_nothing(
    browser: httpx2.AsyncClient, app: FastAPI, server: Server, alice: TestUser
) -> None:
    await change_to(browser)
    await disable_user(server, alice)
    async with open_browser(app) as phone:
        assert_dead(await confirm(phone, await link_to(server)))
    assert await is_verified(server, alice) == (NEW, False)


async def test_a_form_from_another_site_verifies_nothing(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await change_to(browser)
    form = Page(await browser.get(await link_to(server))).form
    for fields, headers in (
        (form.fields | {"form_token": ""}, {}),
        (form.fields, {"Sec-Fetch-Site": "cross-site"}),
    ):
        response = await browser.post("/verify-email", data=fields, headers=headers)
        assert_error_page(response, "This form is no longer valid")
    assert await is_verified(server, alice) == (NEW, False)


async def test_a_token_in_the_address_of_a_post_is_refused(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await change_to(browser)
    link = await link_to(server)
    form = Page(await browser.get(link)).form
    assert (await browser.post(link, data=form.fields)).status_code == 400
    assert await is_verified(server, alice) == (NEW, False)


async def test_neither_token_nor_code_is_in_the_database(
    browser: httpx2.AsyncClient, server: Server
) -> None:
    await change_to(browser)
    token = (await link_to(server)).partition("token=")[2]
    code = await code_to(server)
    rows = await dump(server)
    assert token not in rows
    assert code not in rows
    assert code.replace(" ", "") not in rows


async def test_a_page_with_a_token_leaks_it_to_nobody(
    browser: httpx2.AsyncClient, server: Server
) -> None:
    await change_to(browser)
    response = await browser.get(await link_to(server))
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    assert "'unsafe-inline'" not in response.headers["content-security-policy"]


async def test_a_wrong_password_changes_no_address(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    form = (await account(browser)).form_with(action="email")
    fields = {"email": NEW, "current_password": "another password altogether"}
    response = await submit(browser, form, fields)
    assert (response.status_code, Page(response).alert) == (400, "The current password is wrong.")
    assert await is_verified(server, alice) == ("alice@example.com", True)


async def test_what_is_no_address_is_refused_in_words(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    response = await change_to(browser, "alice")
    assert response.status_code == 400
    assert Page(response).alert == "An e-mail address must have the form name@domain."


async def test_without_mail_there_is_no_page_to_confirm_at(settings: object) -> None:
    from app.main import create_app
    from tests.support.routes import every_route

    app = create_app(
        make_settings(
            environment="production",
            issuer="https://auth.example.com",
            secret_key="a secret key of thirty-two bytes or more",
        )
    )
    assert "/verify-email" not in {path for _, path in every_route(app)}


# Languages


async def test_no_sentence_of_the_pages_and_the_mail_stays_in_english(
    browser: httpx2.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark_sentences(monkeypatch)
    await change_to(browser)
    (mail,) = await mails(server, NEW)
    pages = [await browser.get("/account"), await browser.get(link_in(mail))]
    pages += [await submit(browser, Page(pages[-1]).form), await browser.get(link_in(mail))]
    pages.append(httpx2.Response(200, html=mail.html))
    data = ("alice", NEW, ISSUER + link_in(mail), "127.0.0.1", "python-httpx2")
    for page in pages:
        assert left_in_english(page, *data) == []
