"""Resource servers in other hands: they know the metadata's address, and nothing else.

Two servers issue all the time while the signing key is rotated by the operator's command.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2
import joserfc.jwt
import jwt
import pytest
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import select

from app.database.engines import Database, lock
from app.database.recent import MAX_AGE
from app.models import SigningKey
from app.tokens.key_rotation import KEYS_LOCK
from tests.support.databases import Backend
from tests.support.live_server import latchkey, serving_twice

SERVICE = ("demo-service", "demo-service-secret-for-development-only")
ALGORITHMS = ["ES256"]
METADATA = "/.well-known/oauth-authorization-server"

BEFORE, AFTER = 1, 5
"""Seconds in which tokens are issued before the command and after it, besides while it runs."""

PAUSE = 0.01
"""Seconds between two tokens of one server: the command needs the machine too."""

TAKES_OVER_WITHIN = 4
"""Seconds after the command has ended. It promises two, and a busy machine needs some."""

OLD_TOKENS = 50
"""How many tokens of the old key are verified again in the end."""

CLIENT_TIMEOUT = 20


# The verifiers

Verifier = Callable[[str], Mapping[str, Any]]


def pyjwt_verifier(jwks_uri: str, issuer: str, client: jwt.PyJWKClient) -> Verifier:
    """PyJWT, as its documents say; the client keeps the key set."""
    assert client.uri == jwks_uri

    def verify(token: str) -> Mapping[str, Any]:
        key = client.get_signing_key_from_jwt(token)
        claims: Mapping[str, Any] = jwt.decode(
            token, key, algorithms=ALGORITHMS, issuer=issuer, audience=issuer
        )
        return claims

    return verify


class AuthlibVerifier:
    """joserfc, which Authlib uses; keeps the key set, and reads it again for an unknown key.

    That is how Authlib's own clients treat the keys of a provider.
    """

    def __init__(self, jwks_uri: str, issuer: str) -> None:
        self._jwks_uri = jwks_uri
        self._registry = joserfc.jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": issuer},
            exp={"essential": True},
        )
        self._keys = self._fetch()

    def _fetch(self) -> KeySet:
        return KeySet.import_key_set(get(self._jwks_uri))

    def __call__(self, token: str) -> Mapping[str, Any]:
        try:
            decoded = joserfc.jwt.decode(token, self._keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            self._keys = self._fetch()
            decoded = joserfc.jwt.decode(token, self._keys, algorithms=ALGORITHMS)
        self._registry.validate(decoded.claims)
        return decoded.claims

    def without_another_look(self, token: str) -> Mapping[str, Any]:
        """Verify with the keys that are kept, and no others."""
        decoded = joserfc.jwt.decode(token, self._keys, algorithms=ALGORITHMS)
        self._registry.validate(decoded.claims)
        return decoded.claims


def get(url: str) -> Any:
    return httpx2.get(url, trust_env=False, timeout=CLIENT_TIMEOUT).raise_for_status().json()


def jwks_uris(urls: tuple[str, str]) -> list[str]:
    """What the metadata names, which is at the first server, and the same at the second."""
    jwks_uri: str = get(urls[0] + METADATA)["jwks_uri"]
    assert jwks_uri.startswith(urls[0])
    return [jwks_uri, urls[1] + jwks_uri.removeprefix(urls[0])]


def caching_verifiers(urls: tuple[str, str]) -> dict[str, Verifier]:
    """Both libraries at both servers; they look again, at once, for a key that is unknown."""
    issuer = get(urls[0] + METADATA)["issuer"]
    verifiers: dict[str, Verifier] = {}
    for n, jwks_uri in enumerate(jwks_uris(urls)):
        client = jwt.PyJWKClient(jwks_uri, cooldown_duration=0)
        verifiers[f"PyJWT at {n}"] = pyjwt_verifier(jwks_uri, issuer, client)
        verifiers[f"Authlib at {n}"] = AuthlibVerifier(jwks_uri, issuer)
    return verifiers


# What they verify


def issue(http: httpx2.Client, url: str) -> str:
    form = {"grant_type": "client_credentials"}
    token: str = http.post(f"{url}/token", data=form, auth=SERVICE).json()["access_token"]
    return token


def is_active(http: httpx2.Client, url: str, token: str) -> bool:
    answer = http.post(f"{url}/introspect", data={"token": token}, auth=SERVICE)
    active: bool = answer.json()["active"]
    return active


def kid_of(token: str) -> str:
    kid: str = jwt.get_unverified_header(token)["kid"]
    return kid


def http_client() -> httpx2.Client:
    return httpx2.Client(trust_env=False, timeout=CLIENT_TIMEOUT)


@pytest.fixture(scope="module")
def servers(backend: Backend) -> Generator[tuple[str, str, str]]:
    """Two servers on one database, and the URL of that database."""
    database_url = backend.seeded()
    with serving_twice(database_url) as urls:
        yield *urls, database_url
    backend.drop(database_url)


# A rotation at once


@dataclass
class Issuing:
    """What one server issued, and how it was verified."""

    tokens: list[tuple[float, str]] = field(default_factory=list)
    """When each came, and the token."""
    failures: list[str] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def kids(self) -> list[str]:
        """Those that signed, each once, in order."""
        return list(dict.fromkeys(kid_of(token) for _, token in self.tokens))

    def first_of(self, kid: str) -> float:
        """When the first token came that this key signed."""
        return next(moment for moment, token in self.tokens if kid_of(token) == kid)


@dataclass(frozen=True)
class Rotation:
    """A storm with a rotation in it."""

    issuing: list[Issuing]
    """One for each server."""
    old_kid: str
    new_kid: str
    commanded_at: float
    """When the command had ended."""
    old_tokens_afterwards: dict[str, int]
    """How many tokens of the old key each verifier, made after the rotation, has verified."""
    old_tokens: int
    last_kids: list[str]
    published: list[set[str]]
    """The keys for access tokens in the JWKS of each server, afterwards."""


def _keep_issuing(urls: tuple[str, str], n: int, stop: threading.Event, found: Issuing) -> None:
    """At server ``n``; every token, and the first one again, is verified by all at once."""
    try:
        verifiers = caching_verifiers(urls)
        with http_client() as http:
            first = issue(http, urls[n])
            while not stop.wait(PAUSE):
                token = issue(http, urls[n])
                found.tokens.append((time.monotonic(), token))
                for name, verify in verifiers.items():
                    for each in (first, token):
                        try:
                            assert verify(each)["sub"] == "demo-service"
                        except Exception as error:
                            found.failures.append(f"{name}: {kid_of(each)}: {error!r}")
                if not is_active(http, urls[1 - n], token):
                    found.failures.append(f"the other server: {kid_of(token)}")
    except BaseException as error:
        found.error = error


@pytest.fixture(scope="module")
def rotation(servers: tuple[str, str, str]) -> Rotation:
    """``keys rotate --now`` while both servers issue and their tokens are verified."""
    *addresses, database_url = servers
    urls = (addresses[0], addresses[1])
    with http_client() as http:
        old_kid = kid_of(issue(http, urls[0]))
    issuing = [Issuing(), Issuing()]
    stop = threading.Event()
    threads = [
        threading.Thread(target=_keep_issuing, args=(urls, n, stop, found))
        for n, found in enumerate(issuing)
    ]
    for thread in threads:
        thread.start()
    try:
        time.sleep(BEFORE)  # the storm runs
        told = json.loads(latchkey(database_url, "keys", "rotate", "--now", "--json"))
        commanded_at = time.monotonic()
        time.sleep(AFTER)  # the storm goes on, past the moment in which the key takes over
    finally:
        stop.set()
        for thread in threads:
            thread.join(CLIENT_TIMEOUT)
    assert not any(thread.is_alive() for thread in threads)
    for found in issuing:
        if found.error is not None:
            raise found.error
    of_old_key = [t for found in issuing for _, t in found.tokens if kid_of(t) == old_kid]
    old = of_old_key[-OLD_TOKENS:]
    afterwards = {
        name: sum(verify(token)["sub"] == "demo-service" for token in old)
        for name, verify in caching_verifiers(urls).items()
    }
    with http_client() as http:
        afterwards |= {
            f"server {n}": sum(is_active(http, url, token) for token in old)
            for n, url in enumerate(urls)
        }
        last_kids = [kid_of(issue(http, url)) for url in urls]
    return Rotation(
        issuing=issuing,
        old_kid=old_kid,
        new_kid=told["kid"],
        commanded_at=commanded_at,
        old_tokens_afterwards=afterwards,
        old_tokens=len(old),
        last_kids=last_kids,
        published=[
            {key["kid"] for key in get(uri)["keys"] if key["alg"] in ALGORITHMS}
            for uri in jwks_uris(urls)
        ],
    )


def test_no_verifier_that_keeps_the_key_set_fails_before_during_or_after_a_rotation(
    rotation: Rotation,
) -> None:
    assert [found.failures for found in rotation.issuing] == [[], []]


def test_both_servers_issue_with_the_old_key_and_then_with_the_new_one_and_never_go_back(
    rotation: Rotation,
) -> None:
    expected = [rotation.old_kid, rotation.new_kid]
    assert [found.kids for found in rotation.issuing] == [expected, expected]
    for found in rotation.issuing:
        kids = [kid_of(token) for _, token in found.tokens]
        assert kids == sorted(kids, key=expected.index)


def test_both_servers_sign_with_the_new_key_a_few_seconds_after_the_command(
    rotation: Rotation,
) -> None:
    for found in rotation.issuing:
        delay = found.first_of(rotation.new_kid) - rotation.commanded_at
        assert delay < TAKES_OVER_WITHIN
    assert rotation.last_kids == [rotation.new_kid, rotation.new_kid]


def test_tokens_of_the_old_key_are_verified_by_everybody_after_the_rotation(
    rotation: Rotation,
) -> None:
    assert rotation.old_tokens == OLD_TOKENS
    assert len(rotation.old_tokens_afterwards) == 6
    assert set(rotation.old_tokens_afterwards.values()) == {rotation.old_tokens}


def test_both_servers_publish_the_old_key_and_the_new_one_after_the_rotation(
    rotation: Rotation,
) -> None:
    both = {rotation.old_kid, rotation.new_kid}
    assert rotation.published == [both, both]


# A rotation in two steps, as it is meant to be done


def test_verifiers_that_learned_of_a_key_before_it_signs_never_have_to_look_again(
    servers: tuple[str, str, str], rotation: Rotation
) -> None:
    *addresses, database_url = servers
    urls = (addresses[0], addresses[1])
    issuer = get(urls[0] + METADATA)["issuer"]
    uris = jwks_uris(urls)
    new_kid = json.loads(latchkey(database_url, "keys", "rotate", "--json"))["kid"]

    def is_published_everywhere() -> bool:
        return all(new_kid in {key["kid"] for key in get(uri)["keys"]} for uri in uris)

    assert within(TAKES_OVER_WITHIN, is_published_everywhere)
    # PyJWKClient with its defaults looks for an unknown key at most every 30 seconds.
    verifiers: list[Verifier] = []
    with http_client() as http:
        for uri in uris:
            verifiers.append(pyjwt_verifier(uri, issuer, jwt.PyJWKClient(uri)))
            verifiers.append(AuthlibVerifier(uri, issuer).without_another_look)
        for url in urls:
            token = issue(http, url)
            assert kid_of(token) == rotation.new_kid
            assert [v(token)["sub"] for v in verifiers] == ["demo-service"] * len(verifiers)
        latchkey(database_url, "keys", "rotate", "--now", "--json")

        def signs_everywhere() -> bool:
            tokens = [issue(http, url) for url in urls]
            for token in tokens:
                assert [v(token)["sub"] for v in verifiers] == ["demo-service"] * len(verifiers)
            return [kid_of(token) for token in tokens] == [new_kid, new_kid]

        assert within(TAKES_OVER_WITHIN, signs_everywhere)


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


# A rotation that has to wait for the database

HELD = 4
"""Seconds for which another transaction holds the lock: less than the wait that is allowed."""


async def test_a_rotation_that_waited_for_a_lock_still_publishes_the_key_before_it_signs(
    database_url: str,
) -> None:
    database = Database(database_url)
    try:
        async with database.transaction() as connection:
            await lock(connection, KEYS_LOCK)
            command = asyncio.create_task(
                asyncio.to_thread(latchkey, database_url, "keys", "rotate", "--now", "--json")
            )
            # The command starts meanwhile, and waits.
            await asyncio.sleep(HELD)
            assert not command.done()
            released_at = datetime.now(UTC)
        kid = json.loads(await command)["kid"]
        async with database.read() as connection:
            active_from = await connection.scalar(
                select(SigningKey.active_from).where(SigningKey.kid == kid)
            )
    finally:
        await database.close()
    assert active_from is not None
    # A worker that read the keys just before they changed goes on with them for so long.
    assert (active_from - released_at).total_seconds() >= MAX_AGE
