"""Which tokens are believed: RFC 9068 section 4, RFC 7515, RFC 8725.

No test here changes what the application holds, so all share one application per database.
"""

import base64
import hashlib
import hmac
import json
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.security.jwt import InvalidTokenError
from app.server import Server
from tests.conftest import ISSUER
from tests.support.assertions import assert_bearer_error
from tests.support.factories import add_client, add_user
from tests.support.forger import (
    Forger,
    assert_accepted,
    assert_refused,
    encode,
    encode_parts,
    forge,
    get_me,
    sign,
)
from tests.support.on_sqlite import backend as backend
from tests.support.started import app, clock, http, server, settings

__all__ = ["app", "clock", "http", "server", "settings"]

SKEW = 60

OTHER_EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_JWK = jwt.get_algorithm_by_name("ES256").to_jwk(OTHER_EC_KEY.public_key(), as_dict=True)


@pytest.fixture(scope="module")
async def forger(server: Server, http: httpx2.AsyncClient) -> Forger:
    return await forge(server, http, await add_user(server), await add_client(server))


@pytest.fixture
def token(forger: Forger) -> str:
    return forger.genuine


# What the token looks like


@pytest.mark.rfc("7519", "7.2", 1, 2)
@pytest.mark.parametrize(
    "made",
    [
        pytest.param("x", id="one letter"),
        pytest.param("..", id="three empty parts"),
        pytest.param("{h}.{c}", id="two parts"),
        pytest.param("{h}.{c}.", id="no signature"),
        pytest.param("{h}.{c}.{s}.{s}", id="four parts"),
        pytest.param("{h}.{c}.{s}.{s}.{s}", id="five parts"),
        pytest.param("{h}.{c}.{c}", id="claims as the signature"),
        pytest.param("{h}..{s}", id="no claims"),
        pytest.param(".{c}.{s}", id="no header"),
        pytest.param("{c}.{h}.{s}", id="header and claims swapped"),
        pytest.param("~~~.{c}.{s}", id="header not Base64"),
        pytest.param("{h}.~~~.{s}", id="claims not Base64"),
        pytest.param("{h}.{c}.~~~", id="signature not Base64"),
        pytest.param("{h}.{c}.{s}==", id="padding"),
    ],
)
async def test_a_malformed_token_is_invalid(
    http: httpx2.AsyncClient, token: str, made: str
) -> None:
    header, claims, signature = token.split(".")
    await assert_refused(http, made.format(h=header, c=claims, s=signature))


@pytest.mark.rfc("7519", "7.2", 1, 3)
@pytest.mark.rfc("8725", "3.7")
@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"1", id="number"),
        pytest.param(b"{", id="not closed"),
        pytest.param(b"{}", id="no members"),
        pytest.param(b"\xff\xfe{}", id="not UTF-8"),
        pytest.param(b"[" * 2500, id="deeply nested list"),
        pytest.param(b'{"a":' * 500 + b"1" + b"}" * 500, id="deeply nested object"),
        pytest.param(b'{"alg":"ES256","typ":"at+jwt","kid":' + b"9" * 2000 + b"}", id="huge kid"),
    ],
)
async def test_a_header_that_is_no_json_object_of_ours_is_invalid(
    http: httpx2.AsyncClient, token: str, header: bytes
) -> None:
    _, claims, signature = token.split(".")
    await assert_refused(http, f"{encode(header)}.{claims}.{signature}")


@pytest.mark.parametrize("lost", [1, 2, 43, 86])
async def test_a_truncated_token_is_invalid(
    http: httpx2.AsyncClient, token: str, lost: int
) -> None:
    await assert_refused(http, token[:-lost])


@pytest.mark.rfc("6749", "10.3", 3)
@pytest.mark.rfc("6750", "5.2", 1)
@pytest.mark.rfc("8725", "3.3")
async def test_a_signature_with_one_changed_bit_is_invalid(
    http: httpx2.AsyncClient, token: str
) -> None:
    signed, _, signature = token.rpartition(".")
    changed = bytearray(base64.urlsafe_b64decode(signature + "=="))
    changed[20] ^= 1
    await assert_refused(http, f"{signed}.{encode(bytes(changed))}")


@pytest.mark.rfc("6749", "10.3", 3)
@pytest.mark.rfc("6750", "5.2", 1)
@pytest.mark.rfc("7519", "11.1")
@pytest.mark.rfc("openid-connect-core", "16.3")
async def test_claims_changed_after_signing_are_invalid(
    http: httpx2.AsyncClient, forger: Forger
) -> None:
    header, _, signature = forger.genuine.split(".")
    claims = encode(json.dumps(forger.claims | {"scope": "profile users:write"}).encode())
    await assert_refused(http, f"{header}.{claims}.{signature}")


@pytest.mark.rfc("7519", "4", 2)
async def test_an_oversized_token_is_invalid_although_its_signature_is_good(
    http: httpx2.AsyncClient, forger: Forger
) -> None:
    await assert_accepted(http, forger.sign({"more": "x" * 2000}))
    await assert_refused(http, forger.sign({"more": "x" * 4096}))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ud800", id="lone surrogate"),
        pytest.param("a.b.\udfff", id="surrogate in the signature"),
        pytest.param("a.ü.c", id="Latin-1"),
        pytest.param("a.\x00.c", id="NUL"),
        pytest.param("", id="empty"),
    ],
)
async def test_text_that_no_header_can_carry_is_an_invalid_token(server: Server, text: str) -> None:
    with pytest.raises(InvalidTokenError):
        await server.access_tokens.verify(text)


# Whose signature it has


async def test_a_token_signed_again_with_the_same_key_is_accepted(
    http: httpx2.AsyncClient, forger: Forger
) -> None:
    await assert_accepted(http, forger.sign({"jti": "another"}))


@pytest.mark.rfc("6749", "10.3", 3)
@pytest.mark.rfc("8725", "3.2", 3)
@pytest.mark.rfc("9068", "2.1", 1, 4)
@pytest.mark.rfc("9068", "4", 6)
@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
async def test_an_unsigned_token_is_invalid(
    http: httpx2.AsyncClient, forger: Forger, name: str
) -> None:
    await assert_refused(http, encode_parts(forger.header | {"alg": name}, forger.claims) + ".")


@pytest.mark.rfc("7519", "7.2", 5)
@pytest.mark.rfc("8725", "3.1", 1)
@pytest.mark.parametrize("encoding", ["PEM", "DER", "JWK"])
async def test_the_public_key_is_no_hmac_secret(
    http: httpx2.AsyncClient, forger: Forger, encoding: str
) -> None:
    public = forger.key.public_key()
    secret = {
        "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "JWK": jwt.get_algorithm_by_name("ES256").to_jwk(public).encode(),
    }[encoding]
    signed = encode_parts(forger.header | {"alg": "HS256"}, forger.claims)
    signature = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    await assert_refused(http, f"{signed}.{encode(signature)}")


@pytest.mark.rfc("7519", "11.1")
async def test_another_key_under_the_same_kid_is_refused(
    http: httpx2.AsyncClient, forger: Forger
) -> None:
    await assert_refused(http, forger.sign(key=OTHER_EC_KEY))


@pytest.mark.rfc("8725", "3.1", 3)
async def test_another_algorithm_under_the_same_kid_is_refused(
    http: httpx2.AsyncClient, forger: Forger
) -> None:
    key = rsa.generate_private_key(65537, 2048)
    await assert_refused(http, forger.sign(header={"alg": "RS256"}, key=key, alg="RS256"))


@pytest.mark.rfc("7519", "7.2", 5)
@pytest.mark.rfc("8725", "3.1", 1, 2)
@pytest.mark.rfc("9068", "4", 6)
@pytest.mark.parametrize("alg", ["RS256", "ES384", "ES256K", "EdDSA", "es256", "XX", 1, None])
async def test_a_header_that_names_another_algorithm_is_refused(
    http: httpx2.AsyncClient, forger: Forger, alg: object
) -> None:
    await assert_refused(http, forger.sign(header={"alg": alg}))


@pytest.mark.rfc("8725", "3.8", 1)
@pytest.mark.rfc("8725", "3.10", 1)
@pytest.mark.parametrize(
    "kid",
    [
        pytest.param("unknown", id="unknown"),
        pytest.param("", id="empty"),
        pytest.param("../../../dev/null", id="path"),
        pytest.param("' OR '1'='1", id="SQL"),
        pytest.param("a\x00b", id="NUL"),
        pytest.param("\ud800", id="surrogate"),
        pytest.param(None, id="null"),
        pytest.param(1, id="number"),
        pytest.param(["a"], id="list"),
        pytest.param({}, id="object"),
    ],
)
async def test_an_unknown_kid_is_refused(
    http: httpx2.AsyncClient, forger: Forger, kid: object
) -> None:
    await assert_refused(http, forger.sign(header={"kid": kid}))


async def test_a_token_without_a_kid_is_refused(http: httpx2.AsyncClient, forger: Forger) -> None:
    header = {name: value for name, value in forger.header.items() if name != "kid"}
    await assert_refused(http, sign(encode_parts(header, forger.claims), forger.key))


KEY_HEADERS = [
    pytest.param({"jku": "http://127.0.0.1:1/jwks.json"}, id="jku"),
    pytest.param({"jwk": OTHER_JWK}, id="jwk"),
    pytest.param({"x5u": "http://127.0.0.1:1/cert.pem"}, id="x5u"),
    pytest.param({"x5c": ["AAAA"]}, id="x5c"),
]


@pytest.mark.rfc("8725", "3.10", 2)
@pytest.mark.rfc("9068", "4", 6)
@pytest.mark.parametrize("header", KEY_HEADERS)
async def test_a_header_that_brings_a_key_does_not_make_it_trusted(
    http: httpx2.AsyncClient, forger: Forger, header: dict[str, Any]
) -> None:
    await assert_refused(http, forger.sign(header=header, key=OTHER_EC_KEY))


@pytest.mark.rfc("8725", "3.10", 2)
@pytest.mark.parametrize("header", KEY_HEADERS)
async def test_a_header_that_brings_a_key_is_ignored_when_the_signature_is_ours(
    http: httpx2.AsyncClient, forger: Forger, header: dict[str, Any]
) -> None:
    await assert_accepted(http, forger.sign(header=header))


@pytest.mark.rfc("7519", "7.2", 3)
@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"crit": ["bork"], "bork": True}, id="unknown"),
        pytest.param({"crit": ["exp"]}, id="not in the header"),
        pytest.param({"crit": []}, id="empty"),
        pytest.param({"crit": "bork"}, id="no list"),
        pytest.param({"crit": ["b64"], "b64": False}, id="b64"),
    ],
)
async def test_a_critical_extension_is_refused(
    http: httpx2.AsyncClient, forger: Forger, header: dict[str, Any]
) -> None:
    await assert_refused(http, forger.sign(header=header))


@pytest.mark.rfc("9068", "4", 2)
@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
async def test_the_type_of_an_access_token_is_accepted_in_each_of_its_forms(
    http: httpx2.AsyncClient, forger: Forger, typ: str
) -> None:
    await assert_accepted(http, forger.sign(header={"typ": typ}))


@pytest.mark.rfc("8725", "3.11")
@pytest.mark.rfc("9068", "4", 2, 8)
@pytest.mark.parametrize(
    "typ",
    ["JWT", "id+jwt", "dpop+jwt", "logout+jwt", "at+jwt ", "text/at+jwt", "", None, 1, ["at+jwt"]],
)
async def test_a_token_of_another_type_is_refused(
    http: httpx2.AsyncClient, forger: Forger, typ: object
) -> None:
    await assert_refused(http, forger.sign(header={"typ": typ}))


# What it claims


@pytest.mark.rfc("9068", "2.2", 1)
@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope"])
async def test_a_token_without_a_required_claim_is_refused(
    http: httpx2.AsyncClient, forger: Forger, claim: str
) -> None:
    assert claim in forger.claims
    await assert_refused(http, forger.sign(leave_out=claim))


@pytest.mark.rfc("7519", "4.1.1")
@pytest.mark.rfc("8725", "3.8", 1)
@pytest.mark.rfc("9068", "4", 4)
@pytest.mark.parametrize(
    "issuer",
    [
        pytest.param("https://other.example", id="another"),
        pytest.param(ISSUER[:-1], id="a part of ours"),
        pytest.param(ISSUER + "0", id="ours and more"),
        pytest.param(ISSUER + "/", id="final slash"),
        pytest.param(ISSUER.upper(), id="upper case"),
        pytest.param([ISSUER], id="list"),
        pytest.param({ISSUER: 1}, id="object"),
        pytest.param("", id="empty"),
        pytest.param(None, id="null"),
    ],
)
async def test_a_token_of_another_issuer_is_refused(
    http: httpx2.AsyncClient, forger: Forger, issuer: object
) -> None:
    await assert_refused(http, forger.sign({"iss": issuer}))


@pytest.mark.rfc("6750", "5.2", 3)
@pytest.mark.rfc("7519", "4.1.3", 1)
@pytest.mark.rfc("8725", "3.9", 2)
@pytest.mark.rfc("9068", "4", 5)
@pytest.mark.rfc("9700", "2.3", 3)
@pytest.mark.rfc("9700", "4.9.3", 2)
@pytest.mark.parametrize(
    "audience",
    [
        pytest.param("https://other.example", id="another"),
        pytest.param(ISSUER[:-1], id="a part of ours"),
        pytest.param(ISSUER + "0", id="ours and more"),
        pytest.param(["https://other.example"], id="list without ours"),
        pytest.param([], id="empty list"),
        pytest.param([ISSUER, 1], id="list with a number"),
        pytest.param({ISSUER: 1}, id="object"),
        pytest.param("", id="empty"),
        pytest.param(None, id="null"),
    ],
)
async def test_a_token_for_another_audience_is_refused(
    http: httpx2.AsyncClient, forger: Forger, audience: object
) -> None:
    await assert_refused(http, forger.sign({"aud": audience}))


@pytest.mark.rfc("7519", "4.1.3", 2)
@pytest.mark.rfc("9068", "4", 5)
async def test_a_token_for_several_audiences_is_accepted_if_one_is_ours(
    http: httpx2.AsyncClient, forger: Forger
) -> None:
    await assert_accepted(http, forger.sign({"aud": ["https://other.example", ISSUER]}))


@pytest.mark.rfc("7519", "4.1.4", 3)
@pytest.mark.rfc("7519", "4.1.5", 3)
@pytest.mark.rfc("7519", "4.1.6")
@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"exp": "soon"}, id="exp is a word"),
        pytest.param({"exp": None}, id="exp is null"),
        pytest.param({"exp": float("inf")}, id="exp is infinite"),
        pytest.param({"exp": float("nan")}, id="exp is no number"),
        pytest.param({"exp": [1]}, id="exp is a list"),
        pytest.param({"exp": "4102444800"}, id="exp is a number as text"),
        pytest.param({"exp": 253_402_300_800}, id="exp is past every date"),
        pytest.param({"iat": {}}, id="iat is an object"),
        pytest.param({"iat": "0"}, id="iat is a number as text"),
        pytest.param({"iat": True}, id="iat is true"),
        pytest.param({"nbf": "0"}, id="nbf is a number as text"),
        pytest.param({"nbf": False}, id="nbf is false"),
        pytest.param({"nbf": None}, id="nbf is null"),
        pytest.param({"nbf": -1}, id="nbf is before every date"),
        pytest.param({"iat": float("-inf")}, id="iat is infinite"),
        pytest.param({"sub": 7}, id="sub is a number"),
        pytest.param({"sid": "no-uuid"}, id="sid is no UUID"),
        pytest.param({"sid": 7}, id="sid is a number"),
    ],
)
async def test_a_claim_of_another_type_is_refused(
    http: httpx2.AsyncClient, forger: Forger, claims: dict[str, Any]
) -> None:
    await assert_refused(http, forger.sign(claims))


async def test_a_token_from_a_clock_that_is_a_little_ahead_is_accepted(
    http: httpx2.AsyncClient, forger: Forger
) -> None:
    await assert_accepted(http, forger.sign({"iat": forger.claims["iat"] + SKEW}))


async def test_a_token_from_the_future_is_refused(http: httpx2.AsyncClient, forger: Forger) -> None:
    await assert_refused(http, forger.sign({"iat": forger.claims["iat"] + SKEW + 1}))


@pytest.mark.rfc("7519", "4.1.5", 1, 2)
@pytest.mark.parametrize(("ahead", "accepted"), [(SKEW, True), (SKEW + 1, False)])
async def test_a_token_is_not_accepted_before_its_time(
    http: httpx2.AsyncClient, forger: Forger, ahead: int, accepted: bool
) -> None:
    """RFC 7519, section 4.1.5, with the leeway that ``iat`` has."""
    token = forger.sign({"nbf": forger.claims["iat"] + ahead})
    await (assert_accepted if accepted else assert_refused)(http, token)


async def test_an_exp_that_is_true_has_long_been_over(
    http: httpx2.AsyncClient, forger: Forger, server: Server
) -> None:
    with pytest.raises(InvalidTokenError, match="a date is no number"):
        await server.access_tokens.verify(forger.sign({"exp": True}))


@pytest.mark.rfc("7519", "4.1.4", 3)
async def test_dates_with_fractions_are_accepted(http: httpx2.AsyncClient, forger: Forger) -> None:
    """RFC 7519, section 2: a NumericDate is any number."""
    now = forger.claims["iat"]
    await assert_accepted(http, forger.sign({"exp": now + 0.5, "iat": now - 0.5, "nbf": now + 0.5}))
    await assert_refused(http, forger.sign({"exp": now - 0.5}))


@pytest.mark.rfc("9068", "4", 9)
@pytest.mark.parametrize("scope", ["profil", "profile2", "PROFILE", "items:read"])
async def test_scopes_are_compared_as_whole_words(
    http: httpx2.AsyncClient, forger: Forger, scope: str
) -> None:
    response = await get_me(http, forger.sign({"scope": scope}))
    assert_bearer_error(response, "insufficient_scope", 403, scope="profile")


@pytest.mark.rfc("8725", "3.8", 2)
async def test_an_unknown_login_is_refused(http: httpx2.AsyncClient, forger: Forger) -> None:
    await assert_refused(http, forger.sign({"sid": "00000000-0000-4000-8000-000000000000"}))


async def test_a_token_of_an_unknown_client_is_refused(
    http: httpx2.AsyncClient, forger: Forger
) -> None:
    await assert_refused(http, forger.sign({"client_id": "unknown"}))


# What is in it is another thing


@pytest.mark.rfc("8725", "3.3")
async def test_a_token_inside_a_signed_token_is_refused(
    http: httpx2.AsyncClient, forger: Forger
) -> None:
    header = encode(json.dumps(forger.header | {"cty": "JWT"}).encode())
    await assert_refused(http, sign(f"{header}.{encode(forger.genuine.encode())}", forger.key))


@pytest.mark.rfc("7519", "7.2", 1, 4)
@pytest.mark.rfc("8725", "3.7")
@pytest.mark.parametrize(
    "claims",
    [
        pytest.param(b"[]", id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"1", id="number"),
        pytest.param(b'"sub"', id="string"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff{}", id="not UTF-8"),
        pytest.param(b"[" * 2000 + b"]" * 2000, id="deeply nested"),
        pytest.param(b'{"exp":' + b"9" * 2000 + b"}", id="huge number"),
    ],
)
async def test_signed_claims_that_are_no_json_object_of_ours_are_refused(
    http: httpx2.AsyncClient, forger: Forger, claims: bytes
) -> None:
    header = encode(json.dumps(forger.header).encode())
    await assert_refused(http, sign(f"{header}.{encode(claims)}", forger.key))


@pytest.mark.rfc("7519", "4", 1)
async def test_of_a_claim_that_comes_twice_the_last_counts(
    http: httpx2.AsyncClient, forger: Forger
) -> None:
    """RFC 7519, section 4: refused, or read like this."""
    header = encode(json.dumps(forger.header).encode())
    twice = json.dumps(forger.claims).removesuffix("}") + ', "exp": 1}'
    await assert_refused(http, sign(f"{header}.{encode(twice.encode())}", forger.key))
    twice = '{"exp": 1, ' + json.dumps(forger.claims).removeprefix("{")
    await assert_accepted(http, sign(f"{header}.{encode(twice.encode())}", forger.key))


@pytest.mark.parametrize("first", ["none", "HS256", "RS256"])
async def test_an_algorithm_that_is_named_twice_helps_nobody(
    http: httpx2.AsyncClient, forger: Forger, first: str
) -> None:
    """Whichever of the two is read, the signature is not ours."""
    header = f'{{"alg":"{first}",' + json.dumps(forger.header).removeprefix("{")
    signed = f"{encode(header.encode())}.{encode(json.dumps(forger.claims).encode())}"
    public = forger.key.public_key()
    secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    made = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    for signature in ("", encode(made), forger.genuine.rpartition(".")[2]):
        await assert_refused(http, f"{signed}.{signature}")


@pytest.mark.rfc("8725", "3.4")
@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(bytes(64), id="zeros"),
        pytest.param(bytes(63) + b"\x01", id="r is zero"),
        pytest.param(b"\xff" * 64, id="past the order"),
        pytest.param(bytes(32), id="half"),
        pytest.param(bytes(1000), id="long"),
    ],
)
async def test_a_signature_that_fits_no_curve_is_refused(
    http: httpx2.AsyncClient, forger: Forger, signature: bytes
) -> None:
    signed = forger.genuine.rpartition(".")[0]
    await assert_refused(http, f"{signed}.{encode(signature)}")


@pytest.mark.rfc("8725", "3.5")
@pytest.mark.parametrize("secret", [b"", b"secret", b"\x00" * 32])
async def test_a_guessable_hmac_secret_opens_nothing(
    http: httpx2.AsyncClient, forger: Forger, secret: bytes
) -> None:
    signed = encode_parts(forger.header | {"alg": "HS256"}, forger.claims)
    made = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    await assert_refused(http, f"{signed}.{encode(made)}")


@pytest.mark.rfc("6750", "2.1", 3)
@pytest.mark.rfc("7519", "7.2", 2)
@pytest.mark.parametrize("between", ["\n", "\t", " ", "\r\n ", "\x00", "\u00a0", "%20"])
async def test_white_space_inside_a_token_is_refused(
    server: Server, forger: Forger, between: str
) -> None:
    for position in (0, 5, len(forger.genuine) // 2, len(forger.genuine)):
        changed = forger.genuine[:position] + between + forger.genuine[position:]
        with pytest.raises(InvalidTokenError):
            await server.access_tokens.verify(changed)
