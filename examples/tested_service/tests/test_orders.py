"""What the API answers to good tokens, to bad ones, and while its issuer is in trouble."""

import time
from collections.abc import Callable

import httpx2
import pytest
from latchkey.testing import AuthorizationServer

from app.main import AUDIENCE

Make = Callable[..., str]
Ask = Callable[[str], int]


def test_a_user_with_the_scope_reads_orders(ask: Ask, token: Make) -> None:
    assert ask(token()) == 200


def test_a_client_acts_for_itself(latchkey: AuthorizationServer, ask: Ask) -> None:
    latchkey.add_scope("orders:read", "Read orders")
    report = latchkey.add_client(
        "report", grant_types=["client_credentials"], default_scopes=["orders:read"]
    )
    form = {"grant_type": "client_credentials"}
    answer = httpx2.post(
        f"{latchkey.url}/token", data=form, auth=(report.client_id, report.client_secret)
    )
    assert answer.json()["scope"] == "orders:read"
    assert ask(latchkey.access_token(report, scopes=["orders:read"], audience=AUDIENCE)) == 200


def test_a_token_without_the_scope_is_not_enough(ask: Ask, token: Make) -> None:
    assert ask(token(scopes=["profile"])) == 403


@pytest.mark.parametrize(
    "wishes",
    [
        {"expires_in": -1},
        {"audience": "https://elsewhere.example.com"},
        {"key": "unknown"},
        {"key": "forged"},
        {"claims": {"iss": "https://evil.example.com"}},
        {"claims": {"exp": None}},
    ],
    ids=str,
)
def test_a_bad_token_is_refused(ask: Ask, token: Make, wishes: dict[str, object]) -> None:
    assert ask(token(**wishes)) == 401


def test_a_key_that_is_new_is_looked_up(
    latchkey: AuthorizationServer, ask: Ask, token: Make
) -> None:
    old = token()
    assert ask(old) == 200
    latchkey.rotate_keys()
    assert (ask(token()), ask(old)) == (200, 200)
    assert [each.path for each in latchkey.requests] == ["/.well-known/jwks.json"] * 2


def test_while_no_keys_are_to_be_had_the_api_says_that_it_is_not_the_token(
    latchkey: AuthorizationServer, ask: Ask, token: Make
) -> None:
    latchkey.fail("/.well-known/jwks.json", status=503)
    assert ask(token()) == 503
    latchkey.recover()
    assert ask(token()) == 200


def test_slow_keys_are_not_waited_for_without_end(
    latchkey: AuthorizationServer, ask: Ask, token: Make
) -> None:
    latchkey.slow("/.well-known/jwks.json", seconds=30)
    began = time.monotonic()
    assert ask(token()) == 503
    assert time.monotonic() - began < 10


def test_a_token_that_the_server_issued_ends_when_its_time_has_come(
    latchkey: AuthorizationServer,
) -> None:
    alice = latchkey.add_user("alice")
    headers = {"Authorization": f"Bearer {latchkey.access_token(alice)}"}
    assert httpx2.get(f"{latchkey.url}/users/me", headers=headers).status_code == 200
    latchkey.clock.advance(901)
    assert httpx2.get(f"{latchkey.url}/users/me", headers=headers).status_code == 401


def test_each_test_begins_without_what_others_made(latchkey: AuthorizationServer) -> None:
    latchkey.add_user("alice")  # as others did
    assert latchkey.requests == ()
