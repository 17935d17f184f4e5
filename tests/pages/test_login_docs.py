"""``login_docs`` in somebody else's application, without a browser."""

import pytest
from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from fastapi.testclient import TestClient

from app.pages.login_docs import ASSETS, PATH, REDIRECT, login_docs

ISSUER = "https://login.example.com"


@pytest.fixture(scope="module")
def protected() -> TestClient:
    """An application whose every operation needs a token."""
    app = FastAPI(dependencies=[Depends(HTTPBearer())])

    @app.get("/orders")
    async def orders() -> None: ...

    login_docs(app, issuer=ISSUER, client_id="shop-api-docs")
    return TestClient(app)


@pytest.mark.parametrize("path", [PATH, REDIRECT, *ASSETS, "/openapi.json"])
def test_the_page_needs_no_token_where_every_operation_does(
    protected: TestClient, path: str
) -> None:
    assert protected.get(path).status_code == 200
    assert protected.get("/orders").status_code == 401


def test_an_application_has_the_page_once() -> None:
    app = FastAPI()
    login_docs(app, issuer=ISSUER, client_id="shop-api-docs")
    with pytest.raises(ValueError, match=r"^the application has the page already$"):
        login_docs(app, issuer=ISSUER, client_id="shop-api-docs")


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "login.example.com",
        "//login.example.com",
        "https://",
        "ftp://login.example.com",
        "https://user:password@login.example.com",
        "https://login.example.com?tenant=1",
        "https://login.example.com#top",
        "https://login.example.com *",
        "https://login.example.com\n",
        "https://login.example.com; script-src *",
        "https://login.example.com/a;b",
        "https://*",
    ],
)
def test_an_issuer_that_is_no_plain_url_is_refused(issuer: str) -> None:
    with pytest.raises(ValueError, match=r"^the issuer is no http or https URL"):
        login_docs(FastAPI(), issuer=issuer, client_id="shop-api-docs")


@pytest.mark.parametrize(
    ("issuer", "origin"),
    [
        ("https://login.example.com/", "https://login.example.com"),
        ("https://example.com/auth", "https://example.com"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_the_policy_names_the_origin_of_the_issuer(issuer: str, origin: str) -> None:
    app = FastAPI()
    login_docs(app, issuer=issuer, client_id="shop-api-docs")
    policy = TestClient(app).get(PATH).headers["content-security-policy"]
    assert f"connect-src 'self' {origin};" in policy
