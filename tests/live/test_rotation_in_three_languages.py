"""The key of each algorithm is rotated while verifiers in three languages poll the key set."""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Generator

import jwt
import pytest

from app.clock import Clock
from app.security.jwt import Algorithm, sign
from app.server import Server
from tests.conftest import make_settings
from tests.support.databases import Backend
from tests.support.live_server import latchkey, serving
from tests.support.node import FOLDER, needs_node

Verify = Callable[[str], bool]

ALGORITHMS: tuple[Algorithm, ...] = ("ES256", "RS256", "EdDSA")

TAKES_OVER = 15.0
"""Seconds that a machine under load may need for what takes two."""


def program(*command: str) -> Generator[Verify]:
    """A verifier that is told a token on each line, and says what it thinks of it."""
    with subprocess.Popen(
        command, cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:

        def verify(token: str) -> bool:
            assert running.stdin is not None
            assert running.stdout is not None
            running.stdin.write(token + "\n")
            running.stdin.flush()
            answer = running.stdout.readline().strip()
            assert answer in ("good", "refused")
            return answer == "good"

        yield verify
        assert running.stdin is not None
        running.stdin.close()


def in_python(jwks_uri: str) -> Verify:
    client = jwt.PyJWKClient(jwks_uri, cache_jwk_set=False)

    def verify(token: str) -> bool:
        try:
            key = client.get_signing_key_from_jwt(token)
        except jwt.PyJWKClientError:
            return False
        return bool(jwt.decode(token, key, algorithms=list(ALGORITHMS)))

    return verify


def signed(database_url: str) -> dict[Algorithm, str]:
    """A token of the key that signs now, for each algorithm."""

    async def main() -> dict[Algorithm, str]:
        server = Server(make_settings(database_url=database_url), Clock())
        try:
            return {
                alg: sign({"sub": alg}, await server.id_tokens.signing_key(alg), "JWT")
                for alg in ALGORITHMS
            }
        finally:
            await server.close()

    return asyncio.run(main())


@pytest.fixture(scope="module")
def verifiers(sqlite: Backend) -> Generator[tuple[str, dict[str, Verify]]]:
    """The database of a server that runs, and who polls that."""
    needs_node("jose")
    if shutil.which("java") is None:
        pytest.skip("Java is missing: apt-get install default-jdk-headless")
    database_url = sqlite.seeded()
    for alg in ALGORITHMS:
        arguments = ("--grant", "password", "--id-token-alg", alg)
        latchkey(database_url, "clients", "create", f"Of {alg}", *arguments)
    with serving(database_url) as url:
        uri = f"{url}/.well-known/jwks.json"
        java, node = program("java", "Verify.java", uri), program("node", "verify.mjs", uri)
        yield database_url, {"Python": in_python(uri), "Node": next(node), "Java": next(java)}
        for each in (java, node):
            next(each, None)


def kid_of(token: str) -> str:
    kid: str = jwt.get_unverified_header(token)["kid"]
    return kid


def test_no_good_token_is_refused_and_none_of_a_retired_key_taken(
    verifiers: tuple[str, dict[str, Verify]],
) -> None:
    database_url, polling = verifiers

    def thought_of(tokens: dict[Algorithm, str]) -> set[bool]:
        return {verify(token) for verify in polling.values() for token in tokens.values()}

    old = signed(database_url)
    time.sleep(2)  # in which the server learns of the key that was made for EdDSA just now
    assert thought_of(old) == {True}
    told = json.loads(latchkey(database_url, "keys", "rotate", "--now", "--json"))
    assert len(told["kids"]) == len(ALGORITHMS)
    started = time.monotonic()
    new = old
    while {kid_of(token) for token in new.values()} != set(told["kids"]):
        assert time.monotonic() - started < TAKES_OVER
        new = signed(database_url)
        assert thought_of(new) == {True}
    assert thought_of(old) == {True}
    for token in old.values():
        latchkey(database_url, "keys", "retire", kid_of(token))
    retired = time.monotonic()
    while thought_of(old) != {False}:
        assert time.monotonic() - retired < TAKES_OVER
        assert thought_of(new) == {True}
    assert thought_of(new) == {True}
