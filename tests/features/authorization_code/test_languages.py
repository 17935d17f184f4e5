"""Pages in the language of whoever reads them, and nothing on them that stays in English."""

from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from app.languages import catalogues
from app.languages.reader import languages
from app.management.authority import operating
from app.management.scopes import describe_scope
from app.server import Server
from tests.support.factories import TestClient, TestUser
from tests.support.flow import CodeFlow, Page, submit
from tests.support.on_sqlite import backend as backend
from tests.support.translations import translated_into
from tests.support.untranslated import left_in_english, mark_sentences

GERMAN = {"Accept-Language": "de-AT, en;q=0.5"}

LOG_IN = {"en": "Log in", "de": "Anmelden", "fr": "Se connecter"}


def spoken(response: httpx2.Response) -> str:
    """The language of a page, which its header and its markup agree on."""
    language: str = response.headers["content-language"]
    assert f'<html lang="{language}" dir="ltr">' in response.text
    return language


async def enter(browser: httpx2.AsyncClient, user: TestUser) -> httpx2.Response:
    form = Page(await browser.get("/login")).form
    return await submit(browser, form, {"username": user.username, "password": user.password})


async def choose(browser: httpx2.AsyncClient, locale: str) -> None:
    """Choose a language at the account page."""
    form = Page(await browser.get("/account")).form_with(action="profile")
    assert (await submit(browser, form, {"locale": locale})).status_code == 303


# Which language


@pytest.mark.parametrize("language", sorted(languages()))
async def test_a_page_is_in_the_language_that_the_browser_prefers(
    http: httpx2.AsyncClient, language: str
) -> None:
    page = await http.get("/login", headers={"Accept-Language": language})
    assert spoken(page) == language
    assert Page(page).heading == LOG_IN.get(language, Page(page).heading)
    assert (Page(page).heading == "Log in") is (language == "en")


async def test_what_is_between_page_and_browser_is_told_that_it_depends_on_the_header(
    http: httpx2.AsyncClient,
) -> None:
    assert "Accept-Language" in (await http.get("/login")).headers["vary"]


@translated_into("fr")
async def test_the_user_s_own_choice_comes_before_that_of_the_browser(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    await enter(http, alice)
    await choose(http, "fr-CA")
    assert spoken(await http.get("/account", headers=GERMAN)) == "fr"


async def test_the_next_person_at_the_browser_has_their_own_language(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    await enter(http, alice)
    await choose(http, "fr")
    await submit(http, Page(await http.get("/logout")).form)
    assert spoken(await http.get("/login")) == "en"


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 19)
@translated_into("fr")
async def test_what_the_client_asks_for_comes_first_and_lasts_through_the_flow(
    flow: CodeFlow,
) -> None:
    response = await flow.follow(await flow.start(ui_locales="xx fr-FR de"))
    assert (spoken(response), Page(response).heading) == ("fr", LOG_IN["fr"])
    wrong = await submit(flow.browser, Page(response).form, {"username": "x", "password": "y"})
    assert (spoken(wrong), wrong.status_code) == ("fr", 400)
    response = await flow.follow(await flow.log_in(response))
    assert spoken(response) == "fr"
    assert ("decision", "allow") in Page(response).form.choices


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 20)
@translated_into("de")
async def test_a_request_that_asks_for_no_language_that_there_is_leaves_it_to_the_browser(
    flow: CodeFlow,
) -> None:
    started = await flow.start(ui_locales="xx")
    assert spoken(await flow.browser.get(started.headers["location"], headers=GERMAN)) == "de"


@pytest.mark.parametrize("method", ["GET", "POST"])
@translated_into("ja")
async def test_an_error_of_the_authorization_endpoint_is_told_in_the_client_s_language(
    flow: CodeFlow, method: str
) -> None:
    page = await flow.send(method, [("client_id", "nobody"), ("ui_locales", "ja")])
    assert (page.status_code, spoken(page)) == (400, "ja")


@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2", 8, 18)
@translated_into("es")
async def test_a_logout_is_asked_for_in_the_client_s_language(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    await enter(http, alice)
    asked = await http.get("/logout?ui_locales=xx+es")
    assert spoken(asked) == "es"
    assert spoken(await submit(http, Page(asked).form)) == "es"


async def test_a_logout_that_a_client_posts_keeps_its_language(http: httpx2.AsyncClient) -> None:
    passed_on = await http.post("/logout", data={"ui_locales": "pt"})
    assert parse_qs(urlsplit(passed_on.headers["location"]).query) == {"ui_locales": ["pt"]}


@translated_into("de")
async def test_a_page_that_is_not_there_is_missed_in_the_reader_s_language(
    http: httpx2.AsyncClient,
) -> None:
    page = await http.get("/nowhere", headers={"Accept": "text/html", **GERMAN})
    assert (page.status_code, spoken(page)) == (404, "de")


async def test_a_page_for_developers_is_in_english_and_says_so(http: httpx2.AsyncClient) -> None:
    assert spoken(await http.get("/", headers=GERMAN)) == "en"


async def test_a_translation_that_cannot_be_filled_in_breaks_no_page(
    http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = SimpleNamespace(gettext=lambda _sentence: "100% %(nobody)s")
    monkeypatch.setattr(catalogues, "catalogue", lambda _language: broken)
    assert Page(await http.get("/login", headers=GERMAN)).heading == "Log in"


async def test_the_json_api_speaks_english(http: httpx2.AsyncClient) -> None:
    problem = await http.get("/nowhere", headers=GERMAN)
    assert problem.json()["detail"] == "There is no resource at this address."
    form = {"grant_type": "password", "username": "x", "password": "y", "client_id": "nobody"}
    refused = await http.post("/token", data=form, headers=GERMAN)
    assert refused.json()["error_description"] == "Client authentication failed."


@translated_into("de")
async def test_a_rule_that_is_broken_is_told_in_the_reader_s_language(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    await enter(http, alice)
    form = Page(await http.get("/account")).form_with(action="profile")
    fields = {"name": "x" * 256, "picture": "nothing"}
    page = Page(await http.post("/account", data=form.fields | fields, headers=GERMAN))
    assert page.all("alert") == [
        "Geben Sie höchstens 255 Zeichen ein.",
        "Geben Sie die URL eines Bildes an.",
    ]


@translated_into("de")
async def test_a_description_of_a_scope_that_no_catalogue_has_is_shown_as_it_is(
    flow: CodeFlow, server: Server
) -> None:
    async with operating(server.database, server.clock) as operator:
        await describe_scope(operator, "profile", "Read your palm")
    login = await flow.follow(await flow.start(ui_locales="de"))
    consent = await flow.follow(await flow.log_in(login))
    assert Page(consent).all("li") == ["Wissen, wer Sie sind", "Read your palm"]


# Nothing stays in English


async def test_no_sentence_of_a_page_stays_in_english(
    flow: CodeFlow,
    http: httpx2.AsyncClient,
    alice: TestUser,
    shop: TestClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mark_sentences(monkeypatch)
    data = (alice.username, shop.client_id, "alice@example.com", "python-httpx2")
    login = await flow.follow(await flow.start())
    wrong = await submit(http, Page(login).form, {"username": "x", "password": "y"})
    consent = await flow.follow(await flow.log_in(wrong))
    pages = [login, wrong, consent]
    pages += [await http.get(path) for path in ("/logout", "/authorize")]
    pages.append(await http.get("/nowhere", headers={"Accept": "text/html"}))
    await flow.allow(consent)
    pages.append(await http.get("/account"))
    form = Page(pages[-1]).form_with(action="profile")
    pages.append(await submit(http, form, {"name": "x" * 256}))
    form = Page(pages[-1]).form_with(action="password")
    pages.append(await submit(http, form, {"current_password": "x", "new_password": "y"}))
    pages.append(await submit(http, Page(await http.get("/logout")).form))
    for page in pages:
        assert left_in_english(page, *data) == [], page.url
