"""Signing keys: made on first start, kept encrypted, used for every algorithm."""

import asyncio
import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import httpx2
import jwt
import pytest
from sqlalchemy import Row, select, update
from structlog.testing import capture_logs

from app.database.engines import Database
from app.models import SigningKey
from app.security.encryption import Encryption, UndecryptableError
from app.security.jwt import Algorithm, generate_private_key, parse_private_key
from app.server import Server
from app.settings import Settings, SettingsError
from app.tokens.key_rotation import KNOWN_EVERYWHERE, PROPAGATION, import_key
from app.tokens.keys import KeyRing, NoSigningKeyError
from tests.conftest import make_settings
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, bearer, log_in

OLD = "the-secret-key-of-last-year-32-bytes"
NEW = "the-secret-key-of-this-year-32-bytes"

ALGORITHMS = pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])


@pytest.fixture
def alg() -> Algorithm:
    return "ES256"


@pytest.fixture
def settings(database_url: str, alg: Algorithm) -> Settings:
    return make_settings(database_url=database_url, access_token_alg=alg, secret_key=[OLD])


async def stored(database: Database, alg: Algorithm | None = None) -> list[Row[Any]]:
    """The keys of the database, or those of one algorithm."""
    query = select(
        SigningKey.kid,
        SigningKey.alg,
        SigningKey.public_jwk,
        SigningKey.private_key,
        SigningKey.active_from,
        SigningKey.retired_at,
    ).order_by(SigningKey.kid)
    if alg is not None:
        query = query.where(SigningKey.alg == alg)
    async with database.read() as connection:
        return list(await connection.execute(query))


async def add_key(server: Server, alg: Algorithm, *, at_once: bool) -> str:
    """Another key, beside which the others stay for a day."""
    async with server.database.transaction() as connection:
        kid, _ = await import_key(
            connection,
            server.encryption,
            generate_private_key(alg),
            server.clock,
            server.settings.model_copy(update={"access_token_ttl": 86_400}),
            at_once=at_once,
        )
    return kid


async def retire(server: Server, kid: str, in_seconds: float = 0) -> None:
    retired_at = server.clock.now() + timedelta(seconds=in_seconds)
    async with server.database.transaction() as connection:
        await connection.execute(
            update(SigningKey).where(SigningKey.kid == kid).values(retired_at=retired_at)
        )


# The first key


@ALGORITHMS
async def test_the_first_start_makes_a_key_for_access_tokens_and_one_for_id_tokens(
    server: Server, alg: Algorithm
) -> None:
    keys = await stored(server.database)
    assert sorted(key.alg for key in keys) == sorted({alg, "RS256"})
    assert {(key.active_from, key.retired_at) for key in keys} == {(server.clock.now(), None)}


async def test_a_second_start_keeps_the_key(server: Server, settings: Settings) -> None:
    before = await stored(server.database)
    second = Server(settings, server.clock)
    await second.start()
    await second.close()
    assert await stored(server.database) == before


async def test_workers_that_start_at_once_make_one_key_of_each_algorithm(
    settings: Settings, clock: TestClock
) -> None:
    workers = [Server(settings, clock) for _ in range(4)]
    await asyncio.gather(*(worker.start() for worker in workers))
    keys = await stored(workers[0].database)
    signing = {(await worker.keys.signing("ES256")).kid for worker in workers}
    for worker in workers:
        await worker.close()
    assert sorted(key.alg for key in keys) == ["ES256", "RS256"]
    assert [key.kid for key in keys if key.alg == "ES256"] == list(signing)


@pytest.mark.rfc("8725", "3.2", 2)
async def test_a_start_with_another_algorithm_adds_a_key_and_keeps_the_others(
    server: Server, settings: Settings
) -> None:
    before = await stored(server.database)
    second = Server(settings.model_copy(update={"access_token_alg": "EdDSA"}), server.clock)
    await second.start()
    await second.close()
    (added,) = await stored(server.database, "EdDSA")
    assert [key for key in await stored(server.database) if key != added] == before


async def test_a_start_makes_a_new_key_when_the_only_one_is_retired(
    server: Server, settings: Settings
) -> None:
    (first,) = await stored(server.database, "ES256")
    await retire(server, first.kid)
    second = Server(settings, server.clock)
    await second.start()
    signing = await second.keys.signing("ES256")
    await second.close()
    assert signing.kid != first.kid


# What is stored


def thumbprint(members: dict[str, str]) -> str:
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@pytest.mark.parametrize(
    ("alg", "members"),
    [
        ("ES256", ("crv", "kty", "x", "y")),
        ("RS256", ("e", "kty", "n")),
        ("EdDSA", ("crv", "kty", "x")),
    ],
)
async def test_the_kid_is_the_thumbprint_of_the_public_key(
    server: Server, alg: Algorithm, members: tuple[str, ...]
) -> None:
    (key,) = await stored(server.database, alg)
    jwk = key.public_jwk
    assert key.kid == thumbprint({name: jwk[name] for name in members})
    assert set(jwk) == {*members, "kid", "use", "alg"}
    assert (jwk["kid"], jwk["use"], jwk["alg"]) == (key.kid, "sig", alg)


@pytest.mark.rfc("7517", "9.2")
@ALGORITHMS
async def test_the_private_half_is_encrypted_at_rest(server: Server, alg: Algorithm) -> None:
    (key,) = await stored(server.database, alg)
    assert "PRIVATE" not in key.private_key
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(key.public_jwk)
    pem = Encryption([OLD]).decrypt(key.private_key)
    assert parse_private_key(pem)[1] == key.public_jwk


async def test_under_another_secret_key_the_keys_are_published_and_do_not_sign(
    server: Server, clock: TestClock
) -> None:
    ring = KeyRing(server.database, Encryption([NEW]), clock)
    with capture_logs() as logs, pytest.raises(NoSigningKeyError):
        await ring.signing("ES256")
    assert await ring.public() == await server.keys.public()
    kids = {key.kid for key in await stored(server.database)}
    assert {line["kid"] for line in logs} == kids == set(await ring.public())
    for line in logs:
        assert line["log_level"] == "error"
        assert line["event"] == "a signing key cannot be decrypted with LATCHKEY_SECRET_KEY"


async def test_a_key_that_cannot_be_decrypted_leaves_signing_to_another_one(
    server: Server, clock: TestClock
) -> None:
    first = (await server.keys.signing("ES256")).kid
    foreign = await add_key(server, "ES256", at_once=True)
    clock.advance(KNOWN_EVERYWHERE)
    assert (await server.keys.signing("ES256")).kid == foreign
    async with server.database.transaction() as connection:
        await connection.execute(
            update(SigningKey)
            .where(SigningKey.kid == foreign)
            .values(private_key=Encryption([NEW]).encrypt(generate_private_key("ES256")))
        )
    ring = KeyRing(server.database, server.encryption, clock)
    with capture_logs() as logs:
        assert (await ring.signing("ES256")).kid == first
    assert [(line["log_level"], line["kid"]) for line in logs] == [("error", foreign)]
    assert foreign in await ring.public()


async def test_a_start_with_another_secret_key_stops_with_a_line_that_says_what_to_do(
    server: Server, settings: Settings
) -> None:
    second = Server(make_settings(**settings.model_dump() | {"secret_key": [NEW]}), server.clock)
    with pytest.raises(SettingsError) as stopped:
        await second.start()
    await second.close()
    assert str(stopped.value) == (
        "LATCHKEY_SECRET_KEY is not the key that the signing keys are encrypted with: "
        "add the older one after a comma"
    )


async def test_a_changed_private_key_is_not_decrypted(server: Server) -> None:
    (key,) = await stored(server.database, "ES256")
    changed = key.private_key[:-9] + ("A" if key.private_key[-9] != "A" else "B")
    with pytest.raises(UndecryptableError):
        server.encryption.decrypt(changed + key.private_key[-8:])


async def test_a_rotated_secret_key_still_decrypts_and_encrypts_with_the_newest(
    server: Server, clock: TestClock
) -> None:
    rotated = Encryption([NEW, OLD])
    ring = KeyRing(server.database, rotated, clock)
    assert (await ring.signing("ES256")).kid == (await server.keys.signing("ES256")).kid
    assert Encryption([NEW]).decrypt(rotated.encrypt(b"plain")) == b"plain"


async def test_a_start_encrypts_the_keys_under_the_newest_secret_key(
    server: Server, settings: Settings
) -> None:
    before = await stored(server.database)
    changes = settings.model_dump() | {"secret_key": [NEW, OLD]}
    second = Server(make_settings(**changes), server.clock)
    await second.start()
    await second.close()
    after = await stored(server.database)
    assert [(key.kid, Encryption([NEW]).decrypt(key.private_key)) for key in after] == [
        (key.kid, Encryption([OLD]).decrypt(key.private_key)) for key in before
    ]


# Signing


@pytest.mark.rfc("7519", "8", 2)
@pytest.mark.rfc("8725", "3.2", 1)
@pytest.mark.rfc("9068", "2.1", 3)
@ALGORITHMS
async def test_a_token_of_each_algorithm_opens_a_protected_route(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient, alg: Algorithm
) -> None:
    token = (await log_in(http, alice, web, "profile"))["access_token"]
    (key,) = await stored(server.database, alg)
    assert jwt.get_unverified_header(token) == {"alg": alg, "typ": "at+jwt", "kid": key.kid}
    response = await http.get("/users/me", headers=bearer(token))
    assert (response.status_code, response.json()["username"]) == (200, "alice")


@pytest.mark.rfc("7519", "8", 2, 3)
@pytest.mark.rfc("9068", "2.1", 1)
@ALGORITHMS
async def test_a_library_verifies_a_token_of_each_algorithm_with_the_public_key(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient, alg: Algorithm
) -> None:
    token = (await log_in(http, alice, web, "profile"))["access_token"]
    (key,) = await stored(server.database, alg)
    issuer = server.settings.issuer
    claims = jwt.decode(token, jwt.PyJWK(key.public_jwk).key, [alg], audience=issuer, issuer=issuer)
    assert claims["sub"] == str(alice.id)


async def test_of_several_active_keys_the_newest_signs(server: Server, clock: TestClock) -> None:
    clock.advance(10)
    newest = await add_key(server, "ES256", at_once=True)
    clock.advance(KNOWN_EVERYWHERE)
    assert (await server.keys.signing("ES256")).kid == newest


async def published(server: Server, alg: Algorithm) -> set[str]:
    keys = await server.keys.public()
    return {kid for kid, key in keys.items() if key.alg == alg}


async def test_a_key_is_published_before_it_signs(server: Server, clock: TestClock) -> None:
    first = (await server.keys.signing("ES256")).kid
    coming = await add_key(server, "ES256", at_once=False)
    clock.advance(2)
    assert await published(server, "ES256") == {first, coming}
    assert (await server.keys.signing("ES256")).kid == first
    clock.advance(PROPAGATION - 3)
    assert (await server.keys.signing("ES256")).kid == first
    clock.advance(1)
    assert (await server.keys.signing("ES256")).kid == coming


async def test_a_key_whose_time_has_not_come_signs_if_there_is_no_other(
    server: Server, clock: TestClock
) -> None:
    first = (await server.keys.signing("ES256")).kid
    coming = await add_key(server, "ES256", at_once=False)
    await retire(server, first)
    clock.advance(2)
    assert await published(server, "ES256") == {coming}
    assert (await server.keys.signing("ES256")).kid == coming


async def test_a_retired_key_neither_signs_nor_is_published(
    server: Server, clock: TestClock
) -> None:
    kid = (await server.keys.signing("ES256")).kid
    await retire(server, kid)
    clock.advance(2)
    assert await published(server, "ES256") == set()
    with pytest.raises(NoSigningKeyError):
        await server.keys.signing("ES256")


async def test_a_key_stays_published_until_the_time_of_its_retirement(
    server: Server, clock: TestClock
) -> None:
    kid = (await server.keys.signing("ES256")).kid
    await retire(server, kid, in_seconds=60)
    clock.advance(57)
    assert await published(server, "ES256") == {kid}
    clock.advance(3)
    assert await published(server, "ES256") == set()


async def test_a_key_of_another_algorithm_does_not_sign(server: Server) -> None:
    with pytest.raises(NoSigningKeyError):
        await server.keys.signing("EdDSA")


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", id="junk"),
    ],
)
def test_what_is_no_private_key_is_a_value_error(pem: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_private_key(pem)
