"""Bytes that nobody would send, where the samples parse credentials: a 4xx, and never a fault."""

import httpx2
import pytest
from fastapi import HTTPException
from hypothesis import given
from hypothesis import strategies as st

from app.features.schemes.dropin import digest as digest_dropin
from app.features.schemes.dropin.basic import Utf8HTTPBasic
from tests.features.schemes.dropin.rfc7616 import Login, challenged
from tests.support.factories import PASSWORD
from tests.support.fuzzed import (
    PARSED,
    REFUSED,
    SENT,
    basic_credentials,
    header_bytes,
    request_with,
)

digest_parameters = st.lists(
    st.one_of(
        header_bytes,
        st.tuples(
            st.sampled_from(
                ["username", "username*", "realm", "nonce", "uri", "response", "qop", "nc", "x"]
            ),
            st.sampled_from(["=", '="', " = ", "=UTF-8''", "=%"]),
            st.one_of(header_bytes, st.sampled_from([b"auth", b"00000001", b"MD5", b'\\"'])),
            st.sampled_from(["", '"', ",", '",']),
        ).map(lambda p: p[0].encode() + p[1].encode() + p[2] + p[3].encode()),
    ),
    max_size=12,
).map(b", ".join)


@PARSED
@given(credentials=basic_credentials)
async def test_the_basic_credentials_of_a_user_are_read_or_refused(credentials: bytes) -> None:
    basic = Utf8HTTPBasic(realm="a")
    try:
        read = await basic(request_with(b"Basic " + credentials))
    except HTTPException:
        return
    assert read is not None
    assert all(ord(character) >= 32 for character in read.username + read.password)


@PARSED
@given(parameters=digest_parameters)
def test_the_parameters_of_digest_are_read_or_refused(parameters: bytes) -> None:
    answer = digest_dropin._parse(parameters.decode("latin-1"))
    if answer is not None:
        assert len(answer.nc) == 8
        assert answer.algorithm in digest_dropin.ALGORITHMS


@pytest.mark.parametrize("path", ["/schemes/http/basic", "/schemes/any-of", "/schemes/optional"])
@SENT
@given(credentials=basic_credentials, scheme=st.sampled_from([b"Basic ", b"Bearer ", b""]))
async def test_any_authorization_of_a_user_is_refused(
    http: httpx2.AsyncClient, path: str, credentials: bytes, scheme: bytes
) -> None:
    response = await http.get(path, headers=[(b"authorization", scheme + credentials)])
    assert response.status_code in (200, *REFUSED), response.text
    if response.status_code == 200:
        assert response.json()["subject"] is None


@SENT
@given(parameters=digest_parameters)
async def test_any_digest_header_is_refused(http: httpx2.AsyncClient, parameters: bytes) -> None:
    response = await http.get(
        "/schemes/http/digest", headers=[(b"authorization", b"Digest " + parameters)]
    )
    assert response.status_code == 401, response.text


@SENT
@given(start=st.integers(0, 1000), length=st.integers(0, 30), replaced=header_bytes)
async def test_a_good_digest_header_with_a_part_replaced_is_refused(
    http: httpx2.AsyncClient, start: int, length: int, replaced: bytes
) -> None:
    header = Login("alice", PASSWORD, await challenged(http)).header()
    start %= len(header)
    changed = header[:start] + replaced + header[start + length :]
    response = await http.get("/schemes/http/digest", headers=[(b"authorization", changed)])
    assert response.status_code == 401, response.text
