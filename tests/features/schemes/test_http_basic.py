"""``HTTPBasic``: a user's name and login password (RFC 7617)."""

import base64
import uuid
from collections.abc import AsyncGenerator

import httpx2
import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from app.errors import LoginRefused
from app.main import create_app
from app.models import Login, User
from app.security.passwords import PasswordHasher
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.features.schemes.answers import (
    assert_no_good_password,
    assert_recognised,
    assert_unauthorized,
)
from tests.features.schemes.conftest import SCOPES
from tests.support.assertions import assert_problem
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, TestUser, add_user, disable_user
from tests.support.lifecycle import take_from_user
from tests.support.started import started

PATH = "/schemes/http/basic"


def basic(username: str, password: str, charset: str = "utf-8") -> bytes:
    """The value of the header."""
    return b"Basic " + base64.b64encode(f"{username}:{password}".encode(charset))


async def send(http: httpx2.AsyncClient, *values: bytes) -> httpx2.Response:
    return await http.get(PATH, headers=[(b"authorization", value) for value in values])


async def present(
    http: httpx2.AsyncClient, user: TestUser, password: str = PASSWORD
) -> httpx2.Response:
    return await send(http, basic(user.username, password))


async def stored_hash(server: Server, user: TestUser) -> str | None:
    async with server.database.read() as connection:
        found: str | None = await connection.scalar(
            select(User.password_hash).where(User.id == user.id)
        )
    return found


# Right and wrong


@pytest.mark.rfc("7617", "2", 7)
@pytest.mark.rfc("7617", "2.2")
async def test_a_name_and_its_password_name_the_user_and_all_their_scopes(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    assert_recognised(await present(http, alice), "HTTPBasic", alice.id, SCOPES)


async def test_a_login_by_basic_starts_no_session(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await present(http, alice)
    async with server.database.read() as connection:
        logins = select(func.count()).where(Login.user_id == alice.id)
        assert await connection.scalar(logins) == 0


@pytest.mark.rfc("7617", "2", 5)
async def test_no_credentials_are_refused(http: httpx2.AsyncClient) -> None:
    assert_no_good_password(await http.get(PATH))


@pytest.mark.rfc("7617", "2", 7)
@pytest.mark.parametrize(
    "password",
    [
        pytest.param("wrong", id="another"),
        pytest.param("", id="empty"),
        pytest.param(PASSWORD + " ", id="a_space_more"),
        pytest.param(PASSWORD[:-1], id="cut"),
        pytest.param(PASSWORD.upper(), id="another_case"),
        pytest.param("x" * 2000, id="very_long"),
        pytest.param("\ufffd", id="replacement_character"),
    ],
)
async def test_a_wrong_password_is_refused(
    http: httpx2.AsyncClient, alice: TestUser, password: str
) -> None:
    assert_no_good_password(await present(http, alice, password))


@pytest.mark.parametrize("username", ["", "nobody", "x" * 2000, "' OR '1'='1"])
async def test_an_unknown_user_is_refused(
    http: httpx2.AsyncClient, alice: TestUser, username: str
) -> None:
    assert_no_good_password(await send(http, basic(username, alice.password)))


async def test_a_user_without_a_password_is_refused(
    http: httpx2.AsyncClient, server: Server
) -> None:
    user = await add_user(server, f"passwordless {uuid.uuid4()}", password_hash=None)
    assert_no_good_password(await present(http, user))
    assert_no_good_password(await present(http, user, ""))


async def test_a_disabled_user_stops_at_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    assert_recognised(await present(http, alice), "HTTPBasic", alice.id, SCOPES)
    await disable_user(server, alice)
    assert_no_good_password(await present(http, alice))


async def test_a_scope_that_was_taken_from_the_user_is_gone_at_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await take_from_user(server, alice, "items:write")
    left = set(SCOPES) - {"items:write"}
    assert_recognised(await present(http, alice), "HTTPBasic", alice.id, left)


async def test_neither_the_answer_nor_the_log_repeats_a_password(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    with capture_logs() as logs:
        good = await present(http, alice)
        bad = await present(http, alice, "a-secret-of-somebody")
    written = repr(logs) + good.text + bad.text + str(good.headers) + str(bad.headers)
    for secret in (PASSWORD, "a-secret-of-somebody"):
        assert secret not in written
        assert basic(alice.username, secret).decode() not in written


# How the header is read


@pytest.mark.rfc("7617", "2", 2)
@pytest.mark.parametrize("scheme", [b"basic", b"BASIC", b"bAsIc"])
async def test_the_name_of_the_scheme_knows_no_case(
    http: httpx2.AsyncClient, alice: TestUser, scheme: bytes
) -> None:
    value = scheme + basic(alice.username, PASSWORD).removeprefix(b"Basic")
    assert_recognised(await send(http, value), "HTTPBasic", alice.id, SCOPES)


@pytest.mark.rfc("7617", "2.1", 2, 3)
@pytest.mark.parametrize(
    ("name", "password"),
    [
        pytest.param("Zoë", "пароль который никто не знает", id="cyrillic_password"),
        pytest.param("Åsa", "smörgåsbord på söndag", id="latin_with_accents"),
        pytest.param("名前", "パスワードはひみつですよ", id="japanese"),
        pytest.param("🐈", "a password with a 🐈 in it", id="outside_the_first_plane"),
    ],
)
async def test_utf_8_is_read(
    http: httpx2.AsyncClient, server: Server, name: str, password: str
) -> None:
    user = await add_user(server, f"{name} {uuid.uuid4()}", password, scopes=["email"])
    assert_recognised(await present(http, user, password), "HTTPBasic", user.id, ["email"])


@pytest.mark.rfc("7617", "B.2", 1)
async def test_iso_8859_1_is_read_where_it_is_not_utf_8(
    http: httpx2.AsyncClient, server: Server
) -> None:
    user = await add_user(server, f"Zoë {uuid.uuid4()}", "müßiggang ist schön", scopes=["email"])
    value = basic(user.username, user.password, "iso-8859-1")
    assert_recognised(await send(http, value), "HTTPBasic", user.id, ["email"])


@pytest.mark.rfc("7617", "B.2", 1)
async def test_what_is_utf_8_is_never_read_as_iso_8859_1(
    http: httpx2.AsyncClient, server: Server
) -> None:
    misread = "schöne neue welt".encode().decode("iso-8859-1")
    user = await add_user(server, f"mojibake {uuid.uuid4()}", misread, scopes=[])
    assert_no_good_password(await send(http, basic(user.username, misread, "iso-8859-1")))
    assert_recognised(await present(http, user, misread), "HTTPBasic", user.id, [])


@pytest.mark.rfc("7617", "2.1", 4)
async def test_the_same_password_typed_with_composed_or_combining_letters_is_the_same(
    http: httpx2.AsyncClient, server: Server
) -> None:
    user = await add_user(server, f"nfkc {uuid.uuid4()}", "cre\u0300me bru\u0302le\u0301e pour moi")
    composed = "cr\u00e8me br\u00fbl\u00e9e pour moi"
    assert (await present(http, user, composed)).status_code == 200


@pytest.mark.rfc("7617", "2", 3)
async def test_the_first_colon_divides_name_and_password(
    http: httpx2.AsyncClient, server: Server
) -> None:
    user = await add_user(server, f"colon {uuid.uuid4()}", ":pass:word: with colons:", scopes=[])
    assert_recognised(await present(http, user, user.password), "HTTPBasic", user.id, [])


@pytest.mark.rfc("7617", "2", 3)
async def test_a_name_with_a_colon_is_another_name(
    http: httpx2.AsyncClient, server: Server
) -> None:
    name = str(uuid.uuid4())
    await add_user(server, f"{name}:more")
    assert_no_good_password(await send(http, basic(f"{name}:more", PASSWORD)))


@pytest.mark.rfc("7617", "2", 4)
@pytest.mark.parametrize("where", ["name", "password"])
@pytest.mark.parametrize(
    "character",
    [chr(code) for code in (*range(32), 127)],
    ids=[f"x{code:02x}" for code in (*range(32), 127)],
)
async def test_a_control_character_is_refused_before_any_password_is_checked(
    http: httpx2.AsyncClient,
    alice: TestUser,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    character: str,
) -> None:
    async def fail(*_args: object, **_options: object) -> None:
        raise AssertionError("a password was checked")

    monkeypatch.setattr(PasswordHasher, "verify", fail)
    name = alice.username + (character if where == "name" else "")
    password = PASSWORD + (character if where == "password" else "")
    assert_no_good_password(await send(http, basic(name, password)))


@pytest.mark.rfc("7617", "2", 6)
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"Basic", id="scheme_alone"),
        pytest.param(b"Basic ", id="scheme_and_space"),
        pytest.param(b"Basic Og", id="base64_without_padding"),
        pytest.param(b"Basic !!!!", id="no_base64"),
        pytest.param(b"Basic YQ=", id="base64_cut"),
        pytest.param(b"Basic " + base64.b64encode(b"no colon"), id="no_colon"),
        pytest.param(b"Basic " + base64.b64encode(b":"), id="empty_pair"),
        pytest.param(b"Basic YTpi YTpi", id="two_words"),
        pytest.param(b"Basic YTpi, Basic YTpi", id="a_list"),
        pytest.param("Basic ключ".encode(), id="utf_8"),
        pytest.param(b"Basic \xff\xfe", id="bytes_that_are_no_utf_8"),
        pytest.param(b"alice:password", id="no_scheme"),
        pytest.param(b"Bearer YTpi", id="another_scheme"),
        pytest.param(b"Digest YTpi", id="a_third_scheme"),
        pytest.param(b"", id="empty"),
    ],
)
async def test_what_cannot_be_read_is_refused(http: httpx2.AsyncClient, value: bytes) -> None:
    assert_no_good_password(await send(http, value))


@pytest.mark.parametrize("second", [b"Basic", b"Bearer"])
@pytest.mark.parametrize("first", [True, False], ids=["good_first", "good_second"])
async def test_a_repeated_header_is_refused(
    http: httpx2.AsyncClient, alice: TestUser, second: bytes, first: bool
) -> None:
    values = [basic(alice.username, PASSWORD), second + b" YTpi"]
    assert_no_good_password(await send(http, *(values if first else reversed(values))))


async def test_credentials_in_the_address_are_not_looked_at(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    parameters = {"username": alice.username, "password": PASSWORD}
    assert_no_good_password(await http.get(PATH, params=parameters))


# What it costs, and what that leads to


@pytest.fixture(scope="module")
async def dearer(settings: Settings, clock: TestClock) -> AsyncGenerator[httpx2.AsyncClient]:
    """An application with a higher cost of the hash, another realm, on the same database."""
    changed = make_settings(
        database_url=settings.database_url, password_hash_time=2, realm="the other realm"
    )
    async with started(create_app(changed, clock)) as client:
        yield client


async def test_a_hash_of_another_cost_is_renewed_by_a_good_password(
    http: httpx2.AsyncClient, dearer: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    assert "t=1," in (await stored_hash(server, alice) or "")
    assert_recognised(await present(dearer, alice), "HTTPBasic", alice.id, SCOPES)
    assert "t=2," in (await stored_hash(server, alice) or "")
    assert_recognised(await present(dearer, alice), "HTTPBasic", alice.id, SCOPES)


async def test_a_hash_is_not_renewed_by_a_wrong_password(
    dearer: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    before = await stored_hash(server, alice)
    assert (await present(dearer, alice, "wrong")).status_code == 401
    assert await stored_hash(server, alice) == before


async def test_a_hash_of_the_configured_cost_is_kept(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    before = await stored_hash(server, alice)
    assert_recognised(await present(http, alice), "HTTPBasic", alice.id, SCOPES)
    assert await stored_hash(server, alice) == before


@pytest.mark.rfc("7617", "2", 1)
@pytest.mark.rfc("7617", "2.1", 1)
async def test_the_challenge_names_the_realm_of_the_settings(dearer: httpx2.AsyncClient) -> None:
    assert_unauthorized(
        await dearer.get(PATH),
        'Basic realm="the other realm", charset="UTF-8"',
        "A user name and a password are needed.",
    )


async def test_a_full_login_queue_is_503(
    http: httpx2.AsyncClient, alice: TestUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_args: object, **_options: object) -> None:
        raise LoginRefused("busy", reason="the login queue is full")

    monkeypatch.setattr(PasswordHasher, "verify", full)
    response = await present(http, alice)
    assert assert_problem(response, 503)["detail"] == "Too many log in at the moment."
    assert response.headers["retry-after"] == "2"
