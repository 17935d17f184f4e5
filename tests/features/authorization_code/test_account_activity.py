"""Recent activity on the account page: the audit trail in the words of its user."""

import re
from typing import get_args

import httpx2
import pytest
from fastapi import FastAPI

from app.audit.trail import Event, EventType, FeatureEventType, Origin, record
from app.feature import Feature
from app.features.authorization_code import activity as activity_module
from app.features.authorization_code.activity import WORDS, words_of
from app.management.authority import operating
from app.management.users import change_user
from app.server import Server
from tests.support.clock import TestClock
from tests.support.factories import TestUser, add_user, log_in
from tests.support.flow import CodeFlow, Page, add_web_client, open_browser, submit
from tests.support.lifecycle import add_refreshing, refresh
from tests.support.on_sqlite import backend as backend

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


async def enter(browser: httpx2.AsyncClient, user: TestUser, password: str = "") -> None:
    form = Page(await browser.get("/login")).form
    fields = {"username": user.username, "password": password or user.password}
    await submit(browser, form, fields)


@pytest.fixture
async def browser(http: httpx2.AsyncClient, alice: TestUser) -> httpx2.AsyncClient:
    """Alice, logged in with Firefox."""
    http.headers["User-Agent"] = FIREFOX
    await enter(http, alice)
    return http


def events_on(response: httpx2.Response) -> list[str]:
    """What the section says, an event a line."""
    section = response.text.split('aria-labelledby="activity"')[1].split("</section>")[0]
    items = re.findall(r"<li>(.*?)</li>", section, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", each).replace(" ,", ",").split()) for each in items]


async def activity(browser: httpx2.AsyncClient) -> list[str]:
    return events_on(await browser.get("/account"))


def older(response: httpx2.Response) -> str | None:
    """The address of what was before."""
    found = re.search(r'href="(account\?activity=[0-9.]+)#activity"', response.text)
    return f"/{found[1]}" if found else None


async def happen(server: Server, event_type: str, **more: object) -> None:
    event = Event(type=FeatureEventType(event_type), **more)  # type: ignore[arg-type]
    async with server.database.transaction() as connection:
        await record(connection, server.clock.now(), event)


async def test_a_login_is_told_with_time_place_and_browser(
    browser: httpx2.AsyncClient, clock: TestClock
) -> None:
    (login,) = await activity(browser)
    moment = clock.now().strftime("%-d %B %Y, %H:%M UTC")
    assert login == f"Logged in {moment} , from 127.0.0.1, Firefox on Linux".replace(" ,", ",")


async def test_a_failed_login_of_somebody_else_is_told_newest_first(
    browser: httpx2.AsyncClient, app: FastAPI, alice: TestUser, clock: TestClock
) -> None:
    clock.advance(60)
    async with open_browser(app) as stranger:
        stranger.headers["User-Agent"] = "curl/8.5.0"
        await enter(stranger, alice, "a guess")
    failed, succeeded = await activity(browser)
    assert failed.startswith("Failed login ")
    assert failed.endswith(", from 127.0.0.1, curl")
    assert succeeded.startswith("Logged in ")


async def test_an_application_is_told_by_its_name(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    shop = await add_web_client(server, "shop-7", name="Photo Printer")
    await CodeFlow(browser, alice, shop).finish()
    assert (await activity(browser))[0].startswith("Access allowed · Photo Printer ")


async def test_what_an_application_does_by_itself_all_the_time_is_not_told(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    client = await add_refreshing(server)
    tokens = await log_in(browser, alice, client, "profile")
    await refresh(browser, client, tokens["refresh_token"])
    assert [each.split(" ", 2)[:2] for each in await activity(browser)] == [["Logged", "in"]] * 2


async def test_who_manages_is_told_as_an_administrator_and_not_from_where(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    async with operating(server.database, server.clock) as operator:
        await change_user(operator, alice.id, {"name": "Alice Liddell"})
    origin = Origin("192.0.2.7", "Mozilla/5.0 (Windows NT 10.0) Firefox/128.0")
    await happen(server, "user.changed", actor="somebody", user_id=alice.id, origin=origin)
    response = await browser.get("/account")
    for each in events_on(response)[:2]:
        assert re.fullmatch(
            r"Account changed · by an administrator \d+ \w+ \d{4}, [\d:]+ UTC", each
        )
    assert "192.0.2.7" not in response.text
    assert "Windows" not in response.text


async def test_nothing_of_another_user_is_told(
    browser: httpx2.AsyncClient, app: FastAPI, server: Server
) -> None:
    bob = await add_user(server, "bob")
    async with open_browser(app) as other:
        await enter(other, bob, "a wrong one")
        await enter(other, bob)
        assert len(await activity(other)) == 2
    assert len(await activity(browser)) == 1


async def test_what_was_before_is_a_link_away(
    browser: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    clock: TestClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(activity_module, "SHOWN", 2)
    for _ in range(4):
        clock.advance(60)
        await happen(server, "login.failed", user_id=alice.id)
    shown = []
    address: str | None = "/account"
    while address is not None:
        response = await browser.get(address)
        shown.append([each.split()[0] for each in events_on(response)])
        address = older(response)
    assert shown == [["Failed"] * 2, ["Failed"] * 2, ["Logged"]]


@pytest.mark.parametrize("cursor", ["x", "1.2.3", "\u00fc", "9" * 17 + "." + "9" * 18])
async def test_what_is_no_place_in_the_activity_is_no_error(
    browser: httpx2.AsyncClient, cursor: str
) -> None:
    response = await browser.get("/account", params={"activity": cursor})
    assert (response.status_code, len(events_on(response))) == (200, 1)


async def test_a_browser_that_calls_itself_markup_is_text(
    browser: httpx2.AsyncClient, app: FastAPI, alice: TestUser
) -> None:
    async with open_browser(app) as stranger:
        stranger.headers["User-Agent"] = '"><script>alert(1)</script>'
        await enter(stranger, alice, "a guess")
    response = await browser.get("/account")
    assert "<script>" not in response.text


async def test_a_deleted_application_is_told_by_its_id(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await happen(
        server, "consent.granted", actor=str(alice.id), user_id=alice.id, client_id="gone-1"
    )
    assert (await activity(browser))[0].startswith("Access allowed · gone-1 ")


def test_a_feature_brings_words_and_what_has_none_is_called_by_its_type() -> None:
    told, quiet, wordless = (
        FeatureEventType(f"mug.{each}") for each in ("made", "sent", "re_used")
    )
    feature = Feature(
        name="mugs", event_types=[told, quiet, wordless], activity={told: "Mug made", quiet: ""}
    )
    added = words_of([feature]).items() - words_of([]).items()
    assert added == {("mug.made", "Mug made"), ("mug.re_used", "Mug re used")}


def test_the_core_has_words_for_its_own_events_alone() -> None:
    assert WORDS.keys() <= set(get_args(EventType))
