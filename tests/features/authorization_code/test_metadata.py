"""What the metadata (RFC 8414) say of the authorization endpoint."""

from typing import Any

import httpx2
import pytest

from app.features.authorization_code import feature
from app.oauth2.grants import FILES
from tests.conftest import ISSUER
from tests.support.flow import CodeFlow
from tests.support.metadata import of_the_core
from tests.support.on_sqlite import backend as backend

WELL_KNOWN = "/.well-known/oauth-authorization-server"


async def read(http: httpx2.AsyncClient) -> dict[str, Any]:
    response = await http.get(WELL_KNOWN)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


@pytest.mark.rfc("6749", "3.1", 2)
@pytest.mark.rfc("7636", "7.2", 2)
@pytest.mark.rfc("8414", "2", 2, 7, 8, 14)
@pytest.mark.rfc("9207", "2.3", 2)
@pytest.mark.rfc("9700", "2.1.1", 9, 10)
@pytest.mark.rfc("9700", "2.1.2", 2)
@pytest.mark.rfc("9700", "4.7.1", 1)
async def test_the_document_says_what_the_authorization_endpoint_can_do(
    http: httpx2.AsyncClient,
) -> None:
    document = await read(http)
    with_it, without = of_the_core(document, feature), of_the_core(document)
    assert {name: with_it[name] for name in with_it if with_it[name] != without.get(name)} == {
        "authorization_endpoint": f"{ISSUER}/authorize",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "grant_types_supported": [*FILES, "authorization_code"],
    }


@pytest.mark.rfc("9207", "2.3", 1)
@pytest.mark.parametrize("changes", [{"issuer": "https://Auth.Example.COM"}])
async def test_the_endpoint_is_at_the_issuer_byte_for_byte(http: httpx2.AsyncClient) -> None:
    endpoint = (await read(http))["authorization_endpoint"]
    assert endpoint == "https://Auth.Example.COM/authorize"


@pytest.mark.rfc("8414", "2", 2)
async def test_the_listed_endpoint_is_there(http: httpx2.AsyncClient) -> None:
    page = await http.post((await read(http))["authorization_endpoint"])
    assert (page.status_code, page.headers["content-type"]) == (400, "text/html; charset=utf-8")


@pytest.mark.rfc("8414", "2", 9)
async def test_the_listed_grant_works(http: httpx2.AsyncClient, flow: CodeFlow) -> None:
    assert "authorization_code" in (await read(http))["grant_types_supported"]
    assert (await flow.exchange(await flow.code())).status_code == 200
