"""Random secrets, and what is stored of them."""

import base64
import hashlib
import re

import pytest

from app.security.opaque import generate_secret, hash_secret, matches


@pytest.mark.rfc("6749", "10.4", 5)
@pytest.mark.rfc("6749", "10.10", 1)
@pytest.mark.rfc("6750", "5.2", 2)
@pytest.mark.rfc("7009", "5", 1)
@pytest.mark.rfc("webauthn", "13.4.3", 2, 5)
def test_a_secret_has_256_bits() -> None:
    assert len(base64.urlsafe_b64decode(generate_secret() + "=")) == 32


def test_a_secret_needs_no_escaping() -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", generate_secret())


@pytest.mark.rfc("6749", "10.10", 1)
def test_secrets_are_never_the_same() -> None:
    assert len({generate_secret() for _ in range(1000)}) == 1000


def test_the_sha_256_of_a_secret_is_stored() -> None:
    assert hash_secret("a secret") == hashlib.sha256(b"a secret").hexdigest()


def test_a_hash_is_made_of_any_character() -> None:
    assert hash_secret("ein Schlüssel") == hashlib.sha256("ein Schlüssel".encode()).hexdigest()


def test_a_secret_matches_its_hash() -> None:
    assert matches("a secret", [hash_secret("a secret")])


@pytest.mark.parametrize(
    "position", [0, 1, 2], ids=["first_of_three", "second_of_three", "last_of_three"]
)
def test_a_secret_matches_any_of_several_hashes(position: int) -> None:
    secrets = ["one", "two", "three"]
    assert matches(secrets[position], [hash_secret(secret) for secret in secrets])


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("another secret", id="another"),
        pytest.param("A secret", id="another_case"),
        pytest.param("a secret ", id="with_a_space"),
        pytest.param("", id="empty"),
        pytest.param(hash_secret("a secret"), id="the_hash_itself"),
    ],
)
def test_nothing_else_matches(secret: str) -> None:
    assert not matches(secret, [hash_secret("a secret")])


def test_nothing_matches_when_there_is_no_hash() -> None:
    assert not matches("a secret", [])
