"""``OpenIdConnectBearer`` in an application that is not this one, with an issuer that is not."""

import asyncio
import base64
import json
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass, field
from http.client import HTTPMessage
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import httpx2
import jwt
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import Depends, FastAPI, Request, Response, Security
from fastapi.responses import JSONResponse, StreamingResponse

from app.features.schemes.dropin.issuer_keys import MAX_DOCUMENT, CarefulRedirects
from app.features.schemes.dropin.openid_connect import Claims, OpenIdConnectBearer
from app.features.schemes.dropin.openid_connect import Issuer as TrustedIssuer

from .client import client_of

# An issuer of its own on the loopback interface


AUDIENCE = "https://api.example"

DISCOVERY = "/.well-known/openid-configuration"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Issuer:
    """A foreign issuer: its documents, its keys, and what was fetched."""

    url: str
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    kid: str = "first"
    changes: dict[str, Any] = field(default_factory=dict)
    """Of the discovery document."""
    keys: Any = None
    """The JWKS in place of the right one."""
    broken: Callable[[], Response] | None = None
    fetched: list[str] = field(default_factory=list)

    def answer(self, request: Request) -> Response:
        self.fetched.append(request.url.path)
        if self.broken is not None:
            return self.broken()
        if request.url.path == DISCOVERY:
            document = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"} | self.changes
            return JSONResponse(document)
        return JSONResponse({"keys": [self.jwk()]} if self.keys is None else self.keys)

    def jwk(self, **changes: Any) -> dict[str, Any]:
        """The public key."""
        algorithm = jwt.get_algorithm_by_name("ES256")
        public: dict[str, Any] = algorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "alg": "ES256", "use": "sig", **changes}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Those of a good access token; None leaves one out."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": "somebody",
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + 60,
        }
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def sign(
        self,
        header: dict[str, Any] | None = None,
        *,
        key: Any = None,
        alg: str = "ES256",
        **changes: Any,
    ) -> str:
        """An access token."""
        headers = {"typ": "at+jwt", "kid": self.kid} | (header or {})
        if headers["kid"] is None:
            del headers["kid"]
        return jwt.encode(self.claims(**changes), key or self.key, alg, headers)

    def rotate(self) -> None:
        self.key, self.kid = ec.generate_private_key(ec.SECP256R1()), "second"


@pytest.fixture(scope="module")
def running() -> Generator[Issuer]:
    """The issuer's server, in a thread; each test has its own issuer behind it."""
    port = free_port()
    issuer = Issuer(f"http://127.0.0.1:{port}")
    app = FastAPI(openapi_url=None)

    @app.get("/{path:path}")
    def answer(request: Request, path: str) -> Response:
        return issuer.answer(request)

    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline
        assert thread.is_alive()
    yield issuer
    server.should_exit = True
    thread.join()


@pytest.fixture
def issuer(running: Issuer, monkeypatch: pytest.MonkeyPatch) -> Issuer:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fresh = Issuer(running.url)
    running.__dict__.update(fresh.__dict__)
    return running


class Seconds:
    """A monotonic clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


LIFETIME, COOLDOWN = 300, 30


def make_bearer(at: Issuer, seconds: Seconds, **more: Any) -> OpenIdConnectBearer:
    values: dict[str, Any] = {
        "openIdConnectUrl": f"{at.url}{DISCOVERY}",
        "issuer": at.url,
        "audience": AUDIENCE,
        "lifetime": LIFETIME,
        "cooldown": COOLDOWN,
        "timeout": 2,
        "monotonic": seconds,
    }
    return OpenIdConnectBearer(**(values | more))


@pytest.fixture
def oidc(issuer: Issuer, seconds: Seconds) -> OpenIdConnectBearer:
    return make_bearer(issuer, seconds)


@pytest.fixture
async def api(oidc: OpenIdConnectBearer) -> AsyncGenerator[httpx2.AsyncClient]:
    async with client_of(api_of(oidc)) as client:
        yield client


async def end_of_reading(oidc: OpenIdConnectBearer) -> None:
    """Wait for what is read while requests are served."""
    (keys,) = oidc._keys.values()
    reading = keys._reading
    assert reading is not None
    await asyncio.wrap_future(reading)


def api_of(oidc: OpenIdConnectBearer) -> FastAPI:
    app = FastAPI()

    @app.get("/private")
    async def private(claims: Annotated[Claims | None, Depends(oidc)]) -> str | None:
        return claims["sub"] if claims else None

    return app


async def use(api: httpx2.AsyncClient, token: str, path: str = "/private") -> httpx2.Response:
    return await api.get(path, headers={"Authorization": f"Bearer {token}"})


async def assert_accepted(api: httpx2.AsyncClient, token: str) -> None:
    response = await use(api, token)
    assert (response.status_code, response.text) == (200, '"somebody"'), response.text


def assert_invalid(response: httpx2.Response) -> None:
    assert response.status_code == 401, response.text
    assert response.headers["www-authenticate"] == (
        'Bearer realm="api", error="invalid_token", '
        'error_description="The access token is expired, malformed or invalid."'
    )
    assert response.json() == {"detail": "The access token is expired, malformed or invalid."}


def assert_unavailable(response: httpx2.Response, seconds: int = COOLDOWN) -> None:
    assert response.status_code == 503, response.text
    assert response.headers["retry-after"] == str(seconds)
    assert response.json() == {"detail": "The issuer does not answer."}


BOTH_DOCUMENTS = [DISCOVERY, "/jwks"]


# Tokens


async def test_an_access_token_of_the_issuer_is_accepted(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    await assert_accepted(api, issuer.sign())


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
async def test_the_type_of_access_tokens_is_accepted(
    api: httpx2.AsyncClient, issuer: Issuer, typ: str
) -> None:
    await assert_accepted(api, issuer.sign({"typ": typ}))


async def test_one_audience_of_several_is_enough(api: httpx2.AsyncClient, issuer: Issuer) -> None:
    await assert_accepted(api, issuer.sign(aud=["https://other.example", AUDIENCE]))


async def test_an_rsa_key_without_an_algorithm_of_its_own_serves_rs256(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    key = rsa.generate_private_key(65537, 2048)
    public = jwt.get_algorithm_by_name("RS256").to_jwk(key.public_key(), as_dict=True)
    issuer.keys = {"keys": [{**public, "kid": "rsa"}]}
    await assert_accepted(api, issuer.sign({"kid": "rsa"}, key=key, alg="RS256"))


async def test_no_token_is_asked_for_without_an_error(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    for headers in ({}, {"Authorization": "Basic YTpi"}):
        response = await api.get("/private", headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == 'Bearer realm="api"'
        assert response.json() == {"detail": "An access token is needed."}
    assert issuer.fetched == []


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"Bearer", id="scheme_alone"),
        pytest.param(b"Bearer ", id="scheme_and_space"),
        pytest.param(b"Bearer a b", id="two_words"),
        pytest.param("Bearer ключ".encode(), id="utf_8"),
        pytest.param(b"Bearer \xff", id="no_utf_8"),
    ],
)
async def test_what_cannot_be_a_token_is_refused_without_asking_the_issuer(
    api: httpx2.AsyncClient, issuer: Issuer, value: bytes
) -> None:
    assert_invalid(await api.get("/private", headers=[(b"authorization", value)]))
    assert issuer.fetched == []


@pytest.mark.parametrize("token", ["x", "a.b.c", "..", "e30.e30.", "eyJhbGciOiJub25lIn0.e30."])
async def test_what_is_no_jwt_is_refused(
    api: httpx2.AsyncClient, issuer: Issuer, token: str
) -> None:
    assert_invalid(await use(api, token))


async def test_a_header_that_is_nested_without_end_is_refused(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    nested = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 20_000).rstrip(b"=").decode()
    assert_invalid(await use(api, f"{nested}.e30.x"))


async def test_a_token_of_another_key_with_the_same_id_is_refused(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    assert_invalid(await use(api, issuer.sign(key=ec.generate_private_key(ec.SECP256R1()))))


async def test_a_token_with_a_changed_claim_is_refused(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    head, _, signature = issuer.sign().split(".")
    claims = json.dumps(issuer.claims(sub="somebody-else")).encode()
    body = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
    assert_invalid(await use(api, f"{head}.{body}.{signature}"))


@pytest.mark.parametrize("signature", ["", "x"], ids=["empty", "some"])
@pytest.mark.parametrize("alg", ["none", "None", "NONE"])
async def test_a_token_without_an_algorithm_is_refused(
    api: httpx2.AsyncClient, issuer: Issuer, alg: str, signature: str
) -> None:
    _, body, _ = issuer.sign().split(".")
    header = json.dumps({"alg": alg, "typ": "at+jwt", "kid": "first"}).encode()
    head = base64.urlsafe_b64encode(header).rstrip(b"=").decode()
    assert_invalid(await use(api, f"{head}.{body}.{signature}"))


@pytest.mark.parametrize("form", ["pem", "der", "jwk"])
async def test_a_public_key_does_not_serve_as_a_shared_secret(
    api: httpx2.AsyncClient, issuer: Issuer, form: str
) -> None:
    public = issuer.key.public_key()
    secret = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": json.dumps(issuer.jwk()).encode(),
    }[form]
    header = json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": "first"}).encode()
    parts = [header, json.dumps(issuer.claims()).encode()]
    signed = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    mac = jwt.get_algorithm_by_name("HS256").sign(signed.encode(), secret)
    token = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert_invalid(await use(api, token))


async def test_a_shared_secret_in_the_jwks_is_not_used(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    secret = b"a shared secret of 32 bytes or more"
    encoded = base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
    issuer.keys = {"keys": [{"kty": "oct", "k": encoded, "kid": "shared", "alg": "HS256"}]}
    assert_invalid(await use(api, issuer.sign({"kid": "shared"}, key=secret, alg="HS256")))


async def test_a_key_for_encryption_is_not_used(api: httpx2.AsyncClient, issuer: Issuer) -> None:
    issuer.keys = {"keys": [issuer.jwk(use="enc")]}
    assert_invalid(await use(api, issuer.sign()))


TOMORROW = int(time.time()) + 86_400
"""Of the start of the run, which no run lasts until."""


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"iss": "https://other.example"}, id="another_issuer"),
        pytest.param({"iss": None}, id="no_issuer"),
        pytest.param({"aud": "https://other.example"}, id="another_audience"),
        pytest.param({"aud": [AUDIENCE + "/"]}, id="a_slash_more"),
        pytest.param({"aud": []}, id="empty_audience"),
        pytest.param({"aud": None}, id="no_audience"),
        pytest.param({"sub": None}, id="no_subject"),
        pytest.param({"iat": None}, id="no_iat"),
        pytest.param({"exp": None}, id="no_expiry"),
        pytest.param({"exp": "soon"}, id="expiry_no_number"),
        pytest.param({"exp": float("inf")}, id="expiry_infinite"),
        pytest.param({"exp": str(TOMORROW)}, id="expiry_as_text"),
        pytest.param({"iat": "0"}, id="iat_as_text"),
        pytest.param({"iat": True}, id="iat_true"),
        pytest.param({"nbf": "0"}, id="nbf_as_text"),
        pytest.param({"nbf": False}, id="nbf_false"),
        pytest.param({"exp": int(time.time()) - 31}, id="expired"),
        pytest.param({"iat": TOMORROW}, id="issued_in_the_future"),
        pytest.param({"nbf": TOMORROW}, id="not_yet_good"),
    ],
)
async def test_a_token_with_other_claims_is_refused(
    api: httpx2.AsyncClient, issuer: Issuer, changes: dict[str, Any]
) -> None:
    head, _, _ = issuer.sign().split(".")
    body = base64.urlsafe_b64encode(json.dumps(issuer.claims(**changes)).encode())
    signed = f"{head}.{body.rstrip(b'=').decode()}"
    signature = jwt.get_algorithm_by_name("ES256").sign(signed.encode(), issuer.key)
    token = f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert_invalid(await use(api, token))


async def test_an_issuer_of_which_ours_is_a_part_is_another(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    assert_invalid(await use(api, issuer.sign(iss=issuer.url + "0")))
    assert_invalid(await use(api, issuer.sign(iss=issuer.url + "/")))


async def test_a_token_may_be_expired_for_as_long_as_the_leeway(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    await assert_accepted(api, issuer.sign(exp=int(time.time()) - 5))


async def test_dates_with_fractions_are_accepted(api: httpx2.AsyncClient, issuer: Issuer) -> None:
    now = time.time()
    await assert_accepted(api, issuer.sign(exp=now + 59.5, iat=now - 0.5, nbf=now - 0.5))


@pytest.mark.parametrize("typ", ["logout+jwt", "dpop+jwt", "JWT", None])
async def test_another_type_of_token_is_refused(
    api: httpx2.AsyncClient, issuer: Issuer, typ: str | None
) -> None:
    assert_invalid(await use(api, issuer.sign({"typ": typ}, scope="read")))


async def test_an_id_token_is_refused_also_where_its_client_is_the_audience(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    assert_invalid(await use(api, issuer.sign({"typ": "JWT"})))
    assert issuer.fetched == []


@pytest.fixture
async def lenient(issuer: Issuer, seconds: Seconds) -> AsyncGenerator[httpx2.AsyncClient]:
    """For an issuer that leaves the type out."""
    bearer = make_bearer(issuer, seconds, require_type=False)
    async with client_of(api_of(bearer)) as client:
        yield client


@pytest.mark.parametrize("typ", ["at+jwt", "JWT", "jwt", "application/jwt", None])
@pytest.mark.parametrize(
    "scope", [{"scope": "read"}, {"scp": ["read"]}], ids=["scope", "older word"]
)
async def test_without_the_type_a_token_with_a_scope_is_accepted_if_that_is_asked_for(
    lenient: httpx2.AsyncClient, issuer: Issuer, typ: str | None, scope: dict[str, Any]
) -> None:
    await assert_accepted(lenient, issuer.sign({"typ": typ}, **scope))


async def test_without_the_type_a_token_without_a_scope_may_be_an_id_token_and_is_refused(
    lenient: httpx2.AsyncClient, issuer: Issuer
) -> None:
    assert_invalid(await use(lenient, issuer.sign({"typ": "JWT"})))


@pytest.mark.parametrize("claim", ["nonce", "at_hash", "c_hash", "s_hash"])
async def test_without_the_type_a_token_with_a_claim_of_id_tokens_is_refused(
    lenient: httpx2.AsyncClient, issuer: Issuer, claim: str
) -> None:
    assert_invalid(await use(lenient, issuer.sign({"typ": "JWT"}, scope="read", **{claim: "x"})))


@pytest.mark.parametrize("typ", ["logout+jwt", "dpop+jwt"])
async def test_another_type_is_refused_also_where_none_is_required(
    lenient: httpx2.AsyncClient, issuer: Issuer, typ: str
) -> None:
    assert_invalid(await use(lenient, issuer.sign({"typ": typ}, scope="read")))


async def test_an_unknown_critical_header_is_refused(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    assert_invalid(await use(api, issuer.sign({"crit": ["x"], "x": 1})))


async def test_a_key_that_the_token_brings_along_is_not_used(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    stranger = Issuer(issuer.url)
    header = {"jwk": stranger.jwk(), "jku": f"{issuer.url}/other-jwks"}
    assert_invalid(await use(api, issuer.sign(header, key=stranger.key)))
    assert issuer.fetched == BOTH_DOCUMENTS


# Keys and algorithms


def jwk_of(key: Any, alg: str) -> dict[str, Any]:
    public: dict[str, Any] = jwt.get_algorithm_by_name(alg).to_jwk(key.public_key(), as_dict=True)
    return public


RSA_KEY = rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        *((RSA_KEY, alg) for alg in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ec.generate_private_key(ec.SECP521R1()), "ES512"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("says", [True, False], ids=["key_says_it", "key_says_none"])
async def test_every_algorithm_that_fits_a_key_is_accepted(
    api: httpx2.AsyncClient, issuer: Issuer, key: Any, alg: str, says: bool
) -> None:
    issuer.keys = {"keys": [jwk_of(key, alg) | {"kid": "k"} | ({"alg": alg} if says else {})]}
    await assert_accepted(api, issuer.sign({"kid": "k"}, key=key, alg=alg))


async def test_a_key_serves_no_other_algorithm_than_it_says(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    issuer.keys = {"keys": [jwk_of(RSA_KEY, "RS256") | {"kid": "k", "alg": "PS256"}]}
    assert_invalid(await use(api, issuer.sign({"kid": "k"}, key=RSA_KEY, alg="RS256")))


async def test_a_token_without_a_key_id_is_of_the_only_key_that_fits(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    issuer.keys = {"keys": [jwk_of(RSA_KEY, "RS256") | {"kid": "other"}, issuer.jwk()]}
    await assert_accepted(api, issuer.sign({"kid": None}))


async def test_a_key_without_an_id_serves_where_no_other_fits(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    issuer.keys = {"keys": [{k: v for k, v in issuer.jwk().items() if k != "kid"}]}
    await assert_accepted(api, issuer.sign({"kid": None}))
    await assert_accepted(api, issuer.sign({"kid": "any"}))


async def test_a_token_without_a_key_id_is_refused_where_two_keys_fit(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    another = Issuer(issuer.url, kid="another")
    issuer.keys = {"keys": [issuer.jwk(), another.jwk()]}
    assert_invalid(await use(api, issuer.sign({"kid": None})))


async def test_a_key_whose_id_is_the_word_none_is_not_the_key_of_a_token_without_an_id(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    another = Issuer(issuer.url, kid="another")
    issuer.keys = {"keys": [issuer.jwk(kid="None"), another.jwk()]}
    assert_invalid(await use(api, issuer.sign({"kid": None})))


# Keeping the documents


async def test_the_documents_are_fetched_once(
    api: httpx2.AsyncClient, issuer: Issuer, seconds: Seconds
) -> None:
    await assert_accepted(api, issuer.sign())
    seconds.now += LIFETIME - 1
    await assert_accepted(api, issuer.sign())
    assert issuer.fetched == BOTH_DOCUMENTS


async def test_the_documents_are_fetched_anew_after_their_lifetime(
    api: httpx2.AsyncClient, oidc: OpenIdConnectBearer, issuer: Issuer, seconds: Seconds
) -> None:
    await assert_accepted(api, issuer.sign())
    seconds.now += LIFETIME
    await assert_accepted(api, issuer.sign())
    await end_of_reading(oidc)
    assert issuer.fetched == BOTH_DOCUMENTS * 2


async def test_simultaneous_first_requests_fetch_the_documents_once(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    answers = await asyncio.gather(*(use(api, issuer.sign()) for _ in range(10)))
    assert [answer.status_code for answer in answers] == [200] * 10
    assert issuer.fetched == BOTH_DOCUMENTS


async def test_an_unknown_key_is_looked_for_after_the_cooldown_and_no_sooner(
    api: httpx2.AsyncClient, issuer: Issuer, seconds: Seconds
) -> None:
    await assert_accepted(api, issuer.sign())
    unknown = [issuer.sign({"kid": f"unknown {n}"}) for n in range(5)]
    seconds.now += COOLDOWN - 1
    for token in unknown:
        assert_invalid(await use(api, token))
    assert issuer.fetched == BOTH_DOCUMENTS
    seconds.now += 1
    for token in unknown:
        assert_invalid(await use(api, token))
    assert issuer.fetched == BOTH_DOCUMENTS * 2


async def test_simultaneous_unknown_keys_are_looked_for_once(
    api: httpx2.AsyncClient, issuer: Issuer, seconds: Seconds
) -> None:
    await assert_accepted(api, issuer.sign())
    seconds.now += COOLDOWN
    tokens = [issuer.sign({"kid": f"unknown {n}"}) for n in range(10)]
    for answer in await asyncio.gather(*(use(api, token) for token in tokens)):
        assert_invalid(answer)
    assert issuer.fetched == BOTH_DOCUMENTS * 2


async def test_a_rotated_key_is_found_and_the_old_one_is_gone(
    api: httpx2.AsyncClient, issuer: Issuer, seconds: Seconds
) -> None:
    old = issuer.sign()
    await assert_accepted(api, old)
    issuer.rotate()
    seconds.now += COOLDOWN
    await assert_accepted(api, issuer.sign())
    assert_invalid(await use(api, old))


async def test_a_key_that_the_issuer_withdraws_is_gone_after_the_lifetime(
    api: httpx2.AsyncClient, oidc: OpenIdConnectBearer, issuer: Issuer, seconds: Seconds
) -> None:
    old = issuer.sign(exp=int(time.time()) + 3600)
    await assert_accepted(api, old)
    issuer.rotate()
    seconds.now += LIFETIME
    await assert_accepted(api, old)  # while the keys are read anew
    await end_of_reading(oidc)
    assert_invalid(await use(api, old))


async def test_requests_are_served_with_the_known_keys_while_they_are_read_anew(
    api: httpx2.AsyncClient, oidc: OpenIdConnectBearer, issuer: Issuer, seconds: Seconds
) -> None:
    await assert_accepted(api, issuer.sign())
    served = threading.Event()

    def hang() -> Response:
        assert served.wait(10)
        return fail()

    issuer.broken = hang
    seconds.now += LIFETIME
    for _ in range(3):
        await assert_accepted(api, issuer.sign())
    served.set()
    await end_of_reading(oidc)
    assert issuer.fetched == [*BOTH_DOCUMENTS, DISCOVERY]


# An issuer that fails


def fail() -> Response:
    return Response(status_code=500)


async def test_an_issuer_that_fails_at_first_is_503_and_found_when_it_is_back(
    api: httpx2.AsyncClient, issuer: Issuer, seconds: Seconds
) -> None:
    issuer.broken = fail
    assert_unavailable(await use(api, issuer.sign()))
    issuer.broken = None
    seconds.now += COOLDOWN
    await assert_accepted(api, issuer.sign())


async def test_the_known_keys_serve_on_for_a_day_while_the_issuer_fails(
    api: httpx2.AsyncClient, oidc: OpenIdConnectBearer, issuer: Issuer, seconds: Seconds
) -> None:
    await assert_accepted(api, issuer.sign())
    issuer.broken = fail
    seconds.now += LIFETIME
    await assert_accepted(api, issuer.sign())
    await end_of_reading(oidc)
    assert_invalid(await use(api, issuer.sign({"kid": "unknown"})))
    seconds.now += 86_400 - LIFETIME - 1
    await assert_accepted(api, issuer.sign())
    await end_of_reading(oidc)
    seconds.now += 1
    assert_unavailable(await use(api, issuer.sign()), COOLDOWN - 1)
    issuer.broken = None
    seconds.now += COOLDOWN - 1
    await assert_accepted(api, issuer.sign())


async def test_an_issuer_that_fails_is_not_asked_again_at_once_while_its_keys_are_known(
    api: httpx2.AsyncClient, oidc: OpenIdConnectBearer, issuer: Issuer, seconds: Seconds
) -> None:
    await assert_accepted(api, issuer.sign())
    issuer.broken = fail
    seconds.now += LIFETIME
    for _ in range(5):
        await assert_accepted(api, issuer.sign())
        await end_of_reading(oidc)
    assert issuer.fetched == [*BOTH_DOCUMENTS, DISCOVERY]


async def test_an_issuer_that_fails_at_first_is_not_asked_again_at_once(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    issuer.broken = fail
    for _ in range(5):
        assert_unavailable(await use(api, issuer.sign()))
    assert issuer.fetched == [DISCOVERY]


async def test_requests_that_wait_for_an_issuer_that_hangs_do_not_ask_it_one_after_the_other(
    api: httpx2.AsyncClient, issuer: Issuer, seconds: Seconds
) -> None:
    def hang() -> Response:
        seconds.now += 5  # as long as a timeout takes
        return fail()

    issuer.broken = hang
    answers = await asyncio.gather(*(use(api, issuer.sign()) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [503] * 5
    assert issuer.fetched == [DISCOVERY]


async def test_a_document_that_trickles_is_given_up_at_the_deadline(
    issuer: Issuer, seconds: Seconds
) -> None:
    async def trickle() -> AsyncGenerator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.02)

    issuer.broken = lambda: StreamingResponse(trickle())
    oidc = make_bearer(issuer, seconds, timeout=0.2)
    async with client_of(api_of(oidc)) as api:
        assert_unavailable(await use(api, issuer.sign()))
    await asyncio.wait_for(end_of_reading(oidc), 5)


async def test_the_wait_that_is_told_ends_when_the_issuer_is_asked_again(
    api: httpx2.AsyncClient, issuer: Issuer, seconds: Seconds
) -> None:
    issuer.broken = fail
    assert_unavailable(await use(api, issuer.sign()), COOLDOWN)
    seconds.now += COOLDOWN - 1
    assert_unavailable(await use(api, issuer.sign()), 1)
    issuer.broken = None
    seconds.now += 1
    await assert_accepted(api, issuer.sign())


async def test_a_document_of_another_issuer_is_logged_with_both_names(
    api: httpx2.AsyncClient, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.changes = {"issuer": "https://other.example"}
    assert_unavailable(await use(api, issuer.sign()))
    assert "https://other.example" in caplog.text
    assert issuer.url in caplog.text


@pytest.mark.parametrize(
    ("url", "found_at"),
    [
        ("http://login.example/jwks", "https://login.example/"),
        ("ftp://login.example/jwks", "http://login.example/"),
        ("file:///etc/passwd", "http://login.example/"),
    ],
)
def test_nothing_is_read_less_safely_than_what_led_to_it(url: str, found_at: str) -> None:
    redirects = CarefulRedirects()
    with pytest.raises(ValueError, match="never less safely"):
        redirects.redirect_request(
            urllib.request.Request(found_at), BytesIO(), 302, "Found", HTTPMessage(), url
        )


async def test_a_redirect_out_of_http_is_503(api: httpx2.AsyncClient, issuer: Issuer) -> None:
    issuer.broken = lambda: Response(status_code=302, headers={"Location": "ftp://127.0.0.1/"})
    assert_unavailable(await use(api, issuer.sign()))
    assert issuer.fetched == [DISCOVERY]


async def test_a_key_set_that_is_redirected_within_http_is_read(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    def redirected() -> Response:
        issuer.broken = None
        return Response(status_code=302, headers={"Location": DISCOVERY})

    issuer.broken = redirected
    await assert_accepted(api, issuer.sign())


async def test_an_issuer_that_ends_in_a_slash_has_one_slash_in_its_well_known_address(
    issuer: Issuer, seconds: Seconds
) -> None:
    issuer.changes = {"issuer": f"{issuer.url}/"}
    oidc = make_bearer(issuer, seconds, issuer=f"{issuer.url}/")
    async with client_of(api_of(oidc)) as api:
        await assert_accepted(api, issuer.sign(iss=f"{issuer.url}/"))
    assert issuer.fetched == BOTH_DOCUMENTS


async def test_an_issuer_that_is_not_there_is_503(issuer: Issuer, seconds: Seconds) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    oidc = make_bearer(issuer, seconds, issuer=gone)
    async with client_of(api_of(oidc)) as api:
        assert_unavailable(await use(api, issuer.sign(iss=gone)))


async def test_an_issuer_that_never_answers_is_503_after_the_timeout(
    issuer: Issuer, seconds: Seconds
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        oidc = make_bearer(issuer, seconds, issuer=url, timeout=0.05)
        async with client_of(api_of(oidc)) as api:
            assert_unavailable(await use(api, issuer.sign(iss=url)))


async def test_an_issuer_that_does_not_speak_http_is_503(issuer: Issuer, seconds: Seconds) -> None:
    async def garbage(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"no http at all\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(garbage, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        oidc = make_bearer(issuer, seconds, issuer=url)
        async with client_of(api_of(oidc)) as api:
            assert_unavailable(await use(api, issuer.sign(iss=url)))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>", id="html"),
        pytest.param(b"\xff\xfe\xff", id="no_text"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="a_list"),
        pytest.param(b'"text"', id="text"),
        pytest.param(b"{}", id="an_empty_object"),
        pytest.param(b"[" * 100_000, id="nested_without_end"),
        pytest.param(b'{"x": "' + b"y" * MAX_DOCUMENT + b'"}', id="too_large"),
    ],
)
async def test_a_discovery_document_of_another_form_is_503(
    api: httpx2.AsyncClient, issuer: Issuer, content: bytes
) -> None:
    issuer.broken = lambda: Response(content, media_type="application/json")
    assert_unavailable(await use(api, issuer.sign()))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"issuer": "https://other.example"}, id="another_issuer"),
        pytest.param({"issuer": None}, id="no_issuer"),
        pytest.param({"jwks_uri": None}, id="no_jwks_uri"),
        pytest.param({"jwks_uri": 1}, id="jwks_uri_a_number"),
        pytest.param({"jwks_uri": ""}, id="jwks_uri_empty"),
        pytest.param({"jwks_uri": "jwks"}, id="jwks_uri_relative"),
        pytest.param({"jwks_uri": "ftp://127.0.0.1/jwks"}, id="ftp"),
        pytest.param({"jwks_uri": "data:application/json,{}"}, id="data"),
        pytest.param({"jwks_uri": "http://[/jwks"}, id="jwks_uri_malformed"),
    ],
)
async def test_a_discovery_document_with_other_members_is_503(
    api: httpx2.AsyncClient, issuer: Issuer, changes: dict[str, Any]
) -> None:
    issuer.changes = changes
    assert_unavailable(await use(api, issuer.sign()))
    assert issuer.fetched == [DISCOVERY]


async def test_a_file_is_not_read_as_a_key_set(
    api: httpx2.AsyncClient, issuer: Issuer, tmp_path: Path
) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [issuer.jwk()]}))
    issuer.changes = {"jwks_uri": file.as_uri()}
    assert_unavailable(await use(api, issuer.sign()))


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param([], id="a_list"),
        pytest.param({}, id="no_keys"),
        pytest.param({"keys": None}, id="keys_null"),
        pytest.param({"keys": 1}, id="keys_a_number"),
    ],
)
async def test_a_key_set_of_another_form_is_503(
    api: httpx2.AsyncClient, issuer: Issuer, keys: Any
) -> None:
    issuer.keys = keys
    assert_unavailable(await use(api, issuer.sign()))


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param("text", id="text"),
        pytest.param(None, id="null"),
        pytest.param({}, id="empty"),
        pytest.param({"kid": "odd", "kty": "unknown"}, id="unknown_type"),
        pytest.param({"kid": "odd", "kty": "EC", "crv": "P-999", "x": "", "y": ""}, id="curve"),
        pytest.param({"kid": "odd", "kty": "EC", "crv": "P-256"}, id="members_missing"),
        pytest.param({"kid": "odd", "kty": "RSA", "n": "!", "e": "AQAB"}, id="no_base64"),
        pytest.param({"kid": "odd", "kty": "RSA", "n": 1, "e": 2}, id="numbers"),
        pytest.param({"kid": "odd", "kty": "RSA", "n": "AQAB", "e": "AQAB"}, id="tiny_rsa"),
        pytest.param({"kid": ["odd"], "kty": "RSA"}, id="kid_a_list"),
        pytest.param({"kid": "odd", "kty": ["RSA"]}, id="kty_a_list"),
        pytest.param({"kid": "odd", "kty": "RSA", "alg": ["x"]}, id="alg_a_list"),
        pytest.param({"kid": "odd", "kty": "RSA", "alg": "RSA-OAEP"}, id="for_encryption"),
    ],
)
async def test_a_key_that_cannot_be_read_does_not_spoil_the_others(
    api: httpx2.AsyncClient, issuer: Issuer, odd: Any
) -> None:
    issuer.keys = {"keys": [odd, issuer.jwk()]}
    await assert_accepted(api, issuer.sign())


# Its realm, with auto_error=False, and as it is published


def test_openid_connect_quotes_its_realm(issuer: Issuer, seconds: Seconds) -> None:
    error = make_bearer(issuer, seconds, realm=r'a "b" \ c').make_not_authenticated_error()
    assert error.headers == {"WWW-Authenticate": r'Bearer realm="a \"b\" \\ c"'}


@pytest.mark.parametrize("realm", ["Zoë", "two\r\nlines"])
def test_openid_connect_refuses_a_realm_that_no_header_can_carry(
    issuer: Issuer, seconds: Seconds, realm: str
) -> None:
    with pytest.raises(ValueError, match="the realm is printable ASCII"):
        make_bearer(issuer, seconds, realm=realm)


def test_openid_connect_without_cryptography_says_what_to_install(
    issuer: Issuer, seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules[OpenIdConnectBearer.__module__]
    monkeypatch.setattr(module, "has_crypto", False)
    with pytest.raises(RuntimeError, match="install cryptography"):
        make_bearer(issuer, seconds)


async def test_openid_connect_without_auto_error_lets_in_whoever_presents_nothing(
    issuer: Issuer, seconds: Seconds
) -> None:
    oidc = make_bearer(issuer, seconds, auto_error=False)
    async with client_of(api_of(oidc)) as api:
        for headers in ({}, {"Authorization": "Basic YTpi"}):
            response = await api.get("/private", headers=headers)
            assert (response.status_code, response.json()) == (200, None)
        await assert_accepted(api, issuer.sign())
        assert_invalid(await use(api, "nonsense"))


async def test_the_discovery_document_may_be_elsewhere(issuer: Issuer, seconds: Seconds) -> None:
    issuer.changes = {"issuer": "https://login.example"}
    oidc = make_bearer(
        issuer,
        seconds,
        issuer="https://login.example",
        discovery_url=f"{issuer.url}{DISCOVERY}",
    )
    async with client_of(api_of(oidc)) as api:
        await assert_accepted(api, issuer.sign(iss="https://login.example"))


def test_openid_connect_is_published_with_its_address(issuer: Issuer, seconds: Seconds) -> None:
    schemes = api_of(make_bearer(issuer, seconds)).openapi()["components"]["securitySchemes"]
    assert schemes == {
        "OpenIdConnectBearer": {
            "type": "openIdConnect",
            "openIdConnectUrl": f"{issuer.url}{DISCOVERY}",
        }
    }


# Scopes


def scoped_api(oidc: OpenIdConnectBearer) -> FastAPI:
    app = FastAPI()

    @app.get("/reports")
    async def reports(claims: Annotated[Claims, Security(oidc, scopes=["reports:read"])]) -> str:
        return f"{claims['iss']} {claims['sub']}"

    return app


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"scope": "profile reports:read"}, id="scope"),
        pytest.param({"scp": ["profile", "reports:read"]}, id="a_list"),
        pytest.param({"scp": "reports:read"}, id="scp"),
    ],
)
async def test_a_token_with_the_scope_of_the_route_is_accepted(
    issuer: Issuer, oidc: OpenIdConnectBearer, claims: dict[str, Any]
) -> None:
    async with client_of(scoped_api(oidc)) as client:
        response = await use(client, issuer.sign(**claims), "/reports")
        assert (response.status_code, response.json()) == (200, f"{issuer.url} somebody")


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({}, id="none"),
        pytest.param({"scope": "profile"}, id="another"),
        pytest.param({"scope": "reports:reader"}, id="a_longer_one"),
        pytest.param({"scope": None, "scp": 7}, id="a_number"),
        pytest.param({"scope": "profile", "scp": ["reports:read"]}, id="the_first_claim_counts"),
    ],
)
async def test_a_token_without_the_scope_of_the_route_is_refused(
    issuer: Issuer, oidc: OpenIdConnectBearer, claims: dict[str, Any]
) -> None:
    async with client_of(scoped_api(oidc)) as client:
        response = await use(client, issuer.sign(**claims), "/reports")
    assert (response.status_code, response.headers["www-authenticate"]) == (
        403,
        'Bearer realm="api", error="insufficient_scope", error_description="The access token does '
        'not have the scope.", scope="reports:read"',
    )


# Several issuers, and addresses apart from their names


async def test_tokens_of_several_issuers_are_accepted_each_for_its_own_audience(
    issuer: Issuer, seconds: Seconds
) -> None:
    other = Issuer("https://other.example", kid="of another")
    issuer.keys = {"keys": [issuer.jwk(), other.jwk()]}
    oidc = make_bearer(
        issuer,
        seconds,
        issuer=[
            issuer.url,
            TrustedIssuer(other.url, jwks_url=f"{issuer.url}/jwks", audience="https://two.example"),
        ],
    )
    async with client_of(scoped_api(oidc)) as client:
        for token, expected in (
            (issuer.sign(scope="reports:read"), (200, f"{issuer.url} somebody")),
            (
                other.sign(scope="reports:read", aud="https://two.example"),
                (200, "https://other.example somebody"),
            ),
        ):
            response = await use(client, token, "/reports")
            assert (response.status_code, response.json()) == expected
        wrong_audience = await use(client, other.sign(scope="reports:read"), "/reports")
        assert wrong_audience.status_code == 401


async def test_no_issuer_signs_for_another_one(issuer: Issuer, seconds: Seconds) -> None:
    other = Issuer("https://other.example")
    keys_of_other = f"{issuer.url}/jwks"
    issuer.keys = {"keys": [other.jwk()]}
    oidc = make_bearer(
        issuer,
        seconds,
        issuer=[
            TrustedIssuer(other.url, jwks_url=keys_of_other),
            TrustedIssuer("https://third.example", jwks_url=f"{issuer.url}/nothing-there"),
        ],
    )
    async with client_of(api_of(oidc)) as client:
        assert (await use(client, other.sign())).status_code == 200
        issuer.keys = {"keys": []}
        for name in ("https://third.example", "https://fourth.example"):
            assert (await use(client, other.sign(iss=name))).status_code == 401


async def test_an_issuer_that_is_down_is_503_for_its_own_tokens_alone(
    issuer: Issuer, seconds: Seconds
) -> None:
    down = Issuer("https://down.example")
    nowhere = f"http://127.0.0.1:{free_port()}/jwks"
    oidc = make_bearer(
        issuer, seconds, issuer=[issuer.url, TrustedIssuer(down.url, jwks_url=nowhere)]
    )
    async with client_of(api_of(oidc)) as client:
        assert (await use(client, down.sign())).status_code == 503
        assert (await use(client, issuer.sign())).status_code == 200


async def test_with_the_address_of_the_keys_no_discovery_document_is_read(
    issuer: Issuer, seconds: Seconds
) -> None:
    known_as = Issuer("https://login.example.com", key=issuer.key)
    trusted = TrustedIssuer(known_as.url, jwks_url=f"{issuer.url}/jwks")
    oidc = make_bearer(issuer, seconds, issuer=[trusted])
    async with client_of(api_of(oidc)) as client:
        assert (await use(client, known_as.sign())).status_code == 200
        issuer.rotate()
        known_as.key, known_as.kid = issuer.key, issuer.kid
        seconds.now += COOLDOWN
        assert (await use(client, known_as.sign())).status_code == 200
    assert issuer.fetched == ["/jwks", "/jwks"]


def test_without_an_issuer_nothing_is_built(issuer: Issuer, seconds: Seconds) -> None:
    with pytest.raises(ValueError, match="there is no issuer"):
        make_bearer(issuer, seconds, issuer=[])


async def test_one_issuer_needs_no_list(issuer: Issuer, seconds: Seconds) -> None:
    one = TrustedIssuer(issuer.url, audience="https://one.example")
    async with client_of(api_of(make_bearer(issuer, seconds, issuer=one))) as client:
        await assert_accepted(client, issuer.sign(aud="https://one.example"))
        assert_invalid(await use(client, issuer.sign()))


def test_an_issuer_cannot_be_given_twice(issuer: Issuer, seconds: Seconds) -> None:
    twice = [issuer.url, TrustedIssuer(issuer.url, audience="https://two.example")]
    with pytest.raises(ValueError, match="an issuer is given once, with one audience"):
        make_bearer(issuer, seconds, issuer=twice)


@pytest.mark.parametrize("as_list", [True, False])
def test_an_address_of_a_document_beside_issuers_that_say_their_own_is_refused(
    issuer: Issuer, seconds: Seconds, as_list: bool
) -> None:
    given = [issuer.url] if as_list else TrustedIssuer(issuer.url)
    with pytest.raises(ValueError, match="discovery_url is of one issuer"):
        make_bearer(issuer, seconds, issuer=given, discovery_url=issuer.url + DISCOVERY)


# In tests of the application


async def test_a_test_logs_somebody_in_without_an_issuer_and_scopes_are_checked_all_the_same(
    issuer: Issuer, oidc: OpenIdConnectBearer
) -> None:
    app = scoped_api(oidc)
    async with client_of(app) as client:
        with oidc.pretending(app, sub="alice", scope="reports:read"):
            response = await client.get("/reports")
            assert (response.status_code, response.json()) == (200, f"{issuer.url} alice")
            with oidc.pretending(app, sub="bob", scope="profile"):
                refused = await client.get("/reports")
                assert refused.status_code == 403
                assert 'scope="reports:read"' in refused.headers["www-authenticate"]
            assert (await client.get("/reports")).json() == f"{issuer.url} alice"
        assert (await client.get("/reports")).status_code == 401
    assert issuer.fetched == []


async def test_a_test_may_pretend_other_claims(oidc: OpenIdConnectBearer) -> None:
    app = FastAPI()

    @app.get("/claims")
    async def claims(found: Annotated[Claims, Depends(oidc)]) -> dict[str, Any]:
        return dict(found)

    async with client_of(app) as client:
        with oidc.pretending(app, sub="alice", iss="https://other.example", groups=["staff"]):
            told = (await client.get("/claims")).json()
    assert told == {
        "iss": "https://other.example",
        "aud": AUDIENCE,
        "sub": "alice",
        "scope": "",
        "groups": ["staff"],
    }
