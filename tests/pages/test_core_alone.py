"""A server without any feature: nobody logs in with a browser, and nothing says that they could."""

from collections.abc import AsyncGenerator

import httpx2
import pytest

from app.main import create_app
from app.server import Server
from app.settings import SettingsError
from tests.conftest import make_settings
from tests.support.clock import TestClock
from tests.support.databases import Backend
from tests.support.flow import Page
from tests.support.started import started

BROWSER = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def url(sqlite: Backend) -> str:
    made: str = sqlite.migrated()
    return made


@pytest.fixture(scope="module")
async def http(url: str) -> AsyncGenerator[httpx2.AsyncClient]:
    app = create_app(make_settings(database_url=url), TestClock(), features=[])
    async with started(app) as client:
        yield client


async def test_the_metadata_have_no_authorization_endpoint(http: httpx2.AsyncClient) -> None:
    document = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert document["grant_types_supported"] == ["password", "refresh_token", "client_credentials"]
    assert document.keys().isdisjoint(
        {"authorization_endpoint", "response_types_supported", "code_challenge_methods_supported"}
    )


@pytest.mark.parametrize(
    "path", ["/authorize", "/login", "/account", "/userinfo", "/.well-known/openid-configuration"]
)
async def test_what_belongs_to_the_browser_is_not_there(
    http: httpx2.AsyncClient, path: str
) -> None:
    assert (await http.get(path)).status_code == 404


async def test_a_page_that_is_not_there_leads_to_no_account(http: httpx2.AsyncClient) -> None:
    page = Page(await http.get("/nowhere", headers=BROWSER))
    assert (page.heading, page.all("a")) == ("There is no page here", [])


async def test_the_page_for_developers_links_to_what_there_is(http: httpx2.AsyncClient) -> None:
    links = Page(await http.get("/")).all("a")
    assert links == ["/docs", "/openapi.json", "/.well-known/oauth-authorization-server", "/readyz"]
    for link in links:
        assert (await http.get(link)).status_code == 200


async def test_the_openapi_document_speaks_of_no_code_flow(http: httpx2.AsyncClient) -> None:
    described = (await http.get("/openapi.json")).json()["info"]["description"]
    assert "authorization code" not in described
    assert "account" not in described


async def test_a_page_of_documentation_behind_a_login_takes_somewhere_to_log_in(url: str) -> None:
    server = Server(make_settings(database_url=url, docs="login"), TestClock(), [])
    with pytest.raises(SettingsError, match=r"^LATCHKEY_DOCS=login takes a page to log in"):
        await server.start()
    await server.close()
