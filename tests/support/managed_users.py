"""Users as an administrator manages them over HTTP."""

import uuid
from typing import Any

import httpx2
import pytest

from tests.support.factories import TestUser

NEW_PASSWORD = "another horse battery staple"


def name_of_its_own() -> str:
    return f"user-{uuid.uuid4()}"


async def create(
    http: httpx2.AsyncClient, headers: dict[str, str], **body: Any
) -> tuple[dict[str, Any], str]:
    """A new user as it was answered, and its ETag."""
    body = {"username": name_of_its_own()} | body
    response = await http.post("/users", json=body, headers=headers)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created, response.headers["etag"]


async def get(http: httpx2.AsyncClient, headers: dict[str, str], user_id: object) -> dict[str, Any]:
    response = await http.get(f"/users/{user_id}", headers=headers)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def change(
    http: httpx2.AsyncClient,
    headers: dict[str, str],
    user_id: object,
    changes: dict[str, Any],
    if_match: str | None = None,
) -> httpx2.Response:
    condition = {} if if_match is None else {"If-Match": if_match}
    return await http.patch(f"/users/{user_id}", json=changes, headers=headers | condition)


async def changed(
    http: httpx2.AsyncClient, headers: dict[str, str], user_id: object, **changes: Any
) -> dict[str, Any]:
    """The user after a change that succeeds."""
    response = await change(http, headers, user_id, changes)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def disable(http: httpx2.AsyncClient, headers: dict[str, str], user: TestUser) -> None:
    response = await change(http, headers, user.id, {"disabled": True})
    assert response.status_code == 200, response.text


async def delete(http: httpx2.AsyncClient, headers: dict[str, str], user: TestUser) -> None:
    response = await http.delete(f"/users/{user.id}", headers=headers)
    assert (response.status_code, response.content) == (204, b"")


async def set_password(http: httpx2.AsyncClient, headers: dict[str, str], user: TestUser) -> None:
    body = {"password": NEW_PASSWORD}
    response = await http.post(f"/users/{user.id}/password", json=body, headers=headers)
    assert (response.status_code, response.content) == (204, b"")


SHUTTING_OUT = [
    pytest.param(disable, id="disabled"),
    pytest.param(delete, id="deleted"),
]


ENDING = [*SHUTTING_OUT, pytest.param(set_password, id="another password")]
