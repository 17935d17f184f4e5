"""``HTTPDigest``, completed: a full server of RFC 7616, and its credentials in the database."""

import hashlib
import uuid
from collections.abc import AsyncGenerator
from dataclasses import replace

import httpx2
import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from app.features.schemes.digest_credentials import remove_digest_credential, set_digest_credential
from app.features.schemes.model import DigestCredential, DigestNonce
from app.main import create_app
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.features.schemes.answers import assert_recognised
from tests.features.schemes.conftest import SCOPES
from tests.features.schemes.dropin.rfc7616 import (
    PATH,
    Challenge,
    Login,
    challenged,
    challenges,
    h,
    quoted,
    read_parameters,
    send,
)
from tests.support.assertions import REALM, assert_problem
from tests.support.clock import TestClock
from tests.support.databases import Backend
from tests.support.factories import PASSWORD, TestUser, add_user, disable_user
from tests.support.lifecycle import delete_user, give_to_user, take_from_user
from tests.support.started import started

SECRET = "a digest password, and no other"

NONCE_TTL = 300

EACH_ALGORITHM = pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])


async def give_digest(server: Server, user: TestUser, password: str = SECRET) -> None:
    async with server.database.transaction() as connection:
        await set_digest_credential(
            connection,
            server.encryption,
            user_id=user.id,
            username=user.username,
            password=password,
            realm=server.settings.realm,
            now=server.clock.now(),
        )


@pytest.fixture
async def alice(server: Server) -> TestUser:
    """A user with a Digest credential."""
    user = await add_user(server, f"alice {uuid.uuid4()}", scopes=SCOPES)
    await give_digest(server, user)
    return user


@pytest.fixture
async def login(http: httpx2.AsyncClient, alice: TestUser) -> Login:
    """A good first request of alice, not sent yet."""
    return Login(alice.username, SECRET, await challenged(http))


@pytest.fixture(scope="module")
async def second(
    http: httpx2.AsyncClient, settings: Settings, clock: TestClock
) -> AsyncGenerator[httpx2.AsyncClient]:
    """A second application on the same database."""
    async with started(create_app(settings, clock)) as client:
        yield client


@pytest.fixture(scope="module")
async def other_realm(
    http: httpx2.AsyncClient, settings: Settings, clock: TestClock
) -> AsyncGenerator[httpx2.AsyncClient]:
    """An application of another realm on the same database."""
    changed = make_settings(database_url=settings.database_url, realm="another realm")
    async with started(create_app(changed, clock)) as client:
        yield client


def assert_refused(response: httpx2.Response) -> None:
    """401 with fresh challenges that say nothing of why."""
    assert assert_problem(response, 401) == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "Digest credentials are needed.",
    }
    assert [each.parameters.get("stale", "false") for each in challenges(response)] == [
        "false",
        "false",
    ]
    assert "authentication-info" not in response.headers


def assert_stale(response: httpx2.Response) -> None:
    """401 with fresh challenges that ask for the same again with a new nonce."""
    assert_problem(response, 401)
    assert [each.parameters.get("stale") for each in challenges(response)] == ["true", "true"]


def assert_accepted(response: httpx2.Response, user: TestUser) -> None:
    assert_recognised(response, "HTTPDigest", user.id, SCOPES)


# The challenge


@pytest.mark.rfc("7616", "3.3", 1, 3, 7, 8, 11)
@pytest.mark.rfc("7616", "3.7", 1, 4)
@pytest.mark.rfc("7616", "4", 1)
async def test_two_challenges_come_sha_256_first_and_whole(http: httpx2.AsyncClient) -> None:
    response = await http.get(PATH)
    assert_refused(response)
    first, second = challenges(response)
    for challenge, algorithm in ((first, "SHA-256"), (second, "MD5")):
        nonce, opaque = challenge.nonce, challenge.parameters["opaque"]
        assert challenge.header == (
            f'Digest realm="{REALM}", qop="auth", algorithm={algorithm}, nonce="{nonce}", '
            f'opaque="{opaque}", charset=UTF-8'
        )


async def test_both_challenges_have_one_nonce_and_one_opaque(http: httpx2.AsyncClient) -> None:
    first, second = challenges(await http.get(PATH))
    assert first.nonce == second.nonce
    assert first.parameters["opaque"] == second.parameters["opaque"]


@pytest.mark.rfc("7616", "3.3", 2)
@pytest.mark.rfc("7616", "5.12")
async def test_every_challenge_has_another_nonce(http: httpx2.AsyncClient) -> None:
    nonces = [(await challenged(http)).nonce for _ in range(20)]
    assert len(set(nonces)) == 20


async def test_a_challenge_writes_nothing(http: httpx2.AsyncClient, server: Server) -> None:
    count = select(func.count()).select_from(DigestNonce)
    async with server.database.read() as connection:
        before = await connection.scalar(count)
        await challenged(http)
        assert await connection.scalar(count) == before


async def test_a_challenge_is_not_stored(http: httpx2.AsyncClient) -> None:
    assert (await http.get(PATH)).headers["cache-control"] == "no-store"


# Right and wrong


@pytest.mark.rfc("7616", "3.4.1")
@pytest.mark.rfc("7616", "3.6", 1)
@pytest.mark.rfc("7616", "3.7", 2, 4)
@EACH_ALGORITHM
async def test_a_good_response_names_the_user_and_all_their_scopes(
    http: httpx2.AsyncClient, alice: TestUser, algorithm: str
) -> None:
    login = Login(alice.username, SECRET, await challenged(http, algorithm))
    assert_accepted(await send(http, login.header()), alice)


@pytest.mark.rfc("7616", "3.3", 6)
@pytest.mark.rfc("7616", "3.7", 2)
async def test_without_an_algorithm_it_is_md5(http: httpx2.AsyncClient, alice: TestUser) -> None:
    login = Login(alice.username, SECRET, await challenged(http, "MD5"))
    assert_accepted(await send(http, login.header(algorithm=None)), alice)


@pytest.mark.rfc("7616", "3.2", 2)
@pytest.mark.rfc("7616", "3.5", 1, 2, 5, 6)
@EACH_ALGORITHM
async def test_the_answer_proves_that_the_server_knows_the_credential_too(
    http: httpx2.AsyncClient, alice: TestUser, algorithm: str
) -> None:
    login = Login(alice.username, SECRET, await challenged(http, algorithm), nc=10)
    response = await send(http, login.header())
    assert response.headers["authentication-info"] == (
        f'rspauth="{login.response("")}", qop=auth, nc=0000000a, cnonce="{login.cnonce}"'
    )


@EACH_ALGORITHM
@pytest.mark.parametrize("password", ["wrong", "", SECRET + " ", SECRET.upper(), PASSWORD])
async def test_a_wrong_password_is_refused_the_login_password_too(
    http: httpx2.AsyncClient, alice: TestUser, algorithm: str, password: str
) -> None:
    login = Login(alice.username, password, await challenged(http, algorithm))
    assert_refused(await send(http, login.header()))


async def test_an_unknown_user_is_refused(http: httpx2.AsyncClient, login: Login) -> None:
    assert_refused(await send(http, replace(login, username="nobody").header()))


async def test_a_user_without_a_digest_credential_is_refused(
    http: httpx2.AsyncClient, server: Server, login: Login
) -> None:
    bob = await add_user(server, f"bob {uuid.uuid4()}")
    for password in (bob.password, "", SECRET):
        assert_refused(
            await send(http, replace(login, username=bob.username, password=password).header())
        )


async def test_the_credential_of_another_user_is_refused(
    http: httpx2.AsyncClient, server: Server, login: Login
) -> None:
    bob = await add_user(server, f"bob {uuid.uuid4()}")
    await give_digest(server, bob, "the digest password of bob")
    assert_refused(await send(http, replace(login, username=bob.username).header()))


async def test_a_good_response_of_the_one_algorithm_is_none_of_the_other(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    for algorithm, other in (("SHA-256", "MD5"), ("MD5", "SHA-256")):
        login = Login(alice.username, SECRET, await challenged(http, algorithm))
        assert_refused(await send(http, login.header(algorithm=other)))


async def test_a_disabled_user_stops_at_once_in_the_middle_of_a_nonce(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, login: Login
) -> None:
    assert_accepted(await send(http, login.header()), alice)
    await disable_user(server, alice)
    assert_refused(await send(http, login.next().header()))


async def test_a_deleted_user_stops_at_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, login: Login
) -> None:
    await delete_user(server, alice)
    assert_refused(await send(http, login.header()))
    async with server.database.read() as connection:
        left = select(func.count()).where(DigestCredential.user_id == alice.id)
        assert await connection.scalar(left) == 0


async def test_a_removed_credential_stops_at_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, login: Login
) -> None:
    assert_accepted(await send(http, login.header()), alice)
    async with server.database.transaction() as connection:
        await remove_digest_credential(connection, alice.id)
    assert_refused(await send(http, login.next().header()))


async def test_a_new_credential_takes_the_place_of_the_old_one_at_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, login: Login
) -> None:
    await give_digest(server, alice, "another digest password")
    assert_refused(await send(http, login.header()))
    renewed = replace(login, password="another digest password")
    assert_accepted(await send(http, renewed.header()), alice)


async def test_the_scopes_are_those_that_the_user_has_now(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, login: Login
) -> None:
    await take_from_user(server, alice, "items:write", "email")
    await give_to_user(server, alice, "account")
    now = [*(set(SCOPES) - {"items:write", "email"}), "account"]
    assert_recognised(await send(http, login.header()), "HTTPDigest", alice.id, now)


@pytest.mark.rfc("7616", "3.4.2", 1)
async def test_another_realm_knows_no_credential_of_this_one(
    other_realm: httpx2.AsyncClient, alice: TestUser
) -> None:
    challenge = await challenged(other_realm)
    assert challenge.parameters["realm"] == "another realm"
    login = Login(alice.username, SECRET, challenge)
    assert_refused_by_another(await send(other_realm, login.header()))
    own = replace(challenge, parameters=challenge.parameters | {"realm": REALM})
    hashed_for_the_old_one = Login(alice.username, SECRET, own)
    assert_refused_by_another(
        await send(other_realm, hashed_for_the_old_one.header(realm="another realm"))
    )


def assert_refused_by_another(response: httpx2.Response) -> None:
    assert_refused(response)
    assert [each.parameters["realm"] for each in challenges(response)] == ["another realm"] * 2


# Nonces


@pytest.mark.rfc("7616", "3.3", 4)
@pytest.mark.rfc("7616", "5.4")
async def test_a_nonce_is_good_until_the_second_of_its_expiry(
    http: httpx2.AsyncClient, alice: TestUser, login: Login, clock: TestClock
) -> None:
    clock.advance(NONCE_TTL - 1)
    assert_accepted(await send(http, login.header()), alice)
    clock.advance(1)
    assert_stale(await send(http, login.next().header()))


@pytest.mark.rfc("7616", "3.3", 4)
@pytest.mark.rfc("7616", "3.6", 3)
async def test_an_expired_nonce_can_be_exchanged_for_the_one_of_the_answer(
    http: httpx2.AsyncClient, alice: TestUser, login: Login, clock: TestClock
) -> None:
    clock.advance(NONCE_TTL)
    response = await send(http, login.header())
    assert_stale(response)
    fresh, _ = challenges(response)
    assert_accepted(await send(http, replace(login, challenge=fresh).header()), alice)


@pytest.mark.rfc("7616", "3.3", 4, 5)
async def test_an_expired_nonce_with_a_wrong_password_is_not_called_stale(
    http: httpx2.AsyncClient, login: Login, clock: TestClock
) -> None:
    clock.advance(NONCE_TTL)
    assert_refused(await send(http, replace(login, password="wrong").header()))


async def test_an_expired_nonce_of_a_disabled_user_is_not_called_stale(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, login: Login, clock: TestClock
) -> None:
    await disable_user(server, alice)
    clock.advance(NONCE_TTL)
    assert_refused(await send(http, login.header()))


@pytest.mark.rfc("7616", "5.12")
@pytest.mark.parametrize(
    "nonce",
    [
        pytest.param("", id="empty"),
        pytest.param("nonsense", id="nonsense"),
        pytest.param("{}A", id="a_letter_more"),
        pytest.param("A{}", id="a_letter_before"),
        pytest.param("{}.{}", id="twice"),
        pytest.param("9999999999.AAAAAAAAAAAAAAAA.AAAA", id="made_up"),
        pytest.param("..", id="dots"),
    ],
)
async def test_a_nonce_that_is_none_of_ours_is_refused(
    http: httpx2.AsyncClient, login: Login, nonce: str
) -> None:
    forged = nonce.replace("{}", login.challenge.nonce)
    challenge = Challenge("", login.challenge.parameters | {"nonce": forged})
    assert_refused(await send(http, replace(login, challenge=challenge).header()))


@pytest.mark.rfc("7616", "5.4")
async def test_a_nonce_whose_time_was_changed_is_refused(
    http: httpx2.AsyncClient, login: Login
) -> None:
    stamp, rest = login.challenge.nonce.split(".", 1)
    later = f"{int(stamp) + 1000}.{rest}"
    challenge = Challenge("", login.challenge.parameters | {"nonce": later})
    assert_refused(await send(http, replace(login, challenge=challenge).header()))


@pytest.mark.rfc("7616", "5.4")
async def test_a_nonce_of_a_server_with_another_secret_is_refused(
    http: httpx2.AsyncClient, settings: Settings, clock: TestClock, sqlite: Backend, login: Login
) -> None:
    url = sqlite.migrated()
    stranger = make_settings(database_url=url, secret_key=["another secret of 32 bytes or more"])
    async with started(create_app(stranger, clock)) as other:
        foreign = await challenged(other)
    nonce = Challenge("", login.challenge.parameters | {"nonce": foreign.nonce})
    assert_refused(await send(http, replace(login, challenge=nonce).header()))
    sqlite.drop(url)


@pytest.mark.rfc("7616", "3.4", 7)
@pytest.mark.rfc("7616", "5.5")
async def test_a_count_is_accepted_once(
    http: httpx2.AsyncClient, alice: TestUser, login: Login
) -> None:
    assert_accepted(await send(http, login.header()), alice)
    response = await send(http, login.header())
    assert response.status_code == 401


@pytest.mark.rfc("7616", "3.3", 4, 5)
async def test_a_request_that_another_one_overtook_may_come_again_with_a_new_nonce(
    http: httpx2.AsyncClient, alice: TestUser, login: Login
) -> None:
    assert_accepted(await send(http, login.next().header()), alice)
    response = await send(http, login.header())
    assert_stale(response)
    fresh, _ = challenges(response)
    assert_accepted(await send(http, replace(login, challenge=fresh).header()), alice)


@pytest.mark.rfc("7616", "3.4", 7)
async def test_increasing_counts_are_accepted_gaps_too(
    http: httpx2.AsyncClient, alice: TestUser, login: Login
) -> None:
    for count in (1, 2, 3, 10, 255, 256, 65536):
        assert_accepted(await send(http, login.next(count).header()), alice)


@pytest.mark.rfc("7616", "3.4", 7)
async def test_a_count_that_is_not_higher_is_refused(
    http: httpx2.AsyncClient, alice: TestUser, login: Login
) -> None:
    assert_accepted(await send(http, login.next(16).header()), alice)
    for count in (16, 15, 2, 1):
        assert (await send(http, login.next(count).header())).status_code == 401
    assert_accepted(await send(http, login.next(17).header()), alice)


async def test_another_cnonce_does_not_make_a_count_new(
    http: httpx2.AsyncClient, alice: TestUser, login: Login
) -> None:
    assert_accepted(await send(http, login.header()), alice)
    again = replace(login, cnonce="another cnonce")
    assert (await send(http, again.header())).status_code == 401


@pytest.mark.rfc("7616", "5.5")
async def test_the_other_algorithm_does_not_make_a_count_new(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    sha, md5 = challenges(await http.get(PATH))
    assert_accepted(await send(http, Login(alice.username, SECRET, sha).header()), alice)
    assert (await send(http, Login(alice.username, SECRET, md5).header())).status_code == 401


async def test_a_refused_response_uses_no_count_up(
    http: httpx2.AsyncClient, alice: TestUser, login: Login
) -> None:
    assert_refused(await send(http, replace(login, password="wrong", nc=9).header()))
    assert_accepted(await send(http, login.header()), alice)


async def test_the_counts_of_two_nonces_are_apart(
    http: httpx2.AsyncClient, alice: TestUser, login: Login
) -> None:
    other = replace(login, challenge=await challenged(http))
    for each in (login, other):
        assert_accepted(await send(http, each.header()), alice)


async def test_a_nonce_of_one_application_is_good_at_another(
    http: httpx2.AsyncClient, second: httpx2.AsyncClient, alice: TestUser, login: Login
) -> None:
    assert_accepted(await send(second, login.header()), alice)
    assert_accepted(await send(http, login.next().header()), alice)
    assert_accepted(await send(second, login.next(3).header()), alice)


@pytest.mark.rfc("7616", "5.5")
async def test_a_count_that_one_application_has_seen_is_refused_by_another(
    http: httpx2.AsyncClient, second: httpx2.AsyncClient, alice: TestUser, login: Login
) -> None:
    assert_accepted(await send(http, login.next(2).header()), alice)
    for count in (1, 2):
        assert (await send(second, login.next(count).header())).status_code == 401


@pytest.mark.rfc("7616", "3.5", 7)
@pytest.mark.parametrize("count", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF], ids=hex)
async def test_every_count_of_eight_digits_is_accepted_on_both_databases(
    database_url: str, clock: TestClock, count: int
) -> None:
    app = create_app(make_settings(database_url=database_url), clock)
    async with started(app) as http:
        user = await add_user(app.state.server, scopes=SCOPES)
        await give_digest(app.state.server, user)
        login = Login(user.username, SECRET, await challenged(http), nc=count)
        assert_accepted(await send(http, login.header()), user)
        assert (await send(http, login.header())).status_code == 401


async def test_a_nonce_is_kept_as_a_hash_until_it_expires(
    http: httpx2.AsyncClient, server: Server, login: Login, clock: TestClock
) -> None:
    expires_at = clock.now().timestamp() + NONCE_TTL
    await send(http, login.next(7).header())
    hashed = hashlib.sha256(login.challenge.nonce.encode()).hexdigest()
    async with server.database.read() as connection:
        row = (
            await connection.execute(
                select(DigestNonce.count.label("counted"), DigestNonce.expires_at).where(
                    DigestNonce.nonce_hash == hashed
                )
            )
        ).one()
    assert (row.counted, row.expires_at.timestamp()) == (7, expires_at)


# What the response is about


@pytest.mark.rfc("7616", "3.4.6", 1)
@pytest.mark.parametrize("query", ["?a=1", "?a=1&b=%20%2F", "?", "?uri=%22quoted%22"])
async def test_the_query_is_part_of_the_address(
    http: httpx2.AsyncClient, alice: TestUser, login: Login, query: str
) -> None:
    uri = PATH + query
    with_query = replace(login, uri=uri)
    assert_accepted(await send(http, with_query.header(), uri=uri), alice)


@pytest.mark.rfc("7616", "3.4.3", 1)
@pytest.mark.rfc("7616", "3.4.6", 1)
@pytest.mark.parametrize(
    ("said", "asked"),
    [
        pytest.param(PATH, PATH + "?a=1", id="a_query_more"),
        pytest.param(PATH + "?a=1", PATH, id="a_query_less"),
        pytest.param(PATH + "?a=1", PATH + "?a=2", id="another_query"),
        pytest.param(PATH + "?a=1&b=2", PATH + "?b=2&a=1", id="another_order"),
        pytest.param("/schemes/http/basic", PATH, id="another_path"),
        pytest.param(PATH + "/", PATH, id="a_slash_more"),
        pytest.param("/schemes/http/%64igest", PATH, id="encoded_otherwise"),
        pytest.param("*", PATH, id="asterisk"),
        pytest.param("", PATH, id="empty"),
    ],
)
async def test_a_response_for_another_address_is_refused(
    http: httpx2.AsyncClient, login: Login, said: str, asked: str
) -> None:
    assert_refused(await send(http, replace(login, uri=said).header(), uri=asked))


@pytest.mark.rfc("7616", "3.4.3", 1)
@pytest.mark.rfc("7616", "3.4.6", 3)
@pytest.mark.parametrize("method", ["POST", "HEAD", "get", ""])
async def test_a_response_for_another_method_is_refused(
    http: httpx2.AsyncClient, login: Login, method: str
) -> None:
    assert_refused(await send(http, replace(login, method=method).header()))


@pytest.mark.rfc("7616", "3.4", 2)
async def test_a_response_for_another_realm_is_refused(
    http: httpx2.AsyncClient, login: Login
) -> None:
    challenge = Challenge("", login.challenge.parameters | {"realm": "another"})
    assert_refused(await send(http, replace(login, challenge=challenge).header()))
    assert_refused(await send(http, replace(login, challenge=challenge).header(realm=REALM)))
    assert_refused(await send(http, login.header(realm="another")))


@pytest.mark.rfc("7616", "3.3", 3)
@pytest.mark.rfc("7616", "3.4", 2, 3, 4, 5, 10)
@pytest.mark.rfc("7616", "3.4.1")
@pytest.mark.rfc("7616", "3.5", 7)
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"response": "0" * 64}, id="response_zeros"),
        pytest.param({"response": "0" * 32}, id="response_short"),
        pytest.param({"response": ""}, id="response_empty"),
        pytest.param({"response": "é"}, id="response_not_ascii"),
        pytest.param({"cnonce": "another"}, id="cnonce"),
        pytest.param({"cnonce": ""}, id="cnonce_empty"),
        pytest.param({"nc": "00000002"}, id="nc"),
        pytest.param({"nc": "1"}, id="nc_short"),
        pytest.param({"nc": "000000001"}, id="nc_long"),
        pytest.param({"nc": "0000000g"}, id="nc_no_digit"),
        pytest.param({"nc": "-0000001"}, id="nc_negative"),
        pytest.param({"opaque": "another"}, id="opaque"),
        pytest.param({"opaque": ""}, id="opaque_empty"),
        pytest.param({"qop": "auth-int"}, id="qop_auth_int"),
        pytest.param({"qop": "AUTH-CONF"}, id="qop_unknown"),
        pytest.param({"algorithm": "SHA-256-sess"}, id="algorithm_sess"),
        pytest.param({"algorithm": "SHA-512-256"}, id="algorithm_not_offered"),
        pytest.param({"algorithm": "none"}, id="algorithm_none"),
        pytest.param({"userhash": "true"}, id="userhash"),
        pytest.param({"username": ""}, id="username_empty"),
        pytest.param({"username*": "UTF-8''x"}, id="two_usernames"),
    ],
)
async def test_a_changed_parameter_is_refused(
    http: httpx2.AsyncClient, login: Login, changes: dict[str, str]
) -> None:
    assert_refused(await send(http, login.header(**changes)))


@pytest.mark.rfc("7616", "3.4", 1, 7, 8, 10)
@pytest.mark.rfc("7616", "5.9")
@pytest.mark.parametrize(
    "name", ["username", "realm", "nonce", "uri", "response", "qop", "nc", "cnonce", "opaque"]
)
async def test_a_missing_parameter_is_refused(
    http: httpx2.AsyncClient, login: Login, name: str
) -> None:
    assert_refused(await send(http, login.header(**{name: None})))


@pytest.mark.parametrize("name", ["username", "realm", "nonce", "uri", "response", "nc"])
async def test_a_repeated_parameter_is_refused(
    http: httpx2.AsyncClient, login: Login, name: str
) -> None:
    value = login.parameters()[name]
    header = login.header() + f", {name}={quoted(value)}".encode()
    assert_refused(await send(http, header))


@pytest.mark.rfc("7616", "3.4", 5)
async def test_a_response_without_qop_as_of_rfc_2069_is_refused(
    http: httpx2.AsyncClient, login: Login
) -> None:
    ha2 = h("SHA-256", f"GET:{PATH}")
    response = h("SHA-256", f"{login.ha1}:{login.challenge.nonce}:{ha2}")
    header = login.header(response=response, qop=None, nc=None, cnonce=None)
    assert_refused(await send(http, header))


# How the header is read


async def test_unknown_parameters_are_ignored(
    http: httpx2.AsyncClient, alice: TestUser, login: Login
) -> None:
    header = login.header() + b', auth-param="x", other=y, userhash=false'
    assert_accepted(await send(http, header), alice)


async def test_names_know_no_case_and_space_around_them_does_not_matter(
    http: httpx2.AsyncClient, alice: TestUser, login: Login
) -> None:
    written = " ,  ".join(f"{n.title()} = {quoted(v)}" for n, v in login.parameters().items())
    assert_accepted(await send(http, b"DIGEST   " + written.encode()), alice)


@pytest.mark.rfc("7616", "3.4.5")
@pytest.mark.rfc("7616", "4", 4)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param('a "quoted" name', id="quotes"),
        pytest.param("back\\slash", id="backslash"),
        pytest.param("comma, equals=sign", id="separators"),
    ],
)
async def test_quoted_strings_are_unescaped(
    http: httpx2.AsyncClient, server: Server, name: str
) -> None:
    user = await add_user(server, f"{name} {uuid.uuid4()}", scopes=SCOPES)
    await give_digest(server, user)
    login = Login(user.username, SECRET, await challenged(http))
    assert_accepted(await send(http, login.header()), user)


@pytest.mark.rfc("7616", "3.4.5")
@pytest.mark.rfc("7616", "3.5", 2)
async def test_a_cnonce_with_quotes_comes_back_as_a_quoted_string(
    http: httpx2.AsyncClient, alice: TestUser, login: Login
) -> None:
    login = replace(login, cnonce='a "quoted\\" cnonce, nc=1')
    response = await send(http, login.header())
    assert_accepted(response, alice)
    assert read_parameters(response.headers["authentication-info"]) == {
        "rspauth": login.response(""),
        "qop": "auth",
        "nc": "00000001",
        "cnonce": login.cnonce,
    }


@pytest.mark.rfc("7616", "4", 2, 4)
@pytest.mark.parametrize("name", ["Zoë", "名前", "🐈", "r%C3%A4tsel"])
async def test_the_encoded_name_of_rfc_8187_is_read(
    http: httpx2.AsyncClient, server: Server, name: str
) -> None:
    user = await add_user(server, f"{name} {uuid.uuid4()}", scopes=SCOPES)
    await give_digest(server, user)
    login = Login(user.username, SECRET, await challenged(http))
    assert ("username*" in login.parameters()) == (not name.isascii())
    assert_accepted(await send(http, login.header()), user)


@pytest.mark.parametrize("prefix", ["utf-8''", "UTF-8'en'"])
async def test_the_charset_knows_no_case_and_a_language_is_ignored(
    http: httpx2.AsyncClient, alice: TestUser, login: Login, prefix: str
) -> None:
    encoded = prefix + "".join(f"%{byte:02x}" for byte in alice.username.encode())
    header = login.header(username=None, **{"username*": encoded})
    assert_accepted(await send(http, header), alice)


@pytest.mark.rfc("7616", "4", 3, 5)
@pytest.mark.parametrize(
    ("given", "typed"),
    [
        pytest.param(
            "cre\u0300me bru\u0302le\u0301e", "cr\u00e8me br\u00fbl\u00e9e", id="combining"
        ),
        pytest.param("пароль: 名前, 🐈", "пароль: 名前, 🐈", id="composed"),
    ],
)
async def test_a_credential_is_good_in_the_form_that_clients_are_asked_for(
    http: httpx2.AsyncClient, server: Server, given: str, typed: str
) -> None:
    user = await add_user(server, f"Zoe\u0308 {uuid.uuid4()}", scopes=SCOPES)
    await give_digest(server, user, given)
    name = user.username.replace("e\u0308", "\u00eb")
    login = Login(name, typed, await challenged(http))
    assert_accepted(await send(http, login.header()), user)


@pytest.mark.rfc("7616", "4", 4)
async def test_a_name_in_plain_utf_8_is_read(http: httpx2.AsyncClient, server: Server) -> None:
    user = await add_user(server, f"Zoë {uuid.uuid4()}", scopes=SCOPES)
    await give_digest(server, user)
    login = Login(user.username, SECRET, await challenged(http))
    header = login.header(**{"username": user.username, "username*": None})
    assert_accepted(await send(http, header), user)


@pytest.mark.rfc("7616", "4", 2)
@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param("ISO-8859-1''alice", id="another_charset"),
        pytest.param("alice", id="no_charset"),
        pytest.param("UTF-8''%FF%FE", id="no_utf_8"),
        pytest.param("UTF-8''%ED%A0%80", id="surrogate"),
        pytest.param("UTF-8''", id="empty"),
        pytest.param("UTF-8'", id="cut"),
    ],
)
async def test_an_encoded_name_that_cannot_be_read_is_refused(
    http: httpx2.AsyncClient, login: Login, encoded: str
) -> None:
    assert_refused(await send(http, login.header(username=None, **{"username*": encoded})))


async def test_a_nul_in_a_name_is_refused_on_both_databases(
    database_url: str, clock: TestClock
) -> None:
    async with started(create_app(make_settings(database_url=database_url), clock)) as http:
        login = Login("alice", SECRET, await challenged(http))
        header = login.header(username=None, **{"username*": "UTF-8''alice%00"})
        assert_refused(await send(http, header))


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"Digest", id="scheme_alone"),
        pytest.param(b"Digest ", id="scheme_and_space"),
        pytest.param(b"Digest nonsense", id="no_parameters"),
        pytest.param(b"Digest =", id="no_name"),
        pytest.param(b"Digest %s garbage", id="garbage_behind"),
        pytest.param(b"Digest %s,,", id="empty_parameters"),
        pytest.param(b'Digest %s, x="', id="open_quote"),
        pytest.param(b'Digest %s, x="\\', id="open_escape"),
        pytest.param(b"Digest %s; x=y", id="semicolon"),
        pytest.param(b"Digest x=y %s", id="no_comma"),
        pytest.param(b"Digest %s, \xff=\xfe", id="bytes_that_are_no_utf_8"),
        pytest.param(b"Digest %s, x=" + b"y" * 5000, id="very_long"),
        pytest.param(b"Digest " + b"x=y," * 5000, id="very_many"),
        pytest.param(b"Basic %s", id="basic"),
        pytest.param(b"Bearer %s", id="bearer"),
        pytest.param(b"Digests %s", id="another_scheme"),
        pytest.param(b"%s", id="no_scheme"),
    ],
)
async def test_what_cannot_be_read_is_refused(
    http: httpx2.AsyncClient, login: Login, header: bytes
) -> None:
    good = login.header().removeprefix(b"Digest ")
    assert_refused(await send(http, header.replace(b"%s", good)))


@pytest.mark.parametrize("other", [b"Digest x=y", b"Basic YTpi", b"Bearer x"])
@pytest.mark.parametrize("first", [True, False], ids=["good_first", "good_second"])
async def test_a_repeated_header_is_refused(
    http: httpx2.AsyncClient, login: Login, other: bytes, first: bool
) -> None:
    values = [login.header(), other]
    assert_refused(await send(http, *(values if first else reversed(values))))


# At rest, and in the log


@pytest.mark.rfc("7616", "3.4.2", 1)
@pytest.mark.rfc("7616", "5.2", 1)
async def test_a_credential_is_stored_encrypted_and_is_the_hash_of_the_rfc(
    server: Server, alice: TestUser
) -> None:
    text = f"{alice.username}:{REALM}:{SECRET}"
    async with server.database.read() as connection:
        row = (
            await connection.execute(
                select(
                    DigestCredential.ha1_sha256, DigestCredential.ha1_md5, DigestCredential.realm
                ).where(DigestCredential.user_id == alice.id)
            )
        ).one()
    for stored, algorithm in ((row.ha1_sha256, "SHA-256"), (row.ha1_md5, "MD5")):
        assert h(algorithm, text) not in stored
        assert server.encryption.decrypt(stored).decode() == h(algorithm, text)
    assert row.realm == REALM


@pytest.mark.rfc("7616", "3.4", 12)
@pytest.mark.rfc("7616", "5.2", 1)
async def test_neither_the_answer_nor_the_log_repeats_a_secret(
    http: httpx2.AsyncClient, login: Login
) -> None:
    with capture_logs() as logs:
        good = await send(http, login.header())
        bad = await send(http, replace(login, nc=2, password="wrong").header())
        mistyped = await send(http, replace(login, nc=2, username="a-secret-of-alice").header())
    written = repr(logs) + "".join(
        answer.text + str(answer.headers) for answer in (good, bad, mistyped)
    )
    for secret in (SECRET, login.ha1, login.response("GET"), "a-secret-of-alice"):
        assert secret not in written


async def test_a_credential_outlives_the_rotation_of_the_secret(
    sqlite: Backend, clock: TestClock
) -> None:
    url = sqlite.migrated()
    old, new = "the old secret of 32 bytes or more", "the new secret of 32 bytes or more"
    first = create_app(make_settings(database_url=url, secret_key=[old]), clock)
    async with started(first):
        user = await add_user(first.state.server, scopes=SCOPES)
        await give_digest(first.state.server, user)
    async with started(create_app(make_settings(database_url=url, secret_key=[new, old]), clock)):
        pass  # a start under both encrypts everything under the newer one
    last = create_app(make_settings(database_url=url, secret_key=[new]), clock)
    async with started(last) as http:
        login = Login(user.username, SECRET, await challenged(http))
        assert_accepted(await send(http, login.header()), user)
    sqlite.drop(url)


async def test_a_nonce_outlives_the_rotation_of_the_secret(
    sqlite: Backend, clock: TestClock
) -> None:
    url = sqlite.migrated()
    old, new = "the old secret of 32 bytes or more", "the new secret of 32 bytes or more"
    before = create_app(make_settings(database_url=url, secret_key=[old]), clock)
    after = create_app(make_settings(database_url=url, secret_key=[new, old]), clock)
    async with started(before) as http, started(after) as renewed:
        user = await add_user(before.state.server, scopes=SCOPES)
        await give_digest(before.state.server, user)
        login = Login(user.username, SECRET, await challenged(http))
        assert_accepted(await send(renewed, login.header()), user)
    sqlite.drop(url)


# A client library


@pytest.mark.rfc("7616", "3.6", 2)
async def test_the_digest_client_of_httpx2_logs_in_and_goes_on_with_its_nonce(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    auth = httpx2.DigestAuth(alice.username, SECRET)
    first = await http.get(PATH, auth=auth)
    assert_accepted(first, alice)
    assert [each.status_code for each in first.history] == [401]
    again = await http.get(PATH, params={"a": "1"}, auth=auth)
    assert_accepted(again, alice)
    assert again.history == []


async def test_the_digest_client_of_httpx2_renews_an_expired_nonce(
    http: httpx2.AsyncClient, alice: TestUser, clock: TestClock
) -> None:
    auth = httpx2.DigestAuth(alice.username, SECRET)
    assert_accepted(await http.get(PATH, auth=auth), alice)
    clock.advance(NONCE_TTL)
    renewed = await http.get(PATH, auth=auth)
    assert_accepted(renewed, alice)
    assert [each.status_code for each in renewed.history] == [401]


async def test_the_digest_client_of_httpx2_is_refused_with_a_wrong_password(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    assert_refused(await http.get(PATH, auth=httpx2.DigestAuth(alice.username, "wrong")))
