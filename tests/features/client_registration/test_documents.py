"""Client ID metadata documents: a URL as client id, where the client says what it is."""

import asyncio
import socket
import uuid
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.clock import Clock
from app.database.engines import Database
from app.feature import Introduce
from app.features import load_features
from app.features.client_registration import documents
from app.features.client_registration.documents import MetadataDocuments, is_document_url
from app.features.client_registration.fetching import (
    Fetched,
    Fetcher,
    RefusedDocumentError,
    UnreachableDocumentError,
)
from app.identity.resources import Resources
from app.main import create_app
from app.management.authority import operating
from app.management.clients import change_client
from app.server import Server
from app.settings import Settings
from tests.features.client_registration.registering import an_hour_later, settings
from tests.support.clock import TestClock
from tests.support.factories import TestClient, add_user
from tests.support.flow import (
    CodeFlow,
    Page,
    assert_asks_to_log_in,
    assert_error_page,
    open_browser,
    read_answer,
)
from tests.support.started import clock, http, server

__all__ = ["an_hour_later", "clock", "http", "server", "settings"]

HOST = "https://editor.example"

NOT_READ = "The application's description cannot be read"
NOT_ACCEPTED = "The application's description is not accepted"
UNKNOWN = "The application is unknown or disabled"


@dataclass
class Web:
    """The documents of the world."""

    documents: dict[str, object] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def fetch(self, url: str) -> Fetched:
        self.asked.append(url)
        if not url.startswith(HOST):
            return await Fetcher().fetch(url)
        found = self.documents.get(url, RefusedDocumentError("status 404"))
        if isinstance(found, Exception):
            raise found
        return Fetched(found, 600)

    def publish(self, **members: Any) -> str:
        """The URL of a new document."""
        url = f"{HOST}/{uuid.uuid4()}"
        self.documents[url] = {
            "client_id": url,
            "client_name": "Editor",
            "redirect_uris": [f"{HOST}/callback"],
        } | members
        return url


@pytest.fixture(scope="module")
def changes() -> dict[str, object]:
    return {"client_id_metadata": True}


@pytest.fixture(scope="module")
def web() -> Web:
    return Web()


@pytest.fixture(autouse=True)
def nobody_has_asked(web: Web) -> None:
    web.asked.clear()


@pytest.fixture(scope="module")
def app(settings: Settings, clock: TestClock, web: Web) -> FastAPI:
    def introduce(
        settings: Settings, database: Database, clock: Clock, resources: Resources
    ) -> Introduce:
        return MetadataDocuments(settings, database, clock, resources, web.fetch).introduce

    features = [
        replace(each, introduce=introduce) if each.name == "client_registration" else each
        for each in load_features()
    ]
    return create_app(settings, clock, features)


@pytest.fixture
async def flow(app: FastAPI, server: Server) -> CodeFlow:
    user = await add_user(server, f"alice {uuid.uuid4()}", scopes=("openid", "profile"))
    client = TestClient("", "")
    return CodeFlow(open_browser(app), user, client, redirect_uri=f"{HOST}/callback")


def of(flow: CodeFlow, url: str) -> CodeFlow:
    return replace(flow, client=TestClient(url, ""))


@pytest.mark.rfc("6749", "2.4")
async def test_a_client_comes_with_its_url_and_the_page_says_where_it_describes_itself(
    flow: CodeFlow, web: Web
) -> None:
    url = web.publish()
    flow = of(flow, url)
    page = await flow.consent_page()
    assert Page(page).heading == "Allow Editor?"
    assert f"It says what it is at {url}" in Page(page).text
    answer = await flow.allow(page)
    code = httpx2.URL(answer.headers["location"]).params["code"]
    assert (await flow.exchange(code)).status_code == 200
    assert web.asked == [url]


@pytest.mark.rfc("9700", "4.11.2", 2, 4)
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"response_type": "token"}, "The only supported response_type is code"),
        ({"scope": "users:write"}, "A requested scope is unknown or not allowed"),
        ({"prompt": "none"}, "The user must log in"),
    ],
    ids=["response_type", "scope", "prompt"],
)
async def test_nobody_is_sent_to_a_page_of_anybody_without_a_login(
    flow: CodeFlow, web: Web, wrong: dict[str, str], told: str
) -> None:
    response = await of(flow, web.publish()).start(**wrong)
    assert (response.status_code, Page(response).heading) == (400, told)


@pytest.mark.rfc("9700", "4.11.2", 2)
async def test_nobody_is_sent_there_by_a_form_either(flow: CodeFlow, web: Web) -> None:
    flow = of(flow, web.publish())
    response = await flow.follow(await flow.post(prompt="none"))
    assert (response.status_code, Page(response).heading) == (400, "The user must log in")


@pytest.mark.rfc("9700", "4.11.2", 4)
async def test_who_has_logged_in_is_sent_back_with_what_is_missing(
    flow: CodeFlow, web: Web
) -> None:
    flow = of(flow, web.publish())
    await flow.consent_page()
    answer = read_answer(await flow.start(prompt="none"), f"{HOST}/callback")
    assert answer["error"] == "consent_required"


async def test_a_program_on_the_users_device_is_told_what_is_wrong_at_once(
    flow: CodeFlow, web: Web
) -> None:
    uri = "http://127.0.0.1:5000/callback"
    flow = replace(of(flow, web.publish(redirect_uris=[uri])), redirect_uri=uri)
    answer = read_answer(await flow.start(response_type="token"), uri)
    assert answer["error"] == "unsupported_response_type"


async def test_a_document_cannot_name_the_port_that_its_program_gets_on_this_machine(
    flow: CodeFlow, web: Web
) -> None:
    named = ["http://127.0.0.1/callback", "http://localhost/callback"]
    flow = of(flow, web.publish(redirect_uris=named))
    for host in ("127.0.0.1", "localhost"):
        assert_asks_to_log_in(await flow.start(redirect_uri=f"http://{host}:51004/callback"))
    for elsewhere in (
        "http://localhost:51004/other",
        "http://localhost.evil.example:51004/callback",
        "http://localhost@evil.example:51004/callback",
        "https://localhost:51004/callback",
    ):
        assert_error_page(
            await flow.start(redirect_uri=elsewhere),
            "The address to return to is not registered for this application",
        )


async def test_a_document_is_read_again_only_when_it_is_old(
    flow: CodeFlow, web: Web, clock: TestClock
) -> None:
    url = web.publish()
    flow = of(flow, url)
    for seconds in (0, 599):
        clock.advance(seconds)
        assert_asks_to_log_in(await flow.start())
    assert web.asked == [url]
    document = web.documents[url]
    assert isinstance(document, dict)
    document["redirect_uris"] = [f"{HOST}/another"]
    clock.advance(2)
    assert_error_page(
        await flow.start(), "The address to return to is not registered for this application"
    )
    assert_asks_to_log_in(await flow.start(redirect_uri=f"{HOST}/another"))
    assert web.asked == [url, url]


async def test_an_old_document_serves_on_for_a_day_while_its_site_is_away(
    flow: CodeFlow, web: Web, clock: TestClock
) -> None:
    url = web.publish()
    flow = of(flow, url)
    assert_asks_to_log_in(await flow.start())
    web.documents[url] = UnreachableDocumentError("TimeoutError")
    clock.advance(24 * 3600)
    assert_asks_to_log_in(await flow.start())
    clock.advance(24 * 3600)
    assert_error_page(await flow.start(), NOT_READ)


async def test_a_document_that_is_gone_is_the_end(
    flow: CodeFlow, web: Web, clock: TestClock
) -> None:
    url = web.publish()
    flow = of(flow, url)
    assert_asks_to_log_in(await flow.start())
    del web.documents[url]
    clock.advance(601)
    assert_error_page(await flow.start(), NOT_ACCEPTED)


@pytest.mark.parametrize(
    "members",
    [
        {"client_id": f"{HOST}/another"},
        {"client_secret": "secret"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"redirect_uris": []},
        {"redirect_uris": ["https://elsewhere.example/callback"]},
        {"redirect_uris": "no list"},
    ],
)
async def test_a_document_that_breaks_a_rule_is_refused(
    flow: CodeFlow, web: Web, members: dict[str, Any]
) -> None:
    assert_error_page(await of(flow, web.publish(**members)).start(), NOT_ACCEPTED)


async def test_a_member_that_is_null_is_as_good_as_left_out(flow: CodeFlow, web: Web) -> None:
    members = ("client_secret", "token_endpoint_auth_method", "client_name", "scope")
    url = web.publish(**dict.fromkeys(members))
    assert_asks_to_log_in(await of(flow, url).start())


async def test_one_that_an_operator_disabled_stays_so_and_is_not_asked_for(
    flow: CodeFlow, web: Web, server: Server, clock: TestClock
) -> None:
    url = web.publish()
    flow = of(flow, url)
    assert_asks_to_log_in(await flow.start())
    async with operating(server.database, server.clock) as operator:
        await change_client(operator, url, {"disabled": True})
    clock.advance(601)
    web.asked.clear()
    assert_error_page(await flow.start(), UNKNOWN)
    assert web.asked == []


async def test_whoever_names_many_that_are_not_there_has_to_wait(
    flow: CodeFlow, web: Web, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MOST_FAILURES", 2)
    clock.advance(2 * 24 * 3600)  # those of other tests are forgotten
    for number in range(2):
        assert_error_page(await of(flow, f"{HOST}/none/{number}").start(), NOT_ACCEPTED)
    web.asked.clear()
    told = "Too many applications came from your network"
    assert_error_page(await of(flow, web.publish()).start(), told)
    assert web.asked == []


async def test_whoever_names_many_at_once_has_to_wait_too(
    flow: CodeFlow, web: Web, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MOST_FAILURES", 2)
    clock.advance(2 * 24 * 3600)
    urls = [f"{HOST}/none/{number}" for number in range(16)]
    await asyncio.gather(*(of(flow, url).start() for url in urls))
    under_way = documents.MOST_AT_ONCE - 1
    assert len(web.asked) <= documents.MOST_FAILURES + under_way


async def test_a_document_does_not_wait_for_others_without_end(
    flow: CodeFlow, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "LONGEST_WAIT", 0.0)
    monkeypatch.setattr(asyncio.Semaphore, "locked", lambda _self: True)
    assert_error_page(await of(flow, web.publish()).start(), NOT_READ)
    assert web.asked == []


async def test_a_host_that_no_name_can_be_is_a_failure_too(
    flow: CodeFlow, web: Web, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MOST_FAILURES", 2)
    clock.advance(2 * 24 * 3600)
    for host in ("...", f"{'a' * 64}.example"):
        assert_error_page(await of(flow, f"https://{host}/x").start(), NOT_ACCEPTED)
    told = "Too many applications came from your network"
    assert_error_page(await of(flow, web.publish()).start(), told)


async def test_no_answer_tells_which_names_there_are_inside(
    flow: CodeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.5", 443))]

    def resolve(host: str, *_: object, **__: object) -> object:
        if host == "database.inside.example":
            return inside
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    for host in ("database", "nothing"):
        assert_error_page(await of(flow, f"https://{host}.inside.example/x").start(), NOT_READ)


async def test_the_token_endpoint_reads_no_document(http: httpx2.AsyncClient, web: Web) -> None:
    form = {"grant_type": "authorization_code", "code": "x", "client_id": web.publish()}
    assert (await http.post("/token", data=form)).json()["error"] == "invalid_client"
    assert web.asked == []


async def test_the_metadata_of_the_server_say_so(http: httpx2.AsyncClient) -> None:
    document = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert document["client_id_metadata_document_supported"] is True
    assert "registration_endpoint" not in document


@pytest.mark.parametrize(
    ("client_id", "can_be"),
    [
        ("https://editor.example/client.json", True),
        ("https://editor.example:8443/a/b?v=1", True),
        ("http://editor.example/client.json", False),
        ("https://editor.example", False),
        ("https://editor.example/", False),
        ("https://editor.example/a/../b", False),
        ("https://editor.example/a#b", False),
        ("https://user@editor.example/a", False),
        ("https://editor.example:port/a", False),
        ("https:///a", False),
        ("https://editor.example/\u00e4", False),
        (f"https://editor.example/{'a' * 255}", False),
        ("editor", False),
    ],
)
def test_which_client_ids_are_the_url_of_a_document(client_id: str, can_be: bool) -> None:
    assert is_document_url(client_id) is can_be
