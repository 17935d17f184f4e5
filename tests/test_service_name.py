"""``LATCHKEY_SERVICE_NAME`` is what people read; nothing else depends on it."""

import httpx2
import pytest

from app.settings import Settings
from tests.conftest import make_settings
from tests.features import brought

NAME = "Alice & Friends"


@pytest.fixture
def settings(database_url: str) -> Settings:
    return make_settings(database_url=database_url, service_name=NAME)


@pytest.mark.parametrize("path", ["/", "/docs", *brought("SHOWN")])
async def test_every_page_shows_the_name_of_the_service(
    http: httpx2.AsyncClient, path: str
) -> None:
    page = (await http.get(path)).text
    assert "Alice &amp; Friends" in page
    assert "Latchkey" not in page


async def test_the_openapi_document_has_the_name_of_the_service(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/openapi.json")).json()["info"]["title"] == NAME


@pytest.mark.rfc("6750", "3", 3)
@pytest.mark.rfc("9110", "11.5")
async def test_a_challenge_has_the_realm_whatever_the_service_is_called(
    http: httpx2.AsyncClient,
) -> None:
    response = await http.get("/users/me")
    assert response.headers["www-authenticate"].startswith('Bearer realm="latchkey", ')
