"""Protected resource metadata of this server's own routes: RFC 9728."""

import httpx2
import pytest

from app.identity.scopes import list_scopes
from app.server import Server
from app.settings import Settings
from tests.conftest import ISSUER, make_settings
from tests.support.factories import bearer
from tests.support.on_sqlite import backend as backend

WELL_KNOWN = "/.well-known/oauth-protected-resource"
WITH_PATH = "https://auth.example.com/tenants/one"


@pytest.fixture
def settings(database_url: str, request: pytest.FixtureRequest) -> Settings:
    issuer = getattr(request, "param", ISSUER)
    return make_settings(database_url=database_url, issuer=issuer, audience="the api")


@pytest.mark.rfc("6750", "2.1", 2)
@pytest.mark.rfc("9728", "2", 1, 2, 3, 4, 5)
@pytest.mark.rfc("9728", "2.1", 2)
@pytest.mark.rfc("9728", "3.1")
@pytest.mark.rfc("9728", "3.2", 1, 2)
@pytest.mark.rfc("9728", "3.3", 1)
async def test_it_says_where_to_get_tokens_for_this_server(
    http: httpx2.AsyncClient, server: Server
) -> None:
    async with server.database.read() as connection:
        scopes = list(await list_scopes(connection))
    response = await http.get(WELL_KNOWN)
    assert (response.status_code, response.json()) == (
        200,
        {
            "resource": ISSUER,
            "authorization_servers": [ISSUER],
            "scopes_supported": scopes,
            "bearer_methods_supported": ["header"],
            "resource_name": "Latchkey",
        },
    )
    assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.rfc("6750", "3", 12)
@pytest.mark.rfc("9728", "5")
@pytest.mark.rfc("9728", "5.1")
async def test_every_challenge_for_a_token_names_it(http: httpx2.AsyncClient) -> None:
    for headers in ({}, bearer("no.good.token")):
        response = await http.get("/users/me", headers=headers)
        parameter = f', resource_metadata="{ISSUER}{WELL_KNOWN}"'
        assert response.status_code == 401
        assert response.headers["www-authenticate"].endswith(parameter)


@pytest.mark.rfc("9728", "3")
@pytest.mark.rfc("9728", "3.3", 1)
@pytest.mark.rfc("9728", "7.3")
@pytest.mark.parametrize("settings", [WITH_PATH], indirect=True)
async def test_the_path_of_an_issuer_comes_behind_the_well_known_one(
    http: httpx2.AsyncClient,
) -> None:
    challenge = (await http.get("/users/me")).headers["www-authenticate"]
    address = f"https://auth.example.com{WELL_KNOWN}/tenants/one"
    assert f'resource_metadata="{address}"' in challenge
    for path in (WELL_KNOWN, f"{WELL_KNOWN}/tenants/one"):
        assert (await http.get(path)).json()["resource"] == WITH_PATH
