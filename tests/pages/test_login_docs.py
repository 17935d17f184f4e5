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
