"""What the sample routes answer, asserted whole."""

import uuid
from collections.abc import Iterable

import httpx2

from tests.support.assertions import REALM, assert_problem

NO_KEY = f'APIKey realm="{REALM}"'
NO_PASSWORD = f'Basic realm="{REALM}", charset="UTF-8"'


def assert_recognised(
    response: httpx2.Response, scheme: str, subject: uuid.UUID | str | None, scopes: Iterable[str]
) -> None:
    """The whole answer to a good credential."""
    expected = {
        "scheme": scheme,
        "subject": None if subject is None else str(subject),
        "scopes": sorted(scopes),
    }
    assert (response.status_code, response.json()) == (200, expected)


def assert_unauthorized(response: httpx2.Response, challenge: str, detail: str) -> None:
    """The whole answer to a bad credential: one challenge, and a problem that names no reason."""
    assert assert_problem(response, 401) == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": detail,
    }
    assert response.headers.get_list("www-authenticate") == [challenge]


def assert_no_good_key(response: httpx2.Response) -> None:
    assert_unauthorized(response, NO_KEY, "A valid API key is needed.")


def assert_no_good_password(response: httpx2.Response) -> None:
    assert_unauthorized(response, NO_PASSWORD, "A user name and a password are needed.")
