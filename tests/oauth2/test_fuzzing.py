"""Bytes that nobody would send, at every place where bytes are parsed: a 4xx, and never a fault.

The same bytes in every run. What is documented to be raised is the only thing that may be.
"""

from collections.abc import AsyncGenerator

import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidClientError, InvalidRequestError
from app.oauth2 import client_auth
from app.web.form import parse_pairs
from tests.features import brought
from tests.support.factories import PASSWORD, add_client, add_user
from tests.support.flow import FORM
from tests.support.fuzzed import PARSED, REFUSED, SENT, basic_credentials, request_with
from tests.support.on_sqlite import settings
from tests.support.started import app, clock, started

__all__ = ["app", "clock", "settings"]


@pytest.fixture(scope="module")
async def http(app: FastAPI) -> AsyncGenerator[httpx2.AsyncClient]:
    async with started(app) as client:
        await add_user(app.state.server)
        await add_client(app.state.server)
        yield client


# What is made up

NAMES = ("grant_type", "username", "password", "client_id", "client_secret", "scope", "token")

bytes_of_a_form = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from([b"&", b"=", b"%", b"%00", b"%ff", b"%C3", b"+", b";", b"\x00", b"&&"]),
        st.sampled_from(NAMES).map(lambda name: b"&" + name.encode() + b"="),
        st.sampled_from([b"password", b"refresh_token", b"web", b"alice", b"\xc3\xa9"]),
    ),
    max_size=20,
).map(b"".join)


# A header's value, as servers let it through: no control characters but a tab.


# The parsers by themselves


@PARSED
@given(body=bytes_of_a_form)
def test_a_form_is_pairs_of_text_or_an_invalid_request(body: bytes) -> None:
    try:
        pairs = parse_pairs(body)
    except InvalidRequestError:
        return
    assert all(part.encode().decode() == part for pair in pairs for part in pair)


@PARSED
@given(credentials=basic_credentials)
def test_the_basic_credentials_of_a_client_are_read_or_refused(credentials: bytes) -> None:
    request = request_with(b"Basic " + credentials)
    try:
        presented = client_auth._basic(request)
    except (InvalidClientError, InvalidRequestError):
        return
    if presented is not None:
        assert "\x00" not in presented.client_id
        assert presented.method in ("none", "client_secret_basic")


# Over HTTP


@pytest.mark.parametrize("path", ["/token", "/revoke", "/introspect"])
@SENT
@given(body=bytes_of_a_form)
async def test_any_body_at_a_protocol_endpoint_is_a_4xx(
    http: httpx2.AsyncClient, path: str, body: bytes
) -> None:
    response = await http.post(path, content=body, headers=FORM)
    assert response.status_code in REFUSED, response.text
    assert set(response.json()) == {"error", "error_description"}


PAGES = [*brought("FORMS")]


@pytest.mark.parametrize("path", PAGES)
@SENT
@given(body=bytes_of_a_form)
async def test_any_body_at_a_page_is_never_a_fault(
    http: httpx2.AsyncClient, path: str, body: bytes
) -> None:
    response = await http.post(path, content=body, headers=FORM)
    assert response.status_code in (303, *REFUSED), response.text


@SENT
@given(credentials=basic_credentials)
async def test_any_basic_header_at_the_token_endpoint_is_refused(
    http: httpx2.AsyncClient, credentials: bytes
) -> None:
    response = await http.post(
        "/token",
        data={"grant_type": "password", "username": "alice", "password": PASSWORD},
        headers=[(b"authorization", b"Basic " + credentials)],
    )
    assert response.status_code in (400, 401), response.text
