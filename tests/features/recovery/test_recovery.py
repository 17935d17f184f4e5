"""A forgotten password: a new one for whoever reads the mail, and nobody else learns anything."""

import asyncio
import html
import re
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

from app.database.engines import Database
from app.features.mail import requests
from app.features.mail.links import TOO_MANY
from app.features.mail.model import MailProof, MailRequest
from app.features.mail.requests import USEFUL_FOR
from app.features.recovery.answer import PURPOSE
from app.identity.addresses import email_columns
from app.management.authority import operating
from app.management.users import change_user, set_password
from app.models import User
from app.server import Server
from app.settings import Settings
from tests.conftest import ISSUER, make_settings
from tests.features.mail.sent import DEAD, assert_dead_link, link_in, mails
from tests.features.recovery.tables import answering
from tests.support.clock import TestClock
from tests.support.factories import (
    PASSWORD,
    TestClient,
    TestUser,
    add_user,
    disable_user,
    log_in,
)
from tests.support.flow import (
    CodeFlow,
    Page,
    add_web_client,
    assert_error_page,
    dump,
    open_browser,
    submit,
)
from tests.support.lifecycle import add_refreshing, refresh
from tests.support.meanwhile import Meanwhile
from tests.support.on_sqlite import backend as backend
from tests.support.operators import events
from tests.support.translations import translated_into
from tests.support.untranslated import left_in_english, mark_sentences

ALICES = "alice@example.com"
NEW = "another long and good password"


@pytest.fixture
def changes() -> dict[str, object]:
    return {}


@pytest.fixture
def settings(database_url: str, changes: dict[str, object]) -> Settings:
    return make_settings(database_url=database_url, **changes)


async def answer(server: Server) -> None:
    """Let a worker look at what was asked for."""
    await answering(server).look()


async def ask(browser: httpx2.AsyncClient, name: str) -> httpx2.Response:
    form = Page(await browser.get("/forgot-password")).form
    return await submit(browser, form, {"username": name})


async def link_for(browser: httpx2.AsyncClient, server: Server, name: str = "alice") -> str:
    """The link that a user asks for and gets."""
    await ask(browser, name)
    await answer(server)
    server.clock.advance(1)  # type: ignore[attr-defined]
    links = [mail for mail in await mails(server) if mail.kind == "reset-password"]
    return link_in(links[-1])


async def choose(browser: httpx2.AsyncClient, link: str, password: str = NEW) -> httpx2.Response:
    page = Page(response := await browser.get(link))
    if not page.forms:
        return response
    return await submit(browser, page.form, {"new_password": password})


async def can_log_in(browser: httpx2.AsyncClient, password: str, name: str = "alice") -> bool:
    browser.cookies.clear()
    form = Page(await browser.get("/login")).form
    response = await submit(browser, form, {"username": name, "password": password})
    browser.cookies.clear()
    return response.status_code == 303


def assert_dead(response: httpx2.Response) -> None:
    assert_dead_link(response, onward="Ask for another link")


async def test_a_user_who_forgot_the_password_chooses_another_one(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    login = Page(await http.get("/login"))
    assert login.all("a") == ["Forgot password?"]
    response = await ask(http, "alice")
    assert (response.status_code, Page(response).heading) == (200, "Check your mail")
    await answer(server)
    (mail,) = await mails(server)
    assert (mail.recipient, mail.subject) == (ALICES, "Choose a new password for Latchkey")
    assert "for your account at Latchkey" in mail.text
    assert "Account: alice\n" in mail.text
    assert "From the address: 127.0.0.1" in mail.text
    page = Page(await choose(http, link_in(mail)))
    assert page.heading == "Password changed"
    assert not await can_log_in(http, PASSWORD)
    assert await can_log_in(http, NEW)
    recorded = [event.type for event in await events(server) if "recover" in event.type]
    assert recorded == ["recovery.requested", "password.recovered"]


@pytest.mark.parametrize("name", ["ALICE", "alice@example.com", "alice@EXAMPLE.com"])
async def test_the_name_or_the_verified_address_is_enough(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, name: str
) -> None:
    await ask(http, name)
    await answer(server)
    assert [mail.recipient for mail in await mails(server)] == [ALICES]


async def test_a_link_ends_every_session_and_login(
    http: httpx2.AsyncClient, app: FastAPI, server: Server, alice: TestUser
) -> None:
    client = await add_refreshing(server)
    tokens = await log_in(http, alice, client)
    form = Page(await http.get("/login")).form
    await submit(http, form, {"username": "alice", "password": PASSWORD})
    async with open_browser(app) as phone:
        await choose(phone, await link_for(phone, server))
    assert (await http.get("/account")).status_code == 303
    assert (await refresh(http, client, tokens["refresh_token"])).status_code == 400


NOBODIES = {
    "unknown": "mallory",
    "unknown address": "mallory@example.com",
    "disabled": "disabled",
    "without address": "addressless",
    "with an address that nobody verified": "unverified",
    "that unverified address": "unverified@example.com",
    "without a password": "passwordless",
    "too long": "x" * 1000,
    "empty": "",
    "odd": "\u202e\x7f<script>",
}


@pytest.fixture
async def others(server: Server) -> None:
    await disable_user(server, await add_user(server, "disabled"))
    await add_user(server, "addressless", email=None, email_verified=False)
    await add_user(server, "unverified", email_verified=False)
    await add_user(server, "passwordless", password_hash=None)


@pytest.mark.parametrize("name", NOBODIES.values(), ids=NOBODIES)
async def test_whoever_gets_no_mail_sees_the_same_and_makes_the_server_write_the_same(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    others: None,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    statements: list[str] = []
    seen = Database.transact

    async def watched(database: Database, work: Any) -> Any:
        statements.append("transaction")
        return await seen(database, work)

    answers = []
    for asked in ("alice", name):
        form = Page(await http.get("/forgot-password")).form
        monkeypatch.setattr(Database, "transact", watched)
        response = await submit(http, form, {"username": asked})
        monkeypatch.setattr(Database, "transact", seen)
        answers.append((response.status_code, response.text, len(response.headers)))
        async with server.database.read() as connection:
            count = await connection.scalar(select(func.count()).select_from(MailRequest))
            assert count == 1
            assert await connection.scalar(select(func.count()).select_from(MailProof)) == (
                0 if asked == "alice" else 1
            )
        await answer(server)
    assert answers[0] == answers[1]
    assert statements == ["transaction", "transaction"]
    assert [mail.recipient for mail in await mails(server)] == [ALICES]


async def test_what_was_typed_can_be_read_by_nobody_and_is_gone_once_it_was_looked_at(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await ask(http, "my-password-by-mistake")
    assert "my-password-by-mistake" not in await dump(server)
    await answer(server)
    async with server.database.read() as connection:
        assert await connection.scalar(select(MailRequest.id)) is None


async def test_a_program_that_opens_links_changes_nothing(
    http: httpx2.AsyncClient, app: FastAPI, server: Server, alice: TestUser
) -> None:
    link = await link_for(http, server)
    before = await dump(server)
    async with open_browser(app) as scanner:
        for _ in range(3):
            assert (await scanner.get(link)).status_code == 200
            assert (await scanner.head(link)).status_code == 200
    assert await dump(server) == before
    assert Page(await choose(http, link)).heading == "Password changed"


async def test_a_link_is_good_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    link = await link_for(http, server)
    form = Page(await http.get(link)).form
    await submit(http, form, {"new_password": NEW})
    assert_dead(await submit(http, form, {"new_password": "a third password, as long"}))
    assert_dead(await http.get(link))
    assert await can_log_in(http, NEW)


async def test_of_two_who_follow_a_link_at_once_one_changes_the_password(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    form = Page(await http.get(await link_for(http, server))).form
    both = [submit(http, form, {"new_password": NEW + each}) for each in ("1", "2")]
    headings = [Page(each).heading for each in await asyncio.gather(*both)]
    assert sorted(headings) == sorted(["Password changed", DEAD])


async def test_a_newer_link_ends_the_older_one(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    older = await link_for(http, server)
    newer = await link_for(http, server)
    assert_dead(await choose(http, older))
    assert Page(await choose(http, newer)).heading == "Password changed"


async def test_a_link_ends_with_a_change_of_the_address(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    link = await link_for(http, server)
    async with server.database.transaction() as connection:
        other = email_columns("other@example.com", verified=True)
        await connection.execute(update(User).where(User.id == alice.id).values(other))
    assert_dead(await choose(http, link))
    assert await can_log_in(http, PASSWORD)


async def test_a_link_ends_with_a_change_of_the_password(
    http: httpx2.AsyncClient, app: FastAPI, server: Server, alice: TestUser
) -> None:
    link = await link_for(http, server)
    form = Page(await http.get("/login")).form
    await submit(http, form, {"username": "alice", "password": PASSWORD})
    form = Page(await http.get("/account")).form_with(action="password")
    await submit(http, form, {"current_password": PASSWORD, "new_password": NEW})
    async with open_browser(app) as phone:
        assert_dead(await choose(phone, link, "a third password, as long"))


async def test_a_password_that_was_changed_meanwhile_is_not_changed_again(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, meanwhile: Meanwhile
) -> None:
    form = Page(await http.get(await link_for(http, server))).form

    async def change() -> None:
        async with operating(server.database, server.clock) as operator:
            password_hash = server.passwords.hash_now("what an administrator has set")
            await set_password(operator, alice.id, password_hash, revoke=[])

    meanwhile(server, change)
    assert_dead(await submit(http, form, {"new_password": NEW}))
    assert not await can_log_in(http, NEW)


async def test_a_link_is_good_for_three_hours(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, alice: TestUser
) -> None:
    link = await link_for(http, server)
    clock.advance(PURPOSE.lifetime.total_seconds() - 2)
    assert (await http.get(link)).status_code == 200
    clock.advance(1)
    assert_dead(await http.get(link))


async def test_a_link_of_one_purpose_is_good_for_no_other(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    token = (await link_for(http, server)).partition("token=")[2]
    if (response := await http.get(f"/verify-email?token={token}")).status_code != 404:
        assert Page(response).heading == DEAD


async def test_a_link_does_nothing_in_the_browser_of_somebody_else(
    http: httpx2.AsyncClient, app: FastAPI, server: Server, alice: TestUser
) -> None:
    link = await link_for(http, server)
    await add_user(server, "bob", PASSWORD)
    bobs = await link_for(http, server, "bob")
    async with open_browser(app) as other:
        form = Page(await other.get("/login")).form
        await submit(other, form, {"username": "bob", "password": PASSWORD})
        assert Page(await other.get(link)).heading == "This link is for another account"
        own = Page(await other.get(bobs)).form
        stolen = {"token": link.partition("token=")[2], "new_password": NEW}
        response = await submit(other, own, stolen)
        assert Page(response).heading == "This link is for another account"
    assert await can_log_in(http, PASSWORD)
    assert await can_log_in(http, PASSWORD, "bob")


async def test_a_user_who_was_disabled_meanwhile_changes_nothing(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    link = await link_for(http, server)
    await disable_user(server, alice)
    assert_dead(await choose(http, link))


@pytest.mark.parametrize(
    ("password", "alert"),
    [
        ("too short", "A password must have at least 15 characters."),
        ("x" * 1025, "A password can have at most 1024 characters."),
    ],
)
async def test_a_password_that_breaks_a_rule_is_refused_in_words_and_the_link_stays(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, password: str, alert: str
) -> None:
    link = await link_for(http, server)
    response = await choose(http, link, password)
    assert (response.status_code, Page(response).alert) == (400, alert)
    assert Page(await choose(http, link)).heading == "Password changed"


@pytest.mark.parametrize("path", ["/forgot-password", "/reset-password"])
async def test_a_form_from_another_site_does_nothing(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, path: str
) -> None:
    link = await link_for(http, server) if path == "/reset-password" else path
    form = Page(await http.get(link)).form
    before = await dump(server)
    filled = form.fields | {"username": "alice", "new_password": NEW}
    for fields, headers in (
        (filled | {"form_token": ""}, {}),
        (filled, {"Sec-Fetch-Site": "cross-site"}),
    ):
        response = await http.post(path, data=fields, headers=headers)
        assert_error_page(response, "This form is no longer valid")
    assert await dump(server) == before


async def test_an_account_gets_three_mails_an_hour_and_nobody_is_told(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, alice: TestUser
) -> None:
    answers = set()
    for name in ["alice", ALICES] * 2:
        answers.add((await ask(http, name)).text)
        await answer(server)
    assert len(answers) == 1
    assert len(await mails(server)) == PURPOSE.most
    clock.advance(3600)
    await ask(http, "alice")
    await answer(server)
    assert len(await mails(server)) == PURPOSE.most + 1


@pytest.mark.parametrize("changes", [{"login_max_failures_per_address": 3}])
@pytest.mark.parametrize("name", ["alice", "mallory"])
async def test_a_network_waits_after_so_many_requests_whoever_it_names(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, alice: TestUser, name: str
) -> None:
    for _ in range(3):
        assert (await ask(http, name)).status_code == 200
    response = await ask(http, name)
    assert (response.status_code, response.headers["retry-after"]) == (429, "1200")
    assert Page(response).alert == TOO_MANY
    assert await can_log_in(http, PASSWORD)  # which is counted by itself
    clock.advance(1200)
    assert (await ask(http, name)).status_code == 200


@pytest.mark.parametrize("changes", [{"login_max_failures": 1}])
async def test_who_was_locked_out_by_strangers_logs_in_with_the_new_password(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    assert not await can_log_in(http, "wrong")
    assert not await can_log_in(http, PASSWORD)
    await choose(http, await link_for(http, server))
    assert await can_log_in(http, NEW)


async def test_requests_that_nobody_answers_are_forgotten_and_bounded(
    http: httpx2.AsyncClient,
    server: Server,
    clock: TestClock,
    alice: TestUser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(requests, "MOST_WAITING", 2)
    answers = {(await ask(http, "alice")).text for _ in range(3)}
    assert len(answers) == 1
    async with server.database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(MailRequest)) == 2
    clock.advance(USEFUL_FOR.total_seconds() + 1)
    await answer(server)
    assert await mails(server) == []


async def test_of_workers_that_look_at_once_one_answers(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await ask(http, "alice")
    await asyncio.gather(*(answer(server) for _ in range(3)))
    assert len(await mails(server)) == 1


async def test_a_pending_request_of_an_application_is_not_lost_on_the_way(
    http: httpx2.AsyncClient,
) -> None:
    page = Page(response := await http.get("/forgot-password?request=the-key"))
    assert 'href="login?request=the-key"' in response.text
    assert page.form.fields["request"] == "the-key"


async def test_a_link_is_kept_as_a_hash_alone(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    token = (await link_for(http, server)).partition("token=")[2]
    assert len(token) == 43
    assert token not in await dump(server)


async def test_without_mail_nobody_is_offered_a_link(web: TestClient) -> None:
    from app.main import create_app
    from tests.support.routes import every_route

    app = create_app(
        make_settings(
            environment="production",
            issuer="https://auth.example.com",
            secret_key="a secret key of thirty-two bytes or more",
        )
    )
    paths = {path for _, path in every_route(app)}
    assert paths.isdisjoint({"/forgot-password", "/reset-password"})
    assert app.state.server.login_links == []


# Languages


@translated_into("de")
async def test_the_mail_is_in_the_language_of_the_page_on_which_it_was_asked_for(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    http.headers["Accept-Language"] = "de"
    await ask(http, "alice")
    await answer(server)
    (mail,) = await mails(server)
    assert mail.subject == "Neues Passwort für Latchkey wählen"
    assert '<html lang="de" dir="ltr">' in mail.html


@translated_into("ja")
async def test_a_user_who_has_chosen_a_language_gets_the_mail_in_that(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    async with operating(server.database, server.clock) as operator:
        await change_user(operator, alice.id, {"locale": "ja-JP"})
    http.headers["Accept-Language"] = "de"
    await ask(http, "alice")
    await answer(server)
    (mail,) = await mails(server)
    assert '<html lang="ja" dir="ltr">' in mail.html


@translated_into("fr")
async def test_whoever_comes_from_an_application_reads_its_language_here_too(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    flow = CodeFlow(http, alice, await add_web_client(server))
    login = await flow.follow(await flow.start(ui_locales="fr"))
    (link,) = re.findall(r'href="(forgot-password[^"]+)"', login.text)
    page = await http.get(f"/{html.unescape(link)}")
    sent = await submit(http, Page(page).form, {"username": "alice"})
    assert [each.headers["content-language"] for each in (page, sent)] == ["fr", "fr"]


async def test_no_sentence_of_the_pages_and_the_mail_stays_in_english(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    app: FastAPI,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mark_sentences(monkeypatch)
    pages = [await http.get("/forgot-password"), await ask(http, "alice")]
    await answer(server)
    (mail,) = await mails(server)
    async with open_browser(app) as browser:
        link = link_in(mail)
        pages += [await browser.get(link), await choose(browser, link, "short")]
        pages += [await choose(browser, link), await browser.get(link)]
    pages.append(httpx2.Response(200, html=mail.html))
    for page in pages:
        assert (
            left_in_english(page, "alice", ISSUER + link, "127.0.0.1", ISSUER, "python-httpx2")
            == []
        )
