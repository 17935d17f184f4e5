"""``Utf8HTTPBasic`` in an application that is not this one."""

import base64
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from fastapi.security import HTTPBasicCredentials

from app.features.schemes.dropin.basic import Utf8HTTPBasic

from .client import client_of


def basic_app(*, auto_error: bool = True) -> FastAPI:
    app = FastAPI()
    basic = Utf8HTTPBasic(realm="example", auto_error=auto_error)

    @app.get("/")
    async def who(
        credentials: Annotated[HTTPBasicCredentials | None, Depends(basic)],
    ) -> list[str] | None:
        return [credentials.username, credentials.password] if credentials else None

    return app


def basic_header(pair: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(pair).decode()}


@pytest.mark.parametrize(
    ("pair", "read"),
    [
        pytest.param(b"alice:secret", ["alice", "secret"], id="ascii"),
        pytest.param(b"alice:a:b:", ["alice", "a:b:"], id="first_colon"),
        pytest.param(b":", ["", ""], id="empty"),
        pytest.param("Zoë:пароль".encode(), ["Zoë", "пароль"], id="utf_8"),
        pytest.param(b"Zo\xeb:secret", ["Zoë", "secret"], id="iso_8859_1"),
    ],
)
async def test_basic_reads_name_and_password(pair: bytes, read: list[str]) -> None:
    async with client_of(basic_app()) as http:
        response = await http.get("/", headers=basic_header(pair))
    assert (response.status_code, response.json()) == (200, read)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"Authorization": "Bearer x"}, id="another_scheme"),
        pytest.param({"Authorization": "Basic !!"}, id="no_base64"),
        pytest.param(basic_header(b"no colon"), id="no_colon"),
        pytest.param(basic_header(b"a\x00b:c"), id="control_character"),
    ],
)
async def test_basic_refuses_with_its_challenge(headers: dict[str, str]) -> None:
    async with client_of(basic_app()) as http:
        response = await http.get("/", headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Basic realm="example", charset="UTF-8"'
    assert response.json() == {"detail": "A user name and a password are needed."}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}], ids=["none", "bearer"])
async def test_basic_without_auto_error_lets_in_whoever_presents_nothing(
    headers: dict[str, str],
) -> None:
    async with client_of(basic_app(auto_error=False)) as http:
        response = await http.get("/", headers=headers)
    assert (response.status_code, response.json()) == (200, None)


async def test_basic_without_auto_error_refuses_what_cannot_be_read() -> None:
    async with client_of(basic_app(auto_error=False)) as http:
        assert (await http.get("/", headers={"Authorization": "Basic !!"})).status_code == 401


def test_basic_quotes_its_realm() -> None:
    error = Utf8HTTPBasic(realm=r'a "b" \ c').make_not_authenticated_error()
    assert error.headers == {
        "WWW-Authenticate": r'Basic realm="a \"b\" \\ c", charset="UTF-8"',
    }


@pytest.mark.parametrize("realm", ["Zoë", "two\r\nlines"])
def test_basic_refuses_a_realm_that_no_header_can_carry(realm: str) -> None:
    with pytest.raises(ValueError, match="the realm is printable ASCII"):
        Utf8HTTPBasic(realm=realm)


def test_basic_is_published_as_basic() -> None:
    schemes = basic_app().openapi()["components"]["securitySchemes"]
    assert schemes == {"Utf8HTTPBasic": {"type": "http", "scheme": "basic"}}
