"""The password grant: RFC 6749, section 4.3."""

from collections.abc import Awaitable, Callable

import httpx2
import pytest
from passlib.context import CryptContext
from passlib.hash import bcrypt
from sqlalchemy import func, select, update
from structlog.testing import capture_logs

from app.identity.profile import USERNAME_MAX_LENGTH
from app.models import Login, User
from app.security.passwords import MAX_LENGTH, PasswordHasher
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.support.assertions import assert_oauth2_error
from tests.support.factories import (
    PASSWORD,
    TestClient,
    TestUser,
    add_client,
    add_user,
    disable_user,
)
from tests.support.on_sqlite import backend as backend

REFUSED = "The user name or the password is wrong."
MISSING = "The request needs username and password."
BCRYPT = bcrypt.using(rounds=4)
MD5_CRYPT = "$1$saltsalt$BsXyQbZiQujHkdhwPwdol."
"""Of the same password, and too weak to be taken from anywhere."""

PEPPER = "a-pepper-that-is-kept-apart-from-the-database"
peppered = pytest.mark.parametrize("changes", [{"password_pepper": PEPPER}], ids=["pepper"])

Ask = Callable[..., Awaitable[httpx2.Response]]


@pytest.fixture
def changes() -> dict[str, object]:
    """The settings that a test changes."""
    return {}


@pytest.fixture
def settings(database_url: str, changes: dict[str, object]) -> Settings:
    return make_settings(database_url=database_url, **changes)


@pytest.fixture
def ask(http: httpx2.AsyncClient, web: TestClient) -> Ask:
    """Ask for a token with a user's name and password."""

    async def post(username: str = "alice", password: str = PASSWORD) -> httpx2.Response:
        form = {"grant_type": "password", "username": username, "password": password}
        return await http.post("/token", data=form, auth=web.basic)

    return post


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes that passwords were verified against: the work that was done."""
    done: list[str] = []
    verify = CryptContext.verify

    def spy(self: CryptContext, secret: str, hash: str) -> bool:
        done.append(hash)
        return verify(self, secret, hash)

    monkeypatch.setattr(CryptContext, "verify", spy)
    return done


def assert_refused(response: httpx2.Response) -> None:
    assert_oauth2_error(response, "invalid_grant", 400, REFUSED)


async def stored_hash(server: Server, user: TestUser) -> str | None:
    async with server.database.read() as connection:
        found: str | None = await connection.scalar(
            select(User.password_hash).where(User.id == user.id)
        )
    return found


async def set_hash(server: Server, user: TestUser, password_hash: str | None) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(
            update(User).where(User.id == user.id).values(password_hash=password_hash)
        )


# What is refused, always with the same answer


@pytest.mark.rfc("6749", "4.3.2", 4)
@pytest.mark.rfc("6749", "5.2", 6)
@pytest.mark.parametrize(
    "password",
    [
        pytest.param("wrong", id="another"),
        pytest.param(PASSWORD.upper(), id="another_case"),
        pytest.param(PASSWORD[:-1], id="cut"),
        pytest.param(PASSWORD + " ", id="a_space_more"),
        pytest.param(" " + PASSWORD, id="a_space_before"),
        pytest.param(PASSWORD + "\n", id="a_newline_more"),
        pytest.param("\ufffd", id="replacement_character"),
    ],
)
async def test_a_wrong_password_is_refused(ask: Ask, alice: TestUser, password: str) -> None:
    assert_refused(await ask(alice.username, password))


@pytest.mark.rfc("6749", "4.3.2", 4)
@pytest.mark.parametrize(
    "username",
    [
        pytest.param("nobody", id="another"),
        pytest.param("alice ", id="a_space_more"),
        pytest.param("alic\u00e9", id="an_accent_more"),
        pytest.param("\u0430lice", id="a_cyrillic_letter"),
        pytest.param("alice@example.com", id="the_e_mail_address"),
        pytest.param("alice%", id="a_wildcard"),
        pytest.param("' OR '1'='1", id="sql"),
        pytest.param("web", id="a_client"),
    ],
)
async def test_an_unknown_user_is_refused(ask: Ask, alice: TestUser, username: str) -> None:
    assert_refused(await ask(username, alice.password))


async def test_the_id_of_a_user_is_not_a_name(ask: Ask, alice: TestUser) -> None:
    assert_refused(await ask(str(alice.id), alice.password))


@pytest.mark.rfc("6749", "4.3.2", 4)
async def test_a_disabled_user_is_refused(ask: Ask, server: Server) -> None:
    user = await add_user(server, disabled=True)
    assert_refused(await ask(user.username, user.password))


async def test_a_user_who_is_disabled_between_two_logins_is_refused_at_once(
    ask: Ask, server: Server, alice: TestUser
) -> None:
    assert (await ask()).status_code == 200
    await disable_user(server, alice)
    assert_refused(await ask())


@pytest.mark.parametrize(
    "password", [PASSWORD, "None", "null", " "], ids=["some", "none", "null", "space"]
)
async def test_a_user_without_a_password_is_refused(
    ask: Ask, server: Server, password: str
) -> None:
    user = await add_user(server, password_hash=None)
    assert_refused(await ask(user.username, password))


@pytest.mark.parametrize(
    "password_hash",
    [
        pytest.param("", id="empty"),
        pytest.param(PASSWORD, id="the_password_itself"),
        pytest.param("*", id="locked"),
        pytest.param("!", id="locked_otherwise"),
        pytest.param(MD5_CRYPT, id="md5_crypt"),
        pytest.param("$unknown$v=1$c2FsdA$aGFzaA", id="unknown_format"),
        pytest.param("$argon2id$v=19$m=8,t=1,p=1$", id="argon2_cut_off"),
        pytest.param("$2b$04$tooshort", id="bcrypt_cut_off"),
    ],
)
async def test_a_user_whose_hash_cannot_be_read_is_refused(
    ask: Ask, server: Server, alice: TestUser, password_hash: str
) -> None:
    await set_hash(server, alice, password_hash)
    assert_refused(await ask())


@pytest.mark.rfc("6749", "5.2", 1)
async def test_every_refusal_of_a_user_looks_the_same(
    ask: Ask, server: Server, alice: TestUser
) -> None:
    await add_user(server, "disabled", disabled=True)
    await add_user(server, "passwordless", password_hash=None)
    answers = [
        await ask(alice.username, "wrong"),
        await ask("nobody"),
        await ask("disabled"),
        await ask("disabled", "wrong"),
        await ask("passwordless"),
        await ask("x" * (USERNAME_MAX_LENGTH + 1)),
        await ask(alice.username, "x" * (MAX_LENGTH + 1)),
    ]
    for answer in answers:
        assert_refused(answer)
    own = ("x-request-id",)
    first, *others = [
        (answer.content, [pair for pair in answer.headers.multi_items() if pair[0] not in own])
        for answer in answers
    ]
    assert all(other == first for other in others)


async def test_a_refusal_records_no_login(ask: Ask, server: Server, alice: TestUser) -> None:
    assert_refused(await ask(alice.username, "wrong"))
    async with server.database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(Login)) == 0


async def test_a_refusal_is_logged_with_its_reason_and_no_credential(
    ask: Ask, server: Server, alice: TestUser, web: TestClient
) -> None:
    with capture_logs() as logs:
        assert_refused(await ask(alice.username, "a wrong password"))
    assert [entry["reason"] for entry in logs if entry["event"] == "refused"] == ["wrong password"]
    assert "a wrong password" not in repr(logs)
    assert web.secret not in repr(logs)


async def test_a_login_leaves_no_credential_in_the_log(
    ask: Ask, alice: TestUser, web: TestClient
) -> None:
    with capture_logs() as logs:
        response = await ask()
    assert logs  # at least the access log
    for secret in (alice.password, web.secret, response.json()["access_token"]):
        assert secret not in repr(logs)


# Name and password missing


@pytest.mark.rfc("6749", "4.3.2", 2)
@pytest.mark.rfc("6749", "5.2", 2)
@pytest.mark.parametrize("left_out", ["username", "password"])
@pytest.mark.parametrize("how", ["missing", "empty"])
async def test_name_and_password_are_both_needed(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, left_out: str, how: str
) -> None:
    form = {"grant_type": "password", "username": "alice", "password": alice.password}
    if how == "empty":
        form[left_out] = ""
    else:
        del form[left_out]
    response = await http.post("/token", data=form, auth=web.basic)
    assert_oauth2_error(response, "invalid_request", description=MISSING)


async def test_an_empty_password_never_opens_an_account_without_one(
    ask: Ask, server: Server
) -> None:
    user = await add_user(server, password_hash=None)
    response = await ask(user.username, "")
    assert_oauth2_error(response, "invalid_request", description=MISSING)


# The client


@pytest.mark.rfc("6749", "4.3")
@pytest.mark.rfc("6749", "5.2", 7)
@pytest.mark.rfc("6749", "10.7")
@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("password", [PASSWORD, "wrong"], ids=["right", "wrong"])
async def test_a_client_that_was_not_given_the_grant_is_refused(
    http: httpx2.AsyncClient, server: Server, verifications: list[str], password: str
) -> None:
    client = await add_client(server, grant_types=("client_credentials",))
    response = await http.post(
        "/token",
        data={"grant_type": "password", "username": "alice", "password": password},
        auth=client.basic,
    )
    assert_oauth2_error(
        response,
        "unauthorized_client",
        description="This client may not use this grant type.",
    )
    assert verifications == []


# Names


@pytest.mark.parametrize(
    ("registered", "typed"),
    [
        pytest.param("alice", "ALICE", id="upper_case"),
        pytest.param("Alice", "alice", id="lower_case"),
        pytest.param("alice", "\uff41lice", id="fullwidth"),
        pytest.param("ren\u00e9e", "rene\u0301e", id="decomposed"),
        pytest.param("rene\u0301e", "REN\u00c9E", id="composed_in_upper_case"),
        pytest.param("stra\u00dfe", "STRASSE", id="sharp_s"),
        pytest.param("\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "ΣΊΣΥΦΟΣ", id="final_sigma"),
        pytest.param("\ufb01nn", "FINN", id="ligature"),
    ],
)
async def test_names_are_compared_after_nfkc_and_case_folding(
    ask: Ask, server: Server, registered: str, typed: str
) -> None:
    await add_user(server, registered)
    assert (await ask(typed)).status_code == 200


async def test_a_name_of_the_most_characters_logs_in(ask: Ask, server: Server) -> None:
    await add_user(server, "\u00e9" * USERNAME_MAX_LENGTH)
    assert (await ask("\u00e9" * USERNAME_MAX_LENGTH)).status_code == 200


# Passwords


@pytest.mark.rfc("7617", "2.1", 3)
@pytest.mark.parametrize(
    "password",
    [
        pytest.param("  spaces inside and at the ends  ", id="spaces"),
        pytest.param(
            "p\u00e4ssw\u00f6rd \u5bc6\u7801 \u043f\u0430\u0440\u043e\u043b\u044c", id="unicode"
        ),
        pytest.param("\U0001f511\U0001f40e\U0001f50b and some words", id="emoji"),
        pytest.param("colon:colon:colon:colon", id="colon"),
        pytest.param("plus+percent%41&ampersand=equals", id="form_characters"),
        pytest.param("\"quotes\" and \\backslashes\\ and 'more'", id="quotes"),
        pytest.param("tab\tand\r\nnew line inside", id="control_characters"),
        pytest.param("replacement \ufffd character", id="replacement_character"),
        pytest.param("x" * 64, id="64_characters"),
        pytest.param("x" * MAX_LENGTH, id="the_most_characters"),
        pytest.param("\u00fc" * MAX_LENGTH, id="the_most_characters_of_two_bytes"),
    ],
)
async def test_any_character_can_be_in_a_password(ask: Ask, server: Server, password: str) -> None:
    await add_user(server, password=password)
    assert (await ask(password=password)).status_code == 200


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        pytest.param("caf\u00e9 with an accent", "cafe\u0301 with an accent", id="decomposed"),
        pytest.param("cafe\u0301 with an accent", "caf\u00e9 with an accent", id="composed"),
        pytest.param("\ufb01ne words together", "fine words together", id="ligature"),
        pytest.param("\uff46ullwidth letters", "fullwidth letters", id="fullwidth"),
    ],
)
async def test_passwords_are_compared_after_nfkc(
    ask: Ask, server: Server, stored: str, typed: str
) -> None:
    await add_user(server, password=stored)
    assert (await ask(password=typed)).status_code == 200


@pytest.mark.parametrize("field", ["username", "password"])
@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param("%ED%A0%80", id="high_surrogate"),
        pytest.param("%ED%BF%BF", id="low_surrogate"),
        pytest.param("%ED%A0%BD%ED%B4%91", id="surrogate_pair"),
    ],
)
async def test_a_surrogate_is_a_malformed_request(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, field: str, encoded: str
) -> None:
    other = {"username": "password=x", "password": "username=alice"}[field]
    response = await http.post(
        "/token",
        content=f"grant_type=password&{other}&{field}={encoded}",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        auth=web.basic,
    )
    assert_oauth2_error(response, "invalid_request", description="The body must be UTF-8.")


async def test_a_new_password_is_asked_of_the_database_at_once(
    ask: Ask, server: Server, alice: TestUser
) -> None:
    assert (await ask()).status_code == 200
    await set_hash(server, alice, server.passwords.hash_now("another password"))
    assert_refused(await ask())
    assert (await ask(password="another password")).status_code == 200


# Hashes of another kind or cost


async def test_a_bcrypt_hash_logs_in_and_is_replaced_by_argon2id(ask: Ask, server: Server) -> None:
    user = await add_user(server, password_hash=BCRYPT.hash(PASSWORD))
    assert (await ask()).status_code == 200
    replaced = await stored_hash(server, user)
    assert replaced is not None
    assert replaced.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert (await ask()).status_code == 200
    assert await stored_hash(server, user) == replaced


@pytest.mark.parametrize(
    ("memory", "time"), [(16, 1), (8, 2)], ids=["another_memory_cost", "another_time_cost"]
)
async def test_a_hash_of_another_cost_is_replaced(
    ask: Ask, server: Server, memory: int, time: int
) -> None:
    other = PasswordHasher(memory, time, 1, queue=0)
    user = await add_user(server, password_hash=other.hash_now(PASSWORD))
    other.close()
    assert (await ask()).status_code == 200
    replaced = await stored_hash(server, user)
    assert replaced is not None
    assert replaced.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert (await ask()).status_code == 200


@peppered
async def test_a_hash_without_the_pepper_is_replaced_by_one_with_it(
    ask: Ask, server: Server
) -> None:
    before = PasswordHasher(8, 1, 1, queue=0)
    user = await add_user(server, password_hash=before.hash_now(PASSWORD))
    before.close()
    assert (await ask()).status_code == 200
    replaced = await stored_hash(server, user)
    assert replaced is not None
    assert replaced.startswith("$pepper$")
    assert (await ask()).status_code == 200
    assert await stored_hash(server, user) == replaced
    assert_refused(await ask(password="wrong"))


@peppered
async def test_a_user_whose_pepper_is_gone_is_refused_like_any_other(
    ask: Ask, server: Server, verifications: list[str]
) -> None:
    other = PasswordHasher(8, 1, 1, 0, ["a-pepper-that-somebody-has-thrown-away"])
    await add_user(server, password_hash=other.hash_now(PASSWORD))
    other.close()
    assert_refused(await ask())
    assert len(verifications) == 1


async def test_a_hash_of_the_same_cost_is_kept(ask: Ask, server: Server, alice: TestUser) -> None:
    before = await stored_hash(server, alice)
    assert (await ask()).status_code == 200
    assert await stored_hash(server, alice) == before


@pytest.mark.parametrize(
    ("disabled", "password"),
    [(False, "wrong"), (True, PASSWORD)],
    ids=["wrong_password", "disabled_user"],
)
async def test_a_refusal_replaces_no_hash(
    ask: Ask, server: Server, disabled: bool, password: str
) -> None:
    old = BCRYPT.hash(PASSWORD)
    user = await add_user(server, password_hash=old, disabled=disabled)
    assert_refused(await ask(password=password))
    assert await stored_hash(server, user) == old


async def test_72_bytes_log_in_with_a_bcrypt_hash(ask: Ask, server: Server) -> None:
    await add_user(server, password_hash=BCRYPT.hash("x" * 72))
    assert (await ask(password="x" * 72)).status_code == 200


async def test_more_than_72_bytes_are_refused_for_a_bcrypt_hash_and_not_cut(
    ask: Ask, server: Server
) -> None:
    await add_user(server, password_hash=BCRYPT.hash("x" * 72))
    assert_refused(await ask(password="x" * 72 + "y"))
    assert_refused(await ask(password="\u00fc" * 37))


# The work that a login costs


async def test_a_login_costs_one_verification(
    ask: Ask, server: Server, alice: TestUser, verifications: list[str]
) -> None:
    assert (await ask()).status_code == 200
    assert verifications == [await stored_hash(server, alice)]


async def test_a_wrong_password_costs_one_verification(
    ask: Ask, server: Server, alice: TestUser, verifications: list[str]
) -> None:
    assert_refused(await ask(password="wrong"))
    assert verifications == [await stored_hash(server, alice)]


async def test_an_unknown_user_costs_a_verification_of_the_same_parameters(
    ask: Ask, verifications: list[str]
) -> None:
    assert_refused(await ask("nobody"))
    (dummy,) = verifications
    assert dummy.startswith("$argon2id$v=19$m=8,t=1,p=1$")


@pytest.mark.parametrize("password_hash", [None, ""], ids=["no_hash", "empty_hash"])
async def test_a_user_without_a_password_costs_a_verification_of_the_same_parameters(
    ask: Ask, server: Server, alice: TestUser, verifications: list[str], password_hash: str | None
) -> None:
    await set_hash(server, alice, password_hash)
    assert_refused(await ask())
    (dummy,) = verifications
    assert dummy.startswith("$argon2id$v=19$m=8,t=1,p=1$")


async def test_a_disabled_user_costs_one_verification(
    ask: Ask, server: Server, verifications: list[str]
) -> None:
    user = await add_user(server, disabled=True)
    assert_refused(await ask())
    assert verifications == [await stored_hash(server, user)]


@pytest.mark.parametrize("username", ["alice", "nobody"], ids=["known", "unknown"])
@pytest.mark.parametrize("length", [MAX_LENGTH + 1, 8_000])
async def test_a_password_that_is_too_long_costs_no_verification(
    ask: Ask, alice: TestUser, verifications: list[str], username: str, length: int
) -> None:
    assert_refused(await ask(username, "x" * length))
    assert verifications == []


@pytest.mark.parametrize("length", [USERNAME_MAX_LENGTH + 1, 8_000])
async def test_a_name_that_is_too_long_costs_no_verification(
    ask: Ask, verifications: list[str], length: int
) -> None:
    assert_refused(await ask("x" * length))
    assert verifications == []


async def test_a_scope_that_the_client_may_not_have_costs_no_verification(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, verifications: list[str]
) -> None:
    form = {"grant_type": "password", "username": "alice", "password": PASSWORD}
    response = await http.post("/token", data=form | {"scope": "users:read"}, auth=web.basic)
    assert_oauth2_error(response, "invalid_scope")
    assert verifications == []
