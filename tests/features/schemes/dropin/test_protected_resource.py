"""The drop-in for protected resource metadata (RFC 9728), in an application of somebody else."""

from typing import Annotated

import httpx2
import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBearer, OAuth2PasswordBearer

from app.features.schemes.dropin.protected_resource import ProtectedResource

RESOURCE = "https://api.example.com/orders"
ISSUER = "https://login.example.com"
METADATA = "https://api.example.com/.well-known/oauth-protected-resource/orders"


@pytest.fixture
def api() -> httpx2.AsyncClient:
    app = FastAPI()
    ProtectedResource(
        RESOURCE, authorization_servers=[ISSUER], scopes_supported=["orders:read"]
    ).install(app)

    @app.get("/oauth2")
    async def oauth2(token: Annotated[str, Depends(OAuth2PasswordBearer("token"))]) -> str:
        challenge = 'Bearer error="insufficient_scope", scope="orders:read"'
        raise HTTPException(403, "no", {"WWW-Authenticate": challenge})

    @app.get("/bearer")
    async def bearer(token: Annotated[object, Depends(HTTPBearer())]) -> None: ...

    @app.get("/basic")
    async def basic(user: Annotated[object, Depends(HTTPBasic())]) -> None: ...

    transport = httpx2.ASGITransport(app=app)
    return httpx2.AsyncClient(transport=transport, base_url="https://api.example.com")


async def test_the_document_says_where_to_get_tokens(api: httpx2.AsyncClient) -> None:
    response = await api.get(httpx2.URL(METADATA).path)
    assert (response.status_code, response.json()) == (
        200,
        {
            "resource": RESOURCE,
            "authorization_servers": [ISSUER],
            "scopes_supported": ["orders:read"],
            "bearer_methods_supported": ["header"],
        },
    )
    assert response.headers["content-type"] == "application/json"
    assert response.headers["access-control-allow-origin"] == "*"


async def test_a_page_of_any_origin_reads_it_with_whatever_header(api: httpx2.AsyncClient) -> None:
    asked = {
        "Origin": "https://inspector.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization,mcp-protocol-version",
    }
    response = await api.options(httpx2.URL(METADATA).path, headers=asked)
    assert (response.status_code, response.content) == (204, b"")
    told = {name: response.headers[name] for name in response.headers if "allow-" in name}
    assert told == {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "GET, HEAD",
        "access-control-allow-headers": "authorization,mcp-protocol-version",
    }


async def test_an_application_that_asks_for_a_token_everywhere_does_not_ask_for_one_here() -> None:
    app = FastAPI(dependencies=[Depends(HTTPBearer())])
    ProtectedResource(RESOURCE, authorization_servers=[ISSUER]).install(app)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="https://api.example.com") as api:
        for method, status in (("GET", 200), ("HEAD", 200), ("OPTIONS", 204), ("POST", 405)):
            response = await api.request(method, httpx2.URL(METADATA).path)
            assert (method, response.status_code) == (method, status)


async def test_every_challenge_for_a_bearer_token_names_it(api: httpx2.AsyncClient) -> None:
    for path in ("/oauth2", "/bearer"):
        response = await api.get(path)
        named = f'Bearer resource_metadata="{METADATA}"'
        assert (response.status_code, response.headers["www-authenticate"]) == (401, named)
    response = await api.get("/oauth2", headers={"Authorization": "Bearer token"})
    assert response.headers["www-authenticate"] == (
        f'Bearer error="insufficient_scope", scope="orders:read", resource_metadata="{METADATA}"'
    )


async def test_other_challenges_stay_as_they_are(api: httpx2.AsyncClient) -> None:
    assert (await api.get("/basic")).headers["www-authenticate"] == "Basic"


@pytest.mark.parametrize(
    ("resource", "url"),
    [
        ("https://api.example.com", "https://api.example.com/.well-known/oauth-protected-resource"),
        (
            "https://api.example.com/",
            "https://api.example.com/.well-known/oauth-protected-resource",
        ),
        (
            "https://api.example.com:8443/a/b?c=d",
            "https://api.example.com:8443/.well-known/oauth-protected-resource/a/b?c=d",
        ),
    ],
)
def test_the_well_known_path_comes_before_that_of_the_resource(resource: str, url: str) -> None:
    assert ProtectedResource(resource, authorization_servers=[ISSUER]).url == url


@pytest.mark.parametrize("resource", ["orders", "urn:orders", "https://a/#b", 'https://a/"b'])
def test_what_is_no_url_of_an_api_is_refused(resource: str) -> None:
    with pytest.raises(ValueError, match=r"URL"):
        ProtectedResource(resource, authorization_servers=[ISSUER])
