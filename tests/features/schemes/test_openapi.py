"""What ``/openapi.json`` says of the samples."""

import re
from base64 import b64encode

import httpx2
import pytest

from app.features.api_keys import DEMO_API_KEY
from app.management.authority import operating
from app.operations.demo import seed_demo
from app.server import Server
from tests.conftest import ISSUER
from tests.support.openapi import Document, fetch


@pytest.fixture
async def document(http: httpx2.AsyncClient) -> Document:
    return await fetch(http)


async def test_digest_documents_both_challenges_and_its_proof(document: Document) -> None:
    answers = document["paths"]["/schemes/http/digest"]["get"]["responses"]
    challenge = answers["401"]["headers"]["WWW-Authenticate"]["example"]
    assert re.findall(r"algorithm=([\w-]+)", challenge) == ["SHA-256", "MD5"]
    assert set(answers["200"]["headers"]) == {"Authentication-Info"}


async def test_any_of_is_three_alternatives(document: Document) -> None:
    operation = document["paths"]["/schemes/any-of"]["get"]
    assert operation["security"] == [{"HTTPBearer": []}, {"APIKeyHeader": []}, {"HTTPBasic": []}]


async def test_each_alternative_of_any_of_is_enough(
    http: httpx2.AsyncClient, server: Server
) -> None:
    async with operating(server.database, server.clock) as operator:
        await seed_demo(operator, server)
    pair = b64encode(b"alice:alice-in-wonderland").decode()
    login = {
        "grant_type": "password",
        "username": "alice",
        "password": "alice-in-wonderland",
        "client_id": "first-party",
    }
    token = (await http.post("/token", data=login)).json()["access_token"]
    sent = {
        "HTTPBearer": {"Authorization": f"Bearer {token}"},
        "APIKeyHeader": {"X-API-Key": DEMO_API_KEY},
        "HTTPBasic": {"Authorization": f"Basic {pair}"},
    }
    for scheme, headers in sent.items():
        response = await http.get("/schemes/any-of", headers=headers)
        assert (response.status_code, response.json()["scheme"]) == (200, scheme)


async def test_nested_scopes_are_published_together(document: Document) -> None:
    (alternative,) = document["paths"]["/schemes/scopes/nested"]["get"]["security"]
    assert {name: sorted(scopes) for name, scopes in alternative.items()} == {
        "OAuth2PasswordBearer": ["items:read", "items:write"]
    }


async def test_every_flow_of_the_samples_shows_the_scopes(document: Document) -> None:
    schemes = document["components"]["securitySchemes"].values()
    assert sum(len(scheme.get("flows", {})) for scheme in schemes) == 5


async def test_the_addresses_of_the_flows_are_those_of_every_endpoint(document: Document) -> None:
    schemes = document["components"]["securitySchemes"]
    assert schemes["OpenIdConnect"]["openIdConnectUrl"] == f"{ISSUER}/docs/openid-configuration"
    flow = schemes["OAuth2AuthorizationCodeBearer"]["flows"]["authorizationCode"]
    assert flow["authorizationUrl"] == f"{ISSUER}/authorize"


async def test_a_scheme_without_credentials_of_the_demo_data_is_the_bearer_alone(
    document: Document,
) -> None:
    assert "HTTPBearer" in document["components"]["securitySchemes"]
