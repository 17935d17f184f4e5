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
    """Of each flow of each scheme."""
    return [
        flow["scopes"]
        for scheme in document["components"]["securitySchemes"].values()
        for flow in scheme.get("flows", {}).values()
    ]
