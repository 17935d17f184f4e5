"""Signing keys that cost nothing: every application of this process makes two when it starts."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from itertools import count

import pytest

from app.security.jwt import Algorithm, PrivateKey, generate_private_key, parse_private_key

KEYS = 8
"""Of each kind. More than any test puts into one database, where a second one would be refused."""


@contextmanager
def cheap_signing_keys() -> Generator[None]:
    """Within it keys come from a small stock, and each is read and checked only once.

    The services get genuine keys of the genuine size, and their results are not touched.
    """
    numbers = count()

    @cache
    def stock(alg: Algorithm, _number: int) -> bytes:
        return generate_private_key(alg)

    def generate(alg: Algorithm) -> bytes:
        return stock(alg, next(numbers) % KEYS)

    @cache
    def parse_once(pem: bytes) -> tuple[PrivateKey, dict[str, str]]:
        return parse_private_key(pem)

    def parse(pem: bytes) -> tuple[PrivateKey, dict[str, str]]:
        key, jwk = parse_once(pem)
        return key, dict(jwk)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.tokens.key_rotation.generate_private_key", generate)
        patch.setattr("app.tokens.key_rotation.parse_private_key", parse)
        patch.setattr("app.tokens.keys.parse_private_key", parse)
        yield
