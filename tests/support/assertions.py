"""Whole answers, asserted at once: status, headers and body."""

import httpx2

REALM = "latchkey"

METADATA = "http://127.0.0.1:8000/.well-known/oauth-protected-resource"


def assert_oauth2_error(
    response: httpx2.Response, error: str, status: int = 400, description: str | None = None
) -> None:
    """RFC 6749, section 5.2."""
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert (response.status_code, body["error"]) == (status, error), body
    assert set(body) == {"error", "error_description"}
    assert all(" " <= c <= "~" and c not in '"\\' for c in body["error_description"])
    if description is not None:
        assert body["error_description"] == description
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"
    challenge = f'Basic realm="{REALM}", charset="UTF-8"' if status == 401 else None
    assert response.headers.get("www-authenticate") == challenge


BEARER_MEMBERS = {
    *("type", "title", "status", "detail"),
    *("error", "error_description", "scope"),
}
"""Of every 401 and 403 of a route that takes an access token, whatever was wrong with it."""


def assert_bearer_error(
    response: httpx2.Response, error: str, status: int, scope: str | None = None
) -> None:
    """RFC 6750, section 3: the challenge, and the problem that repeats it."""
    body = assert_problem(response, status)
    assert (set(body), body["error"], body["scope"]) == (BEARER_MEMBERS, error, scope), body
    assert body["detail"] == body["error_description"]
    said = {name: body[name] for name in ("error", "error_description", "scope") if body[name]}
    parameters = ", ".join(f'{name}="{value}"' for name, value in said.items())
    assert response.headers["www-authenticate"] == (
        f'Bearer realm="{REALM}", {parameters}, resource_metadata="{METADATA}"'
    )


def assert_no_token_sent(response: httpx2.Response) -> None:
    """RFC 6750, section 3.1: a challenge without an error code."""
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == (
        f'Bearer realm="{REALM}", resource_metadata="{METADATA}"'
    )
    body = assert_problem(response, 401)
    assert set(body) == BEARER_MEMBERS
    assert (body["error"], body["error_description"], body["scope"]) == (None, None, None)


def assert_problem(response: httpx2.Response, status: int) -> dict[str, object]:
    """RFC 9457; returns the problem."""
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, object] = response.json()
    assert (response.status_code, problem["status"]) == (status, status), problem
    return problem
