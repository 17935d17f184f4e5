"""OpenID Connect clients that nobody here wrote: from the discovery document to the logout.

Only the person is played: an HTTP client that fills in the forms of the pages.
"""

import base64
import hashlib
import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest
import requests
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.integrations.requests_client import OAuth2Session
from authlib.integrations.starlette_client import OAuth
from authlib.oidc.core import CodeIDToken
from idpyoidc.client.rp_handler import RPHandler
from joserfc import jwt
from joserfc.errors import InvalidClaimError
from joserfc.jwk import KeySet
from starlette.requests import Request

from tests.support.databases import Backend
from tests.support.flow import Page
from tests.support.live_server import latchkey, serving

CALLBACK = "https://shop.example.com/callback"
GOODBYE = "https://shop.example.com/goodbye"
LOOPBACK = "http://127.0.0.1:53117/callback"
"""Where no registered address of the client has its port."""

SCOPE = "openid profile email"
WELL_KNOWN = "/.well-known/openid-configuration"
NONCE = "the nonce of the client"

ALICE = {"username": "alice", "password": "alice-in-wonderland"}


@dataclass(frozen=True)
class Shop:
    """A confidential client, and the provider that it is registered with."""

    issuer: str
    client_id: str
    secret: str


@pytest.fixture(scope="module")
def shop(sqlite: Backend) -> Generator[Shop]:
    """Registered with a server that runs, beside the demo data."""
    database_url = sqlite.seeded()
    options = {
        "--grant": ("authorization_code", "refresh_token"),
        "--redirect-uri": (CALLBACK,),
        "--post-logout-redirect-uri": (GOODBYE,),
        "--scope": (*SCOPE.split(), "offline_access"),
        "--default-scope": ("profile",),
    }
    arguments = [part for name, values in options.items() for v in values for part in (name, v)]
    shown = latchkey(database_url, "clients", "create", "Shop", *arguments, "--json")
    client = json.loads(shown)
    with serving(database_url) as url:
        yield Shop(url, client["client_id"], client["client_secret"])


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class Person:
    """Somebody with a browser, who logs in and allows whatever is asked."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._browser = httpx2.Client(trust_env=False, timeout=10)

    def close(self) -> None:
        self._browser.close()

    def visit(self, url: str) -> str:
        """Go to ``url``, and on until another site comes: where that is."""
        response = self._browser.get(url)
        for _ in range(8):
            if response.status_code == 303:
                location = response.headers["location"]
                if not location.startswith(f"{self._issuer}/"):
                    return str(location)
                response = self._browser.get(location)
            else:
                response = self._fill_in(response)
        raise AssertionError("the pages do not end")

    def _fill_in(self, response: httpx2.Response) -> httpx2.Response:
        assert response.status_code == 200, response.text
        form = Page(response).form
        answer = {"decision": "allow"} if form.choices else ALICE
        return self._browser.post(f"{self._issuer}/{form.action}", data=form.fields | answer)

    def is_logged_in(self) -> bool:
        return self._browser.get(f"{self._issuer}/account").status_code == 200


@pytest.fixture
def person(shop: Shop) -> Generator[Person]:
    person = Person(shop.issuer)
    yield person
    person.close()


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def status_of(shop: Shop, access_token: str) -> int:
    """How a protected route answers to the token."""
    headers = {"Authorization": f"Bearer {access_token}"}
    with httpx2.Client(trust_env=False, timeout=10) as http:
        return http.get(f"{shop.issuer}/userinfo", headers=headers).status_code


def assert_alice(claims: Mapping[str, Any], subject: str) -> None:
    told = dict(claims)
    assert isinstance(told.pop("updated_at"), int)
    assert told == {
        "sub": subject,
        "name": "alice",
        "preferred_username": "alice",
        "email": "alice@example.com",
        "email_verified": True,
    }


# Authlib on requests


class AuthlibLogin:
    """A login with Authlib's session, told nothing but the issuer and its own credentials."""

    def __init__(self, session: OAuth2Session, issuer: str, person: Person, redirect: str) -> None:
        self.session = session
        self.discovered = session.request(
            "GET", issuer + WELL_KNOWN, withhold_token=True, timeout=10
        ).json()
        verifier = "a-verifier_of.43~characters-0123456789abcde"
        url, state = session.create_authorization_url(
            self.discovered["authorization_endpoint"], code_verifier=verifier, nonce=NONCE
        )
        self.asked = query_of(url)
        self.answered = person.visit(url)
        self.token = dict(
            session.fetch_token(
                self.discovered["token_endpoint"],
                authorization_response=self.answered,
                state=state,
                code_verifier=verifier,
                redirect_uri=redirect,
            )
        )

    def id_token(self, encoded: str, nonce: str | None = NONCE) -> CodeIDToken:
        """The claims, once Authlib has found them good."""
        keys = requests.get(self.discovered["jwks_uri"], timeout=10).json()
        decoded = jwt.decode(encoded, KeySet.import_key_set(keys), algorithms=["RS256"])
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={"iss": {"value": self.discovered["issuer"]}},
            params={
                "nonce": nonce,
                "client_id": self.session.client_id,
                "access_token": self.session.token["access_token"],
            },
        )
        claims.validate()
        return claims


@pytest.fixture
def authlib(shop: Shop, person: Person) -> Generator[AuthlibLogin]:
    with OAuth2Session(
        shop.client_id,
        shop.secret,
        scope=SCOPE,
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
    ) as session:
        yield AuthlibLogin(session, shop.issuer, person, CALLBACK)


def test_authlib_on_requests_logs_in_with_the_endpoints_that_it_discovers(
    authlib: AuthlibLogin,
) -> None:
    token = authlib.token
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 900)
    assert token["scope"].split() == SCOPE.split()


def test_authlib_on_requests_sends_a_pkce_challenge(authlib: AuthlibLogin) -> None:
    digest = hashlib.sha256(b"a-verifier_of.43~characters-0123456789abcde").digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert authlib.asked["code_challenge"] == challenge
    assert authlib.asked["code_challenge_method"] == "S256"


def test_the_answer_to_authlib_names_the_issuer(authlib: AuthlibLogin, shop: Shop) -> None:
    assert query_of(authlib.answered)["iss"] == authlib.discovered["issuer"] == shop.issuer


def test_authlib_finds_the_id_token_good(authlib: AuthlibLogin, shop: Shop) -> None:
    claims = authlib.id_token(authlib.token["id_token"])
    assert claims["aud"] == shop.client_id
    assert claims["nonce"] == NONCE
    assert claims["at_hash"]


def test_authlib_refuses_the_id_token_where_it_sent_another_nonce(authlib: AuthlibLogin) -> None:
    with pytest.raises(InvalidClaimError, match="nonce"):
        authlib.id_token(authlib.token["id_token"], nonce="another")


def test_authlib_on_requests_reads_the_user_info(authlib: AuthlibLogin) -> None:
    answer = authlib.session.get(authlib.discovered["userinfo_endpoint"])
    subject = authlib.id_token(authlib.token["id_token"])["sub"]
    assert_alice(answer.json(), subject)


def test_authlib_on_requests_gets_a_new_id_token_with_a_refresh(authlib: AuthlibLogin) -> None:
    before = authlib.id_token(authlib.token["id_token"])
    refreshed = authlib.session.refresh_token(authlib.discovered["token_endpoint"])
    assert refreshed["refresh_token"] != authlib.token["refresh_token"]
    after = authlib.id_token(refreshed["id_token"], nonce=None)
    for name in ("iss", "sub", "aud", "auth_time", "sid"):
        assert after[name] == before[name], name
    assert after["at_hash"] != before["at_hash"]


def test_the_end_session_endpoint_sends_the_person_of_authlib_back(
    authlib: AuthlibLogin, person: Person
) -> None:
    parameters = {
        "id_token_hint": authlib.token["id_token"],
        "post_logout_redirect_uri": GOODBYE,
        "state": "until next time",
    }
    url = f"{authlib.discovered['end_session_endpoint']}?{urlencode(parameters)}"
    assert person.visit(url) == f"{GOODBYE}?state=until%20next%20time"
    assert not person.is_logged_in()


def test_the_tokens_of_authlib_end_with_the_session(
    authlib: AuthlibLogin, person: Person, shop: Shop
) -> None:
    assert status_of(shop, authlib.token["access_token"]) == 200
    parameters = {
        "id_token_hint": authlib.token["id_token"],
        "post_logout_redirect_uri": GOODBYE,
    }
    person.visit(f"{authlib.discovered['end_session_endpoint']}?{urlencode(parameters)}")
    assert status_of(shop, authlib.token["access_token"]) == 401


def test_authlib_on_requests_logs_in_as_a_public_client_at_a_port_of_its_own(
    shop: Shop, person: Person
) -> None:
    with OAuth2Session(
        "demo-spa",
        scope="openid profile",
        redirect_uri=LOOPBACK,
        code_challenge_method="S256",
        token_endpoint_auth_method="none",
    ) as session:
        login = AuthlibLogin(session, shop.issuer, person, LOOPBACK)
        assert login.answered.startswith(f"{LOOPBACK}?")
        assert login.id_token(login.token["id_token"])["aud"] == "demo-spa"


# Authlib on asynchronous httpx2


async def test_authlib_on_asynchronous_httpx2_goes_the_whole_way(
    shop: Shop, person: Person
) -> None:
    async with AsyncOAuth2Client(
        shop.client_id,
        shop.secret,
        scope=SCOPE,
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
    ) as client:
        url = shop.issuer + WELL_KNOWN
        discovered = (await client.request("GET", url, withhold_token=True)).json()
        verifier = "another-verifier_of.43~characters-012345678"
        url, state = client.create_authorization_url(
            discovered["authorization_endpoint"], code_verifier=verifier
        )
        before = dict(
            await client.fetch_token(
                discovered["token_endpoint"],
                authorization_response=person.visit(url),
                state=state,
                code_verifier=verifier,
            )
        )
        after = await client.refresh_token(discovered["token_endpoint"])
        assert after["refresh_token"] != before["refresh_token"]
        claims = (await client.get(discovered["userinfo_endpoint"])).json()
        assert_alice(claims, claims["sub"])


# Authlib for Starlette and FastAPI, which does all of it by itself


class StarletteLogin:
    """What a FastAPI application does with Authlib's ``OAuth``."""

    def __init__(self, shop: Shop, person: Person, scope: str = SCOPE) -> None:
        self._person = person
        self._session: dict[str, Any] = {}
        self.app = OAuth().register(
            "latchkey",
            client_id=shop.client_id,
            client_secret=shop.secret,
            server_metadata_url=shop.issuer + WELL_KNOWN,
            client_kwargs={"scope": scope, "code_challenge_method": "S256"},
        )

    def request(self, url: str = CALLBACK) -> Request:
        """The browser comes to the application."""
        return Request(
            {
                "type": "http",
                "method": "GET",
                "headers": [],
                "path": urlsplit(url).path,
                "query_string": urlsplit(url).query.encode(),
                "session": self._session,
            }
        )

    async def log_in(self) -> dict[str, Any]:
        """The tokens; Authlib has validated the ID token among them."""
        redirect = await self.app.authorize_redirect(self.request(), CALLBACK)
        answered = self._person.visit(redirect.headers["location"])
        return dict(await self.app.authorize_access_token(self.request(answered)))


async def test_authlib_for_starlette_logs_in_and_validates_the_id_token(
    shop: Shop, person: Person
) -> None:
    login = StarletteLogin(shop, person)
    token = await login.log_in()
    claims = token["userinfo"]  # its name for the claims of the ID token
    assert (claims["iss"], claims["aud"]) == (shop.issuer, shop.client_id)
    assert_alice(await login.app.userinfo(token=token), claims["sub"])


async def test_authlib_for_starlette_logs_out(shop: Shop, person: Person) -> None:
    login = StarletteLogin(shop, person)
    token = await login.log_in()
    redirect = await login.app.logout_redirect(
        login.request(), post_logout_redirect_uri=GOODBYE, id_token_hint=token["id_token"]
    )
    answered = person.visit(redirect.headers["location"])
    assert answered.startswith(f"{GOODBYE}?state=")
    data = await login.app.validate_logout_response(login.request(answered))
    assert data == {"post_logout_redirect_uri": GOODBYE}
    assert not person.is_logged_in()


async def test_a_login_of_authlib_that_may_stay_survives_the_logout(
    shop: Shop, person: Person
) -> None:
    login = StarletteLogin(shop, person, f"{SCOPE} offline_access")
    token = await login.log_in()
    redirect = await login.app.logout_redirect(
        login.request(), post_logout_redirect_uri=GOODBYE, id_token_hint=token["id_token"]
    )
    person.visit(redirect.headers["location"])
    assert status_of(shop, token["access_token"]) == 200


# idpy-oidc


class IdpyLogin:
    """A login with the relying party of idpy-oidc, which discovers and validates by itself."""

    def __init__(self, shop: Shop, person: Person) -> None:
        client = "idpyoidc.client"
        services = {
            "provider_info": f"{client}.oidc.provider_info_discovery.ProviderInfoDiscovery",
            "authorization": f"{client}.oidc.authorization.Authorization",
            "accesstoken": f"{client}.oidc.access_token.AccessToken",
            "refresh_token": f"{client}.oidc.refresh_access_token.RefreshAccessToken",
            "userinfo": f"{client}.oidc.userinfo.UserInfo",
            "end_session": f"{client}.oidc.end_session.EndSession",
        }
        configuration = {
            "issuer": shop.issuer,
            "client_type": "oidc",
            "client_id": shop.client_id,
            "client_secret": shop.secret,
            "redirect_uris": [CALLBACK],
            "post_logout_redirect_uris": [GOODBYE],
            "response_types": ["code"],
            "client_authn_methods": ["client_secret_basic", "bearer_header"],
            "services": {name: {"class": path} for name, path in services.items()},
            "add_ons": {
                "pkce": {
                    "function": f"{client}.oauth2.add_on.pkce.add_support",
                    "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
                }
            },
        }
        self.handler = RPHandler(
            base_url="https://shop.example.com",
            client_configs={"shop": configuration},
            key_conf={"key_defs": [{"type": "EC", "crv": "P-256", "use": ["sig"]}]},
            httpc_params={"timeout": 10},
        )
        url = self.handler.begin("shop", req_args={"scope": SCOPE.split()})
        self.asked = query_of(url)
        answered = query_of(person.visit(url))
        self.result = self.handler.finalize(answered["iss"], answered)
        assert "error" not in self.result, self.result
        self.state: str = self.result["state"]


@pytest.fixture
def idpy(shop: Shop, person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IdpyLogin:
    monkeypatch.chdir(tmp_path)  # it may write its keys to where it runs
    return IdpyLogin(shop, person)


def test_idpyoidc_logs_in_and_finds_the_id_token_good(idpy: IdpyLogin, shop: Shop) -> None:
    claims = idpy.result["id_token"]
    assert (claims["iss"], claims["aud"]) == (shop.issuer, [shop.client_id])
    assert claims["nonce"] == idpy.asked["nonce"]


def test_idpyoidc_sends_a_pkce_challenge(idpy: IdpyLogin) -> None:
    assert (len(idpy.asked["code_challenge"]), idpy.asked["code_challenge_method"]) == (43, "S256")


def test_idpyoidc_reads_the_user_info(idpy: IdpyLogin) -> None:
    assert_alice(idpy.result["userinfo"].to_dict(), idpy.result["id_token"]["sub"])


def test_idpyoidc_refreshes_and_finds_the_new_id_token_good(idpy: IdpyLogin) -> None:
    refreshed = idpy.handler.refresh_access_token(idpy.state)
    assert refreshed["access_token"] != idpy.result["token"]
    after, before = refreshed["__verified_id_token"], idpy.result["id_token"]
    for name in ("iss", "sub", "aud", "auth_time", "sid"):
        assert after[name] == before[name], name


def test_idpyoidc_logs_out(idpy: IdpyLogin, shop: Shop, person: Person) -> None:
    request = idpy.handler.logout(idpy.state)
    state = query_of(request["url"])["state"]
    assert person.visit(request["url"]) == f"{GOODBYE}?state={state}"
    assert not person.is_logged_in()
    assert status_of(shop, idpy.result["token"]) == 401
