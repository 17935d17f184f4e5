"""Rotating, importing and retiring signing keys, and the secret that encrypts them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from sqlalchemy import select

from app.errors import ConflictError, InvalidError, NotFoundError
from app.models import SigningKey
from app.security.encryption import Encryption
from app.security.jwt import Algorithm
from app.server import Server
from app.settings import Settings, SettingsError
from app.tokens.key_rotation import (
    KNOWN_EVERYWHERE,
    PROPAGATION,
    KeyState,
    algorithms_in_use,
    import_key,
    list_keys,
    plan_succession,
    retire_key,
    rotate_keys,
)
from tests.conftest import make_settings
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_client, log_in
from tests.support.forger import assert_accepted, assert_refused

OLD = "the-secret-key-of-last-year-32-bytes"
NEW = "the-secret-key-of-this-year-32-bytes"
TTL = 900
"""Seconds that an access token lives here."""

NO_OTHER = "no other key could sign: run `keys rotate --now` first"


@pytest.fixture
def alg() -> Algorithm:
    return "ES256"


@pytest.fixture
def settings(database_url: str, alg: Algorithm) -> Settings:
    return make_settings(database_url=database_url, access_token_alg=alg, secret_key=[OLD])


@dataclass(frozen=True)
class Operator:
    """What an operator does on the command line, beside a running worker."""

    server: Server

    async def rotate(self, *, now: bool = False, secret: str = OLD) -> str:
        server = self.server
        async with server.database.transaction() as connection:
            kids, succession = await rotate_keys(
                connection,
                Encryption([secret]),
                [server.settings.access_token_alg],
                server.clock,
                server.settings,
                at_once=now,
            )
        assert succession == plan_succession(server.clock.now(), server.settings, at_once=now)
        return kids[server.settings.access_token_alg]

    async def rotate_all(self, *, now: bool = False) -> dict[Algorithm, str]:
        """As the command does when no algorithm is named."""
        server = self.server
        async with server.database.transaction() as connection:
            kids, _ = await rotate_keys(
                connection,
                server.encryption,
                await algorithms_in_use(connection, server.settings),
                server.clock,
                server.settings,
                at_once=now,
            )
        return dict(kids)

    async def import_pem(self, pem: bytes, *, activate: bool = False, secret: str = OLD) -> str:
        server = self.server
        async with server.database.transaction() as connection:
            kid, succession = await import_key(
                connection,
                Encryption([secret]),
                pem,
                server.clock,
                server.settings,
                at_once=activate,
            )
        assert succession == plan_succession(server.clock.now(), server.settings, at_once=activate)
        return kid

    async def retire(self, kid: str) -> None:
        server = self.server
        async with server.database.transaction() as connection:
            await retire_key(connection, kid, server.clock.now(), server.signing_algorithms)

    async def keys_of(self, alg: Algorithm) -> list[KeyState]:
        async with self.server.database.read() as connection:
            keys = await list_keys(connection, self.server.clock.now())
        return [key for key in keys if key.alg == alg]

    async def keys(self) -> list[KeyState]:
        """Those of the algorithm that access tokens are signed with."""
        return await self.keys_of(self.server.settings.access_token_alg)

    async def states(self) -> dict[str, str]:
        return {key.kid: key.state for key in await self.keys()}


@pytest.fixture
def operator(server: Server) -> Operator:
    return Operator(server)


@pytest.fixture
async def first(operator: Operator) -> str:
    """The ``kid`` of the key that the start has made."""
    (key,) = await operator.keys()
    return key.kid


@dataclass(frozen=True)
class Verifier:
    """What the rest of the world sees of the keys."""

    http: httpx2.AsyncClient

    async def kids(self, alg: Algorithm = "ES256") -> set[str]:
        keys = (await self.http.get("/.well-known/jwks.json")).json()["keys"]
        return {key["kid"] for key in keys if key["alg"] == alg}


@pytest.fixture
def published(http: httpx2.AsyncClient) -> Verifier:
    return Verifier(http)


@dataclass(frozen=True)
class Login:
    """Somebody who logs in when told to."""

    http: httpx2.AsyncClient
    user: TestUser
    client: TestClient

    async def token(self) -> str:
        answer = await log_in(self.http, self.user, self.client, "profile")
        token: str = answer["access_token"]
        return token

    async def kid(self) -> str:
        """Of the key that signs now."""
        kid: str = jwt.get_unverified_header(await self.token())["kid"]
        return kid


@pytest.fixture
def login(http: httpx2.AsyncClient, alice: TestUser, web: TestClient) -> Login:
    return Login(http, alice, web)


# A rotation


async def test_a_new_key_is_published_before_it_signs(
    published: Verifier, operator: Operator, login: Login, first: str, clock: TestClock
) -> None:
    new = await operator.rotate()
    clock.advance(KNOWN_EVERYWHERE)
    assert await published.kids() == {first, new}
    assert await login.kid() == first


async def test_a_new_key_takes_over_at_its_time_and_not_before(
    operator: Operator, login: Login, first: str, clock: TestClock
) -> None:
    new = await operator.rotate()
    clock.advance(PROPAGATION - 1)
    assert await login.kid() == first
    clock.advance(1)
    assert await login.kid() == new


@pytest.mark.rfc("openid-connect-core", "10.1.1", 1)
async def test_the_old_key_stays_published_until_its_last_token_has_expired_and_then_goes(
    published: Verifier, operator: Operator, first: str, clock: TestClock
) -> None:
    new = await operator.rotate()
    clock.advance(PROPAGATION + TTL)
    assert await published.kids() == {first, new}
    clock.advance(KNOWN_EVERYWHERE)
    assert await published.kids() == {new}


async def test_a_token_signed_just_before_the_switch_is_good_until_its_end(
    http: httpx2.AsyncClient, operator: Operator, login: Login, first: str, clock: TestClock
) -> None:
    await operator.rotate()
    clock.advance(PROPAGATION - 1)
    token = await login.token()
    assert jwt.get_unverified_header(token)["kid"] == first
    clock.advance(TTL - 1)
    await assert_accepted(http, token)
    clock.advance(1)
    await assert_refused(http, token)


async def test_a_token_signed_just_after_the_switch_is_good(
    http: httpx2.AsyncClient, operator: Operator, login: Login, clock: TestClock
) -> None:
    new = await operator.rotate()
    clock.advance(PROPAGATION)
    token = await login.token()
    assert jwt.get_unverified_header(token)["kid"] == new
    await assert_accepted(http, token)


async def test_a_new_key_is_of_the_configured_algorithm(
    operator: Operator, first: str, clock: TestClock
) -> None:
    new = await operator.rotate()
    assert await operator.keys() == [
        KeyState(
            kid=new,
            alg="ES256",
            state="pending",
            created_at=clock.now(),
            active_from=clock.now() + timedelta(seconds=PROPAGATION),
            retired_at=None,
        ),
        KeyState(
            kid=first,
            alg="ES256",
            state="signing",
            created_at=clock.now(),
            active_from=clock.now(),
            retired_at=clock.now() + timedelta(seconds=PROPAGATION + KNOWN_EVERYWHERE + TTL),
        ),
    ]


async def test_the_states_follow_one_another(
    operator: Operator, first: str, clock: TestClock
) -> None:
    assert await operator.states() == {first: "signing"}
    new = await operator.rotate()
    assert await operator.states() == {new: "pending", first: "signing"}
    clock.advance(PROPAGATION)
    assert await operator.states() == {new: "signing", first: "published"}
    clock.advance(KNOWN_EVERYWHERE + TTL)
    assert await operator.states() == {new: "signing", first: "retired"}


async def test_the_key_of_a_rotation_is_encrypted_at_rest(
    server: Server, operator: Operator
) -> None:
    kid = await operator.rotate()
    async with server.database.read() as connection:
        stored = await connection.scalar(
            select(SigningKey.private_key).where(SigningKey.kid == kid)
        )
    assert stored is not None
    assert "PRIVATE" not in stored
    assert b"PRIVATE KEY" in Encryption([OLD]).decrypt(stored)


async def test_rotations_may_follow_one_another(
    published: Verifier, operator: Operator, login: Login, first: str, clock: TestClock
) -> None:
    second = await operator.rotate()
    clock.advance(PROPAGATION)
    third = await operator.rotate()
    clock.advance(KNOWN_EVERYWHERE)
    assert await published.kids() == {first, second, third}
    clock.advance(PROPAGATION - KNOWN_EVERYWHERE)
    assert await login.kid() == third


async def test_an_older_key_does_not_stay_longer_because_of_a_second_rotation(
    operator: Operator, first: str, clock: TestClock
) -> None:
    await operator.rotate()
    before = {key.kid: key.retired_at for key in await operator.keys()}
    clock.advance(PROPAGATION)
    await operator.rotate()
    after = {key.kid: key.retired_at for key in await operator.keys()}
    assert after[first] == before[first]


# At once


async def test_a_rotation_at_once_takes_over_as_soon_as_every_worker_knows_of_it(
    published: Verifier, operator: Operator, login: Login, first: str, clock: TestClock
) -> None:
    new = await operator.rotate(now=True)
    clock.advance(KNOWN_EVERYWHERE - 0.5)
    assert await published.kids() == {first, new}
    assert await login.kid() == first
    clock.advance(0.5)
    assert await login.kid() == new


async def test_after_a_rotation_at_once_the_old_tokens_are_good_until_their_end(
    http: httpx2.AsyncClient, operator: Operator, login: Login, clock: TestClock
) -> None:
    token = await login.token()
    await operator.rotate(now=True)
    clock.advance(TTL - 1)
    await assert_accepted(http, token)


async def test_a_second_rotation_is_refused_while_a_key_waits(
    operator: Operator, first: str, clock: TestClock
) -> None:
    waiting = await operator.rotate()
    before = await operator.keys()
    clock.advance(1)
    with pytest.raises(ConflictError) as refused:
        await operator.rotate()
    assert refused.value.told == (
        f"the key {waiting} is already pending: `keys rotate --now` makes it sign at once"
    )
    assert await operator.keys() == before


async def test_a_rotation_at_once_brings_the_waiting_key_forward(
    operator: Operator, login: Login, first: str, clock: TestClock
) -> None:
    waiting = await operator.rotate()
    clock.advance(10)
    assert await operator.rotate(now=True) == waiting
    clock.advance(KNOWN_EVERYWHERE)
    assert await login.kid() == waiting
    (old,) = [key for key in await operator.keys() if key.kid == first]
    assert old.retired_at == clock.now() + timedelta(seconds=KNOWN_EVERYWHERE + TTL)


async def test_a_rotation_at_once_is_refused_while_another_is_under_way(
    operator: Operator, first: str
) -> None:
    await operator.rotate(now=True)
    with pytest.raises(ConflictError):
        await operator.rotate(now=True)
    assert len(await operator.keys()) == 2


# Retiring


async def test_the_last_key_that_signs_is_not_retired(operator: Operator, first: str) -> None:
    with pytest.raises(ConflictError) as refused:
        await operator.retire(first)
    assert refused.value.told == NO_OTHER
    assert await operator.states() == {first: "signing"}


async def test_the_key_that_signs_is_not_retired_while_its_successor_waits(
    operator: Operator, first: str
) -> None:
    await operator.rotate()
    with pytest.raises(ConflictError) as refused:
        await operator.retire(first)
    assert refused.value.told == NO_OTHER


async def test_the_key_that_signs_is_not_retired_when_the_other_one_goes_by_itself(
    operator: Operator, first: str, clock: TestClock
) -> None:
    new = await operator.rotate()
    clock.advance(PROPAGATION)
    with pytest.raises(ConflictError) as refused:
        await operator.retire(new)
    assert refused.value.told == NO_OTHER


async def test_the_tokens_of_a_retired_key_are_refused_within_two_seconds(
    http: httpx2.AsyncClient,
    published: Verifier,
    operator: Operator,
    login: Login,
    first: str,
    clock: TestClock,
) -> None:
    token = await login.token()
    new = await operator.rotate(now=True)
    clock.advance(KNOWN_EVERYWHERE)
    await assert_accepted(http, token)
    await operator.retire(first)
    clock.advance(KNOWN_EVERYWHERE)
    await assert_refused(http, token)
    assert await published.kids() == {new}
    await assert_accepted(http, await login.token())


async def test_a_retired_key_is_listed_with_the_time_of_its_end(
    operator: Operator, first: str, clock: TestClock
) -> None:
    await operator.rotate(now=True)
    clock.advance(KNOWN_EVERYWHERE)
    await operator.retire(first)
    (retired,) = [key for key in await operator.keys() if key.kid == first]
    assert (retired.state, retired.retired_at) == ("retired", clock.now())


@pytest.mark.parametrize("kid", ["unknown", ""], ids=["unknown", "empty"])
async def test_a_key_that_is_not_there_is_not_retired(operator: Operator, kid: str) -> None:
    with pytest.raises(NotFoundError) as refused:
        await operator.retire(kid)
    assert refused.value.told == f"there is no published key {kid}"


async def test_a_key_is_not_retired_twice(operator: Operator, first: str, clock: TestClock) -> None:
    await operator.rotate(now=True)
    clock.advance(KNOWN_EVERYWHERE)
    await operator.retire(first)
    with pytest.raises(NotFoundError):
        await operator.retire(first)


async def test_a_key_whose_successor_was_made_just_now_is_retired_when_that_one_signs(
    published: Verifier, operator: Operator, first: str, clock: TestClock
) -> None:
    second = await operator.rotate(now=True)
    await operator.retire(first)
    clock.advance(KNOWN_EVERYWHERE)
    assert await published.kids("ES256") == {second}


@pytest.mark.rfc("8725", "3.2", 2)
@pytest.mark.parametrize("of_ids", ["RS256", "ES256", "EdDSA"])
async def test_a_key_of_each_algorithm_is_rotated_and_the_old_one_gone_after_two_commands(
    published: Verifier, operator: Operator, clock: TestClock, of_ids: Algorithm
) -> None:
    await add_client(operator.server, "signed", id_token_alg=of_ids)
    old = (await operator.server.id_tokens.signing_key(of_ids)).kid
    kids = await operator.rotate_all(now=True)
    await operator.retire(old)
    clock.advance(KNOWN_EVERYWHERE)
    assert set(kids) == {"ES256", "RS256", of_ids}
    assert await published.kids(of_ids) == {kids[of_ids]}
    assert (await operator.server.id_tokens.signing_key(of_ids)).kid == kids[of_ids]


async def test_a_rotation_leaves_keys_alone_that_nothing_is_signed_with(
    operator: Operator, clock: TestClock
) -> None:
    await operator.import_pem(pem_of(ed25519.Ed25519PrivateKey.generate()), activate=True)
    assert set(await operator.rotate_all()) == {"ES256", "RS256"}


async def test_a_rotation_of_all_skips_the_algorithm_whose_next_key_waits_already(
    operator: Operator,
) -> None:
    await operator.rotate()
    assert set(await operator.rotate_all()) == {"RS256"}
    with pytest.raises(ConflictError):
        await operator.rotate_all()


async def test_a_waiting_key_is_not_retired_because_nothing_would_follow(
    operator: Operator, first: str
) -> None:
    waiting = await operator.rotate()
    with pytest.raises(ConflictError):
        await operator.retire(waiting)


async def test_the_last_key_that_signs_id_tokens_is_not_retired(operator: Operator) -> None:
    before = await operator.keys_of("RS256")
    with pytest.raises(ConflictError) as refused:
        await operator.retire(before[0].kid)
    assert refused.value.told == NO_OTHER
    assert await operator.keys_of("RS256") == before


async def test_the_last_key_of_an_algorithm_that_nothing_needs_is_retired(
    published: Verifier, operator: Operator, clock: TestClock
) -> None:
    kid = await operator.import_pem(pem_of(ed25519.Ed25519PrivateKey.generate()), activate=True)
    clock.advance(KNOWN_EVERYWHERE)
    assert await published.kids("EdDSA") == {kid}
    await operator.retire(kid)
    clock.advance(KNOWN_EVERYWHERE)
    assert await published.kids("EdDSA") == set()


# Importing


def pem_of(
    key: PrivateKeyTypes, form: PrivateFormat = PrivateFormat.PKCS8, passphrase: bytes = b""
) -> bytes:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, form, encryption)


def p256() -> PrivateKeyTypes:
    return ec.generate_private_key(ec.SECP256R1())


def rsa_of(bits: int) -> PrivateKeyTypes:
    return rsa.generate_private_key(65537, bits)


IMPORTABLE: list[Any] = [
    pytest.param("ES256", lambda: pem_of(p256()), id="p256_pkcs8"),
    pytest.param("ES256", lambda: pem_of(p256(), PrivateFormat.TraditionalOpenSSL), id="p256_sec1"),
    pytest.param("RS256", lambda: pem_of(rsa_of(2048)), id="rsa_2048_pkcs8"),
    pytest.param(
        "RS256",
        lambda: pem_of(rsa_of(3072), PrivateFormat.TraditionalOpenSSL),
        id="rsa_3072_pkcs1",
    ),
    pytest.param("EdDSA", lambda: pem_of(ed25519.Ed25519PrivateKey.generate()), id="ed25519"),
]


@pytest.mark.parametrize(("alg", "make"), IMPORTABLE)
async def test_an_imported_key_is_published_first_and_then_signs(
    http: httpx2.AsyncClient,
    published: Verifier,
    operator: Operator,
    login: Login,
    first: str,
    clock: TestClock,
    alg: Algorithm,
    make: Any,
) -> None:
    kid = await operator.import_pem(make())
    clock.advance(KNOWN_EVERYWHERE)
    assert await published.kids(alg) == {first, kid}
    assert await login.kid() == first
    clock.advance(PROPAGATION - KNOWN_EVERYWHERE)
    token = await login.token()
    assert jwt.get_unverified_header(token)["kid"] == kid
    await assert_accepted(http, token)
    clock.advance(KNOWN_EVERYWHERE + TTL)
    assert await published.kids(alg) == {kid}


async def test_an_imported_key_signs_at_once_when_activated(
    operator: Operator, login: Login, clock: TestClock
) -> None:
    kid = await operator.import_pem(pem_of(p256()), activate=True)
    clock.advance(KNOWN_EVERYWHERE)
    assert await login.kid() == kid


async def test_an_imported_key_of_another_algorithm_leaves_the_one_that_signs(
    published: Verifier, operator: Operator, login: Login, first: str, clock: TestClock
) -> None:
    kid = await operator.import_pem(pem_of(ed25519.Ed25519PrivateKey.generate()), activate=True)
    clock.advance(KNOWN_EVERYWHERE + PROPAGATION + TTL)
    assert await published.kids("EdDSA") == {kid}
    assert await published.kids() == {first}
    assert await login.kid() == first


WRONG_KIND = (
    "the key cannot be used: a signing key must be RSA of 2048 bits or more, P-256, or Ed25519"
)
PASSPHRASE = "the key cannot be used: the private key is protected by a passphrase: remove it first"


@pytest.mark.rfc("8725", "3.5")
@pytest.mark.parametrize(
    ("make", "detail"),
    [
        pytest.param(lambda: pem_of(rsa_of(1024)), WRONG_KIND, id="rsa_1024"),
        pytest.param(lambda: pem_of(rsa_of(2040)), WRONG_KIND, id="rsa_2040"),
        pytest.param(
            lambda: pem_of(ec.generate_private_key(ec.SECP384R1())), WRONG_KIND, id="p384"
        ),
        pytest.param(
            lambda: pem_of(ec.generate_private_key(ec.SECP521R1())), WRONG_KIND, id="p521"
        ),
        pytest.param(
            lambda: pem_of(ec.generate_private_key(ec.SECP256K1())), WRONG_KIND, id="secp256k1"
        ),
        pytest.param(lambda: pem_of(ed448.Ed448PrivateKey.generate()), WRONG_KIND, id="ed448"),
        pytest.param(lambda: pem_of(x25519.X25519PrivateKey.generate()), WRONG_KIND, id="x25519"),
        pytest.param(lambda: pem_of(dsa.generate_private_key(2048)), WRONG_KIND, id="dsa"),
        pytest.param(lambda: pem_of(p256(), passphrase=b"open"), PASSPHRASE, id="passphrase"),
        pytest.param(
            lambda: pem_of(p256(), PrivateFormat.TraditionalOpenSSL, b"open"),
            PASSPHRASE,
            id="passphrase_sec1",
        ),
    ],
)
async def test_a_key_that_cannot_sign_here_is_refused_with_the_reason(
    operator: Operator, first: str, make: Any, detail: str
) -> None:
    with pytest.raises(InvalidError) as refused:
        await operator.import_pem(make())
    assert refused.value.told == detail
    assert await operator.states() == {first: "signing"}


def public_pem() -> bytes:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


UNKNOWN_CURVE = b"""-----BEGIN EC PRIVATE KEY-----
MCgCAQEEGAECAwQFBgcICQoLDA0ODxAREhMUFRYXGKAJBgcrgQQAIgMEBg==
-----END EC PRIVATE KEY-----
"""


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: b"", id="empty"),
        pytest.param(lambda: b"garbage", id="garbage"),
        pytest.param(lambda: b"\x00\xff\xfe", id="binary"),
        pytest.param(
            lambda: b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", id="junk"
        ),
        pytest.param(lambda: pem_of(p256())[:-60], id="cut"),
        pytest.param(lambda: UNKNOWN_CURVE, id="a_broken_curve"),
        pytest.param(public_pem, id="a_public_key"),
    ],
)
async def test_what_is_no_private_key_is_refused_in_one_line(
    operator: Operator, first: str, make: Any
) -> None:
    with pytest.raises(InvalidError) as refused:
        await operator.import_pem(make())
    assert refused.value.told.startswith("the key cannot be used: ")
    assert "\n" not in refused.value.told
    assert await operator.states() == {first: "signing"}


async def test_a_key_that_is_here_already_is_refused(operator: Operator, clock: TestClock) -> None:
    pem = pem_of(p256())
    kid = await operator.import_pem(pem)
    clock.advance(PROPAGATION)
    before = await operator.keys()
    with pytest.raises(ConflictError) as refused:
        await operator.import_pem(pem)
    assert refused.value.told == f"the key {kid} already exists"
    assert await operator.keys() == before


async def test_a_key_that_is_here_in_another_encoding_is_refused(
    operator: Operator, clock: TestClock
) -> None:
    key = p256()
    kid = await operator.import_pem(pem_of(key))
    clock.advance(PROPAGATION)
    with pytest.raises(ConflictError) as refused:
        await operator.import_pem(pem_of(key, PrivateFormat.TraditionalOpenSSL))
    assert refused.value.told == f"the key {kid} already exists"


async def test_an_import_is_refused_while_a_key_of_that_algorithm_waits(
    operator: Operator, first: str
) -> None:
    waiting = await operator.rotate()
    with pytest.raises(ConflictError) as refused:
        await operator.import_pem(pem_of(p256()))
    assert refused.value.told == (
        f"the key {waiting} is already pending: `keys rotate --now` makes it sign at once"
    )
    assert await operator.states() == {waiting: "pending", first: "signing"}


# The secret key

NOT_THEIRS = "LATCHKEY_SECRET_KEY is not the key that the signing keys are encrypted with"


async def test_a_rotation_under_another_secret_is_refused(operator: Operator, first: str) -> None:
    with pytest.raises(ConflictError) as refused:
        await operator.rotate(secret=NEW)
    assert refused.value.told == NOT_THEIRS
    assert await operator.states() == {first: "signing"}


async def test_an_import_under_another_secret_is_refused(operator: Operator, first: str) -> None:
    with pytest.raises(ConflictError) as refused:
        await operator.import_pem(pem_of(p256()), secret=NEW)
    assert refused.value.told == NOT_THEIRS
    assert await operator.states() == {first: "signing"}


async def start(settings: Settings, *secrets: str, clock: TestClock) -> str:
    """Start a worker with these secrets and stop it; the ``kid`` of the key it signs with."""
    changed = make_settings(**settings.model_dump() | {"secret_key": list(secrets)})
    server = Server(changed, clock)
    try:
        await server.start()
        return (await server.keys.signing("ES256")).kid
    finally:
        await server.close()


async def encrypted(server: Server) -> dict[str, str]:
    async with server.database.read() as connection:
        rows = await connection.execute(select(SigningKey.kid, SigningKey.private_key))
    return {row.kid: row.private_key for row in rows}


async def test_a_worker_that_knows_the_new_and_the_old_secret_signs_with_the_same_key(
    settings: Settings, first: str, clock: TestClock
) -> None:
    assert await start(settings, NEW, OLD, clock=clock) == first


async def test_a_start_with_both_secrets_encrypts_every_key_anew_under_the_newest(
    server: Server, settings: Settings, operator: Operator, first: str, clock: TestClock
) -> None:
    waiting = await operator.rotate()
    await start(settings, NEW, OLD, clock=clock)
    after = await encrypted(server)
    assert {first, waiting} <= set(after)
    for value in after.values():
        assert b"PRIVATE KEY" in Encryption([NEW]).decrypt(value)


async def test_after_such_a_start_the_old_secret_can_go(
    settings: Settings, first: str, clock: TestClock
) -> None:
    await start(settings, NEW, OLD, clock=clock)
    assert await start(settings, NEW, clock=clock) == first


async def test_after_such_a_start_the_old_secret_alone_no_longer_starts(
    settings: Settings, first: str, clock: TestClock
) -> None:
    await start(settings, NEW, OLD, clock=clock)
    with pytest.raises(SettingsError):
        await start(settings, OLD, clock=clock)


async def test_a_wrong_secret_stops_the_start_with_one_line_and_changes_nothing(
    server: Server, settings: Settings, first: str, clock: TestClock
) -> None:
    before = await encrypted(server)
    with pytest.raises(SettingsError) as stopped:
        await start(settings, NEW, clock=clock)
    assert str(stopped.value) == (
        "LATCHKEY_SECRET_KEY is not the key that the signing keys are encrypted with: "
        "add the older one after a comma"
    )
    assert await encrypted(server) == before


async def test_a_running_worker_with_the_old_secret_goes_on_while_the_new_one_is_introduced(
    http: httpx2.AsyncClient, settings: Settings, login: Login, clock: TestClock
) -> None:
    token = await login.token()
    await start(settings, NEW, OLD, clock=clock)
    clock.advance(KNOWN_EVERYWHERE)
    await assert_accepted(http, token)
    await assert_accepted(http, await login.token())


def test_a_plan_publishes_before_it_signs_and_retires_after_the_last_token(
    clock: TestClock,
) -> None:
    now: datetime = clock.now()
    settings = make_settings(access_token_ttl=60, id_token_ttl=50)
    later = plan_succession(now, settings, at_once=False)
    at_once = plan_succession(now, settings, at_once=True)
    assert (later.active_from - now).total_seconds() == PROPAGATION
    assert (at_once.active_from - now).total_seconds() == KNOWN_EVERYWHERE
    for plan in (later, at_once):
        assert (plan.old_retires_at - plan.active_from).total_seconds() == KNOWN_EVERYWHERE + 60
