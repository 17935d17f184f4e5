"""People who make their own accounts: ``/register``, the mail, ``/invitation``."""

import asyncio

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.features.mail.links import TOO_MANY
from app.features.registration import human, visitors
from app.features.registration.model import Invitation
from app.identity.users import find_account, get_person
from app.management.authority import operating
from app.management.users import change_user, delete_user, get_user_by_name
from app.server import Server
from app.settings import Settings
from tests.conftest import ISSUER, make_settings
from tests.features.mail.sent import assert_dead_link, link_in, mails
from tests.features.registration.joining import (
    ADAS,
    TYPED,
    answer_all,
    ask,
    link_for,
    make,
)
from tests.support.assertions import assert_problem
from tests.support.clock import TestClock
from tests.support.factories import TestUser, add_user
from tests.support.flow import (
    CodeFlow,
    Page,
    add_web_client,
    assert_code_answer,
    assert_error_answer,
    assert_error_page,
    assert_logged_in,
    dump,
    is_consent,
    open_browser,
    submit,
)
from tests.support.on_sqlite import backend as backend
from tests.support.operators import assert_invalid, assert_refused, events
from tests.support.purging import purged
from tests.support.translations import translated_into
from tests.support.untranslated import left_in_english, mark_sentences
from tests.support.writes import NEW_PASSWORD

TAKEN = "This user name is not available. Choose another one."


@pytest.fixture
def changes() -> dict[str, object]:
    return {}


@pytest.fixture
def settings(database_url: str, changes: dict[str, object]) -> Settings:
    return make_settings(database_url=database_url, **({"registration": "open"} | changes))


def assert_dead(response: httpx2.Response) -> None:
    assert_dead_link(response, onward="Log in")


def assert_says(response: httpx2.Response, error: str, status: int = 400) -> None:
    """The form again, with what was wrong."""
    page = Page(response)
    assert (response.status_code, page.alert, page.tags["form"]) == (status, error, 1)


# The way


async def test_somebody_registers_and_is_logged_in(
    http: httpx2.AsyncClient, server: Server
) -> None:
    assert "Create an account" in Page(await http.get("/login")).all("a")
    response = await ask(http)
    assert (response.status_code, Page(response).heading) == (200, "Check your mail")
    await answer_all(server)
    (mail,) = await mails(server)
    assert (mail.recipient, mail.subject) == (ADAS, "Create your account at Latchkey")
    assert "From the address: 127.0.0.1" in mail.text
    response = await make(http, link_in(mail))
    assert (response.status_code, response.headers["location"].split("/")[-1]) == (303, "account")
    await assert_logged_in(http, "ada")


async def test_who_registers_has_what_the_settings_give_and_a_verified_address(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await make(http, await link_for(http, server))
    async with server.database.read() as connection:
        ada = await get_user_by_name(connection, "ada")
    assert (ada.email, ada.email_verified, ada.name) == (ADAS, True, "Ada Lovelace")
    assert ada.scopes == ["account", "email", "offline_access", "openid", "profile"]
    event = next(each for each in await events(server) if each.type == "user.registered")
    assert (event.actor, event.user_id) == (str(ada.id), str(ada.id))
    assert event.details == {"username": "ada", "scopes": ada.scopes}


@pytest.mark.parametrize("changes", [{"registration_scopes": ["profile", "no-such-scope"]}])
async def test_a_scope_that_does_not_exist_is_given_to_nobody(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await make(http, await link_for(http, server))
    async with server.database.read() as connection:
        account = await find_account(connection, "ada")
    assert account is not None
    assert account.scopes == {"profile"}


async def test_a_link_shows_its_page_and_changes_nothing_until_the_form_is_sent(
    http: httpx2.AsyncClient, server: Server
) -> None:
    link = await link_for(http, server)
    for method in ("GET", "HEAD", "GET"):
        response = await http.request(method, link)
        assert response.status_code == 200
    assert Page(response).heading == "Create your account"
    async with server.database.read() as connection:
        assert await find_account(connection, "ada") is None
    assert (await make(http, link)).status_code == 303


async def test_a_link_is_good_for_a_day(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    link = await link_for(http, server)
    clock.advance(24 * 3600 - 2)
    assert (await http.get(link)).status_code == 200
    clock.advance(1)
    assert_dead(await http.get(link))


async def test_a_link_is_good_once(http: httpx2.AsyncClient, server: Server, app: FastAPI) -> None:
    link = await link_for(http, server)
    async with open_browser(app) as other:
        form = Page(await other.get(link)).form
        assert (await make(http, link)).status_code == 303
        assert_dead(await submit(other, form, TYPED | {"username": "ada2"}))
        assert_dead(await other.get(link))


async def test_a_newer_link_to_the_same_address_ends_the_older_one(
    http: httpx2.AsyncClient, server: Server
) -> None:
    older = await link_for(http, server)
    newer = await link_for(http, server, "ada@EXAMPLE.com")
    assert_dead(await http.get(older))
    assert (await http.get(newer)).status_code == 200


async def test_one_link_makes_one_account_at_the_same_moment(
    http: httpx2.AsyncClient, server: Server, app: FastAPI
) -> None:
    link = await link_for(http, server)
    async with open_browser(app) as other:
        forms = [Page(await browser.get(link)).form for browser in (http, other)]
        answers = await asyncio.gather(
            submit(http, forms[0], TYPED), submit(other, forms[1], TYPED | {"username": "eve"})
        )
    assert sorted(answer.status_code for answer in answers) == [303, 400]


# What nobody is told


@pytest.mark.parametrize("name", ["alice", "bob"])
async def test_the_page_says_the_same_whether_or_not_an_address_has_an_account(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, name: str
) -> None:
    response = await ask(http, f"{name}@example.com")
    assert response.status_code == 200
    shown = response.text.replace(name, "somebody")
    assert shown == (await ask(http, "somebody@example.com")).text


async def test_who_has_an_account_with_the_address_is_told_by_mail(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await ask(http, "alice@example.com")
    await answer_all(server)
    (mail,) = await mails(server)
    assert mail.subject == "You already have an account at Latchkey"
    assert "It belongs to your account already." in mail.text
    assert "/invitation" not in mail.text


async def test_an_address_that_nobody_has_proven_does_not_keep_its_owner_out(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await add_user(server, "mallory", email=ADAS, email_verified=False)
    assert (await make(http, await link_for(http, server))).status_code == 303


async def test_an_address_verified_meanwhile_makes_no_second_account(
    http: httpx2.AsyncClient, server: Server
) -> None:
    link = await link_for(http, server)
    await add_user(server, "other", email=ADAS)
    assert_says(await make(http, link), "An account with this e-mail address exists. Log in to it.")
    async with server.database.read() as connection:
        assert await find_account(connection, "ada") is None


async def test_a_name_is_refused_to_who_has_a_link_and_nothing_else_typed_is_lost(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    link = await link_for(http, server)
    response = await make(http, link, username="ALICE")
    assert_says(response, TAKEN)
    assert 'value="ALICE"' in response.text
    assert 'value="Ada Lovelace"' in response.text
    assert NEW_PASSWORD not in response.text
    assert (await make(http, link)).status_code == 303


@pytest.mark.parametrize("changes", [{"login_max_failures": 3}])
async def test_a_link_is_no_list_of_user_names(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, clock: TestClock
) -> None:
    link = await link_for(http, server)
    for _ in range(3):
        assert_says(await make(http, link, username="alice"), TAKEN)
    wait = "Too many failed attempts. Wait a few minutes, then try again."
    assert_says(await make(http, link, username="alice"), wait, 429)
    assert_says(response := await make(http, link, username="free"), wait, 429)
    assert response.headers["retry-after"] == "300"


async def test_a_link_to_an_address_with_an_account_tells_nothing_of_names(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    link = await link_for(http, server)
    await add_user(server, "other", email=ADAS)
    told = "An account with this e-mail address exists. Log in to it."
    for name in ("alice", "free"):
        assert_says(await make(http, link, username=name), told)


@pytest.mark.parametrize(
    "username", ["alice@example.com", "ada@elsewhere.example", "alice\uff20example.com"]
)
async def test_nobody_takes_an_address_that_is_not_theirs_for_a_user_name(
    http: httpx2.AsyncClient, server: Server, username: str
) -> None:
    response = await make(http, await link_for(http, server), username=username)
    told = "A user name with an @ must be the address that this link was sent to."
    assert_says(response, told)


async def test_ones_own_address_may_be_the_user_name(
    http: httpx2.AsyncClient, server: Server
) -> None:
    assert (await make(http, await link_for(http, server), username=ADAS)).status_code == 303


# What is refused


@pytest.mark.parametrize(
    "email", ["ada", "ada@", "@example.com", "a b@example.com", "ada@example.com,eve@example.com"]
)
async def test_what_is_no_address_is_refused_with_a_reason(
    http: httpx2.AsyncClient, server: Server, email: str
) -> None:
    assert_says(await ask(http, email), "An e-mail address must have the form name@domain.")
    await answer_all(server)
    assert await mails(server) == []


async def test_an_address_with_a_line_end_reaches_no_header(
    http: httpx2.AsyncClient, server: Server
) -> None:
    response = await ask(http, "ada@example.com\r\nBcc: eve@example.com")
    assert_says(response, "An e-mail address must have the form name@domain.")


@pytest.mark.parametrize("changes", [{"registration_domains": ["Example.org", "example.net"]}])
async def test_only_addresses_of_the_domains_of_the_settings_are_taken(
    http: httpx2.AsyncClient, server: Server
) -> None:
    told = "Only addresses at example.org, example.net can be registered here."
    assert_says(await ask(http), told)
    assert_says(await ask(http, "ada@example.org.evil.example"), told)
    assert Page(await ask(http, "ada@EXAMPLE.org")).heading == "Check your mail"


async def test_the_rules_for_passwords_are_said_in_words(
    http: httpx2.AsyncClient, server: Server
) -> None:
    link = await link_for(http, server)
    told = "A password must have at least 15 characters."
    assert_says(await make(http, link, new_password="short"), told)
    told = "A password must differ from the user name."
    name = "a very long user name"
    assert_says(await make(http, link, username=name, new_password=name), told)


@pytest.mark.parametrize("path", ["/register", "/invitation"])
async def test_a_form_from_another_site_changes_nothing(
    http: httpx2.AsyncClient, server: Server, path: str
) -> None:
    await http.get("/register")
    typed = TYPED | {"email": ADAS, "token": "a-token"}
    response = await http.post(path, data=typed, headers={"Sec-Fetch-Site": "cross-site"})
    assert_error_page(response, "This form is no longer valid")


async def test_who_is_logged_in_makes_no_other_account_by_the_way(
    http: httpx2.AsyncClient, server: Server, app: FastAPI, alice: TestUser
) -> None:
    async with open_browser(app) as other:
        link = await link_for(other, server)
    form = Page(await http.get("/login")).form
    await submit(http, form, {"username": "alice", "password": alice.password})
    response = await http.get(link)
    page = Page(response)
    assert (response.status_code, page.heading) == (400, "You are already logged in")
    assert (page.tags["form"], page.all("a")) == (0, ["Log out"])


async def test_a_mailbox_is_not_filled_through_the_page(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    for _ in range(7):
        await ask(http)
        await answer_all(server)
    assert len(await mails(server)) == 5
    clock.advance(3601)
    await ask(http)
    await answer_all(server)
    assert len(await mails(server)) == 6


@pytest.mark.parametrize("changes", [{"login_max_failures_per_address": 3}])
async def test_a_network_asks_for_so_many_links_and_waits(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    for number in range(3):
        assert (await ask(http, f"ada{number}@example.com")).status_code == 200
    response = await ask(http, "ada3@example.com")
    assert_says(response, TOO_MANY, 429)
    assert response.headers["retry-after"] == "1200"
    clock.advance(1200)
    assert (await ask(http, "ada3@example.com")).status_code == 200
    assert (await ask(http, "ada4@example.com")).status_code == 429


async def test_a_fork_asks_whether_a_person_is_there(
    http: httpx2.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await human.is_human("", None)  # type: ignore[arg-type]

    async def is_human(answer: str, _origin: object) -> bool:
        return answer == "a person"

    monkeypatch.setattr(visitors, "is_human", is_human)
    assert_says(await ask(http), "This did not look like a person: try again.")
    form = Page(await http.get("/register")).form
    response = await submit(http, form, {"email": ADAS, "human": "a person"})
    assert Page(response).heading == "Check your mail"


# Settings


@pytest.mark.parametrize("changes", [{"registration": "closed"}])
async def test_registration_is_closed_unless_a_setting_opens_it(
    http: httpx2.AsyncClient, database_url: str
) -> None:
    assert make_settings(database_url=database_url).registration == "closed"
    for path in ("/register", "/invitation", "/invitations"):
        assert (await http.get(path)).status_code == 404
    assert Page(await http.get("/login")).all("a") == ["Forgot password?"]


@pytest.mark.parametrize("changes", [{"registration": "invitation"}])
async def test_by_invitation_nobody_asks_for_a_link(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/register")).status_code == 404
    assert (await http.post("/registrations", json={"email": ADAS})).status_code == 404
    assert_dead(await http.get("/invitation", params={"token": "any"}))


def test_open_registration_needs_a_mail_server_in_production(database_url: str) -> None:
    with pytest.raises(ValueError, match="LATCHKEY_SMTP_URL is required with"):
        Settings(
            _env_file=None,
            environment="production",
            issuer="https://auth.example.com",
            secret_key="a-secret-of-more-than-thirty-two-characters",
            database_url=database_url,
            registration="open",
        )


@pytest.mark.parametrize("domain", ["@example.com", "example", "*.example.com", "exa mple.com"])
def test_a_domain_that_is_none_is_refused_at_the_start(database_url: str, domain: str) -> None:
    with pytest.raises(ValueError, match="LATCHKEY_REGISTRATION_DOMAINS must be domains"):
        make_settings(database_url=database_url, registration_domains=[domain])


# On the way of a login


@pytest.mark.rfc("openid-connect-prompt-create", "4", 5)
async def test_who_comes_from_an_application_goes_on_to_it_in_the_same_browser(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    flow = CodeFlow(http, alice, await add_web_client(server))
    page = await flow.login_page()
    key = Page(page).form.fields["request"]
    await ask(http, key=key)
    await answer_all(server)
    response = await make(http, (await _link(server)))
    response = await flow.follow(response)
    response = await flow.follow(response)
    assert is_consent(response)
    assert_code_answer(await flow.allow(response))


async def test_a_request_that_is_none_is_forgotten(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await ask(http, key="x" * 5000)
    await answer_all(server)
    response = await make(http, await _link(server))
    assert response.headers["location"].endswith("/account")


async def test_in_another_browser_nobody_goes_on_to_what_waits_in_the_first(
    http: httpx2.AsyncClient, server: Server, app: FastAPI, alice: TestUser
) -> None:
    flow = CodeFlow(http, alice, await add_web_client(server))
    key = Page(await flow.login_page()).form.fields["request"]
    await ask(http, key=key)
    await answer_all(server)
    async with open_browser(app) as other:
        response = await make(other, await _link(server))
        assert response.headers["location"].endswith("/account")


async def _link(server: Server) -> str:
    return link_in((await mails(server, ADAS))[-1])


@pytest.mark.rfc("openid-connect-prompt-create", "4", 1, 4)
async def test_a_client_asks_for_the_page_by_prompt_create(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    """Initiating User Registration via OpenID Connect 1.0, section 4."""
    flow = CodeFlow(http, alice, await add_web_client(server))
    for response in (await flow.start(prompt="create"), await flow.post(prompt="create")):
        page = Page(await flow.follow(response))
        assert page.heading == "Create an account"
        assert page.form.fields["request"]
    assert page.all("a") == ["Log in instead"]


@pytest.mark.rfc("openid-connect-prompt-create", "4", 2)
async def test_prompt_create_goes_with_no_other(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    flow = CodeFlow(http, alice, await add_web_client(server))
    for prompt in ("create login", "none create"):
        told = "The prompt must be create or none, or any of login, consent, select_account."
        assert_error_answer(await flow.start(prompt=prompt), "invalid_request", told)


@pytest.mark.rfc("openid-connect-prompt-create", "4.2", 1, 2)
async def test_the_metadata_have_prompt_create_where_anybody_may_register(
    http: httpx2.AsyncClient,
) -> None:
    document = (await http.get("/.well-known/openid-configuration")).json()
    assert document["prompt_values_supported"] == [
        *("none", "login", "consent", "select_account", "create")
    ]


@pytest.mark.rfc("openid-connect-prompt-create", "4.1", 1)
@pytest.mark.rfc("openid-connect-prompt-create", "4.2", 3)
@pytest.mark.parametrize("changes", [{"registration": "invitation"}])
async def test_prompt_create_is_refused_where_nobody_may_register(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    flow = CodeFlow(http, alice, await add_web_client(server))
    told = "The prompt must be none, or any of login, consent, select_account."
    assert_error_answer(await flow.start(prompt="create"), "invalid_request", told)
    document = (await http.get("/.well-known/openid-configuration")).json()
    assert "create" not in document["prompt_values_supported"]


# By JSON


async def test_an_application_of_ones_own_registers_by_json(
    http: httpx2.AsyncClient, server: Server
) -> None:
    response = await http.post("/registrations", json={"email": ADAS})
    assert (response.status_code, response.json()) == (202, {})
    await answer_all(server)
    token = (await _link(server)).partition("token=")[2]
    body = {"token": token, "username": "ada", "password": NEW_PASSWORD}
    response = await http.post("/invitations/accept", json=body)
    assert response.status_code == 201
    async with server.database.read() as connection:
        account = await find_account(connection, "ada")
        assert account is not None
        person = await get_person(connection, account.id)
    assert response.json() == {"id": str(account.id), "username": "ada"}
    assert person.profile.email_verified
    again = await http.post("/invitations/accept", json=body | {"username": "eve"})
    assert_refused(again, 404, "This link is no longer valid.")


async def test_json_is_told_which_field_is_at_fault(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    told = "an e-mail address must have the form name@domain"
    assert_invalid(await http.post("/registrations", json={"email": "ada"}), ("body.email", told))
    token = (await link_for(http, server)).partition("token=")[2]
    body = {"token": token, "username": "alice", "password": NEW_PASSWORD}
    assert_refused(await http.post("/invitations/accept", json=body), 409, TAKEN)
    response = await http.post("/invitations/accept", json=body | {"password": "short"})
    assert_problem(response, 422)


async def test_neither_a_link_nor_a_password_is_left_anywhere(
    http: httpx2.AsyncClient, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    link = await link_for(http, server)
    token = link.partition("token=")[2]
    await make(http, link, username="alice@example.com")  # refused
    await make(http, link)
    left = await dump(server) + caplog.text
    assert "/invitation" in caplog.text
    assert (token in left, NEW_PASSWORD in left) == (False, False)


async def test_an_address_is_forgotten_with_the_account_and_when_nothing_comes_of_it(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    await link_for(http, server)
    await make(http, await link_for(http, server))
    await ask(http, "eve@example.com")
    await answer_all(server)
    async with operating(server.database, server.clock) as operator:
        ada = await get_user_by_name(operator.connection, "ada")
        await delete_user(operator, ada.id)
    clock.advance(24 * 3600 + 1)
    await purged(server)
    async with server.database.read() as connection:
        emails = await connection.scalars(select(Invitation.email))
        assert [email for email in emails if email] == []


# Languages


async def test_no_sentence_of_the_pages_and_the_mail_stays_in_english(
    http: httpx2.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark_sentences(monkeypatch)
    pages = [await http.get("/register"), await ask(http, "nothing"), await ask(http)]
    await answer_all(server)
    (mail,) = await mails(server)
    link = link_in(mail)
    pages += [await http.get(link), await make(http, link, username="", new_password="short")]
    pages += [await make(http, link, name="x" * 256), await make(http, "/invitation?token=no")]
    pages.append(httpx2.Response(200, html=mail.html))
    data = (ADAS, "Ada Lovelace", ISSUER + link, "127.0.0.1", "python-httpx2")
    for page in pages:
        assert left_in_english(page, *data) == []


@translated_into("zh")
async def test_the_mail_is_in_the_language_of_the_page_on_which_it_was_asked_for(
    http: httpx2.AsyncClient, server: Server
) -> None:
    http.headers["Accept-Language"] = "zh-CN"
    await ask(http)
    await answer_all(server)
    (mail,) = await mails(server)
    assert '<html lang="zh" dir="ltr">' in mail.html


@translated_into("fr")
async def test_who_has_an_account_is_told_in_the_language_that_they_have_chosen(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    async with operating(server.database, server.clock) as operator:
        await change_user(operator, alice.id, {"locale": "fr"})
    http.headers["Accept-Language"] = "de"
    await ask(http, "alice@example.com")
    await answer_all(server)
    (mail,) = await mails(server)
    assert '<html lang="fr" dir="ltr">' in mail.html
