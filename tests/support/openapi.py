"""The OpenAPI document, as it is published."""

from typing import Any

import httpx2

Document = dict[str, Any]


async def fetch(http: httpx2.AsyncClient) -> Document:
    response = await http.get("/openapi.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    found: Document = response.json()
    return found


def shown_scopes(document: Document) -> list[dict[str, str]]:
    """Of each flow of the scheme that the API is behind; samples show some of them."""
    scheme = document["components"]["securitySchemes"]["OAuth2PasswordBearer"]
    return [flow["scopes"] for flow in scheme["flows"].values()]
