"""``OpenIdConnect``, completed, with this server itself as the issuer.

What the drop-in does with any issuer is in tests/features/schemes/dropin.
"""

from collections.abc import Callable, Generator
from io import BytesIO
from urllib.request import Request

import httpx2
import pytest

from app.features.schemes.dropin import issuer_keys
from app.main import create_app
from app.server import Server
from app.settings import Settings
from tests.features.schemes.answers import assert_recognised
from tests.support.assertions import (
    REALM,
    assert_bearer_error,
    assert_no_token_sent,
    assert_problem,
)
from tests.support.clock import TestClock
from tests.support.databases import Backend
from tests.support.factories import TestClient, TestUser, bearer, disable_user, log_in
from tests.support.lifecycle import Tokens, revoked, take_from_user
from tests.support.live_server import serving
from tests.support.started import started

PATH = "/schemes/openid-connect"

pytestmark = pytest.mark.usefixtures("own_documents")


async def use(http: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await http.get(PATH, headers=bearer(token))


def assert_refused(response: httpx2.Response) -> None:
    """RFC 6750, section 3.1."""
    assert response.status_code == 401
    (challenge,) = response.headers.get_list("www-authenticate")
    assert challenge.startswith(f'Bearer realm="{REALM}", error="invalid_token", error_descr')


async def test_a_good_token_names_its_user_and_its_scopes(
    http: httpx2.AsyncClient, alice: TestUser, token: str
) -> None:
    assert_recognised(await use(http, token), "OpenIdConnect", alice.id, ["profile", "items:read"])


async def test_no_token_is_asked_for_without_an_error(http: httpx2.AsyncClient) -> None:
    response = await http.get(PATH)
    assert_no_token_sent(response)
    assert assert_problem(response, 401)["detail"] == "This resource needs an access token."


@pytest.mark.parametrize("scheme", ["Basic", "DPoP", "Digest"])
async def test_another_scheme_counts_as_no_token(
    http: httpx2.AsyncClient, token: str, scheme: str
) -> None:
    response = await http.get(PATH, headers={"Authorization": f"{scheme} {token}"})
    assert_no_token_sent(response)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"Bearer", id="scheme_alone"),
        pytest.param(b"Bearer nonsense", id="nonsense"),
        pytest.param(b"Bearer %s %s", id="two_words"),
        pytest.param(b"Bearer %sA", id="a_letter_more"),
        pytest.param("Bearer ключ".encode(), id="utf_8"),
    ],
)
async def test_what_is_no_good_token_is_refused(
    http: httpx2.AsyncClient, token: str, header: bytes
) -> None:
    value = header.replace(b"%s", token.encode())
    assert_refused(await http.get(PATH, headers=[(b"authorization", value)]))


async def test_a_refusal_has_the_body_of_every_route_behind_a_token(
    http: httpx2.AsyncClient,
) -> None:
    assert_bearer_error(await use(http, "nonsense"), "invalid_token", 401)


@pytest.mark.parametrize("other", [b"Bearer x", b"Basic YTpi"], ids=["bearer", "basic"])
async def test_a_repeated_header_is_an_invalid_request(
    http: httpx2.AsyncClient, token: str, other: bytes
) -> None:
    values = [b"Bearer " + token.encode(), other]
    response = await http.get(PATH, headers=[(b"authorization", value) for value in values])
    assert_bearer_error(response, "invalid_request", 400)


async def test_a_refresh_token_is_refused(http: httpx2.AsyncClient, tokens: Tokens) -> None:
    assert_refused(await use(http, tokens["refresh_token"]))


async def test_an_id_token_is_refused(http: httpx2.AsyncClient, id_token: str) -> None:
    assert_refused(await use(http, id_token))


async def test_an_expired_token_is_refused(
    http: httpx2.AsyncClient, settings: Settings, alice: TestUser, web: TestClient
) -> None:
    clock = TestClock()
    clock.advance(-1000)
    async with started(create_app(settings, clock)) as earlier:
        token = (await log_in(earlier, alice, web, "profile"))["access_token"]
    assert_refused(await use(http, token))


async def test_a_revoked_token_is_refused_at_once(
    http: httpx2.AsyncClient, web: TestClient, token: str
) -> None:
    assert (await use(http, token)).status_code == 200
    await revoked(http, web, token)
    assert_refused(await use(http, token))


async def test_a_disabled_user_stops_at_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, token: str
) -> None:
    assert (await use(http, token)).status_code == 200
    await disable_user(server, alice)
    assert_refused(await use(http, token))


async def test_a_scope_that_was_taken_from_the_user_is_gone_at_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, token: str
) -> None:
    await take_from_user(server, alice, "items:read")
    assert_recognised(await use(http, token), "OpenIdConnect", alice.id, ["profile"])


async def test_the_token_of_a_client_is_no_users(
    http: httpx2.AsyncClient, service_token: str
) -> None:
    assert_bearer_error(await use(http, service_token), "insufficient_scope", 403)


async def test_an_issuer_that_does_not_answer_is_503(
    settings: Settings, clock: TestClock, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(request: Request, timeout: float) -> BytesIO:
        raise TimeoutError

    monkeypatch.setattr(issuer_keys, "_open", fetch)
    async with started(create_app(settings, clock)) as http:
        response = await use(http, token)
    assert assert_problem(response, 503)["detail"] == "The issuer does not answer."
    assert response.headers["retry-after"] == "30"


async def test_the_documents_are_read_once(
    settings: Settings, clock: TestClock, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    answer: Callable[..., BytesIO] = vars(issuer_keys)["_open"]

    def fetch(request: Request, timeout: float) -> BytesIO:
        read.append(request.full_url)
        return answer(request, timeout=timeout)

    monkeypatch.setattr(issuer_keys, "_open", fetch)
    async with started(create_app(settings, clock)) as http:
        for _ in range(3):
            assert (await use(http, token)).status_code == 200
    assert read == [
        f"{settings.issuer}/.well-known/openid-configuration",
        f"{settings.issuer}/.well-known/jwks.json",
    ]


# The document for Swagger UI


async def test_the_document_for_swagger_ui_names_only_grants_that_it_has_forms_for(
    http: httpx2.AsyncClient,
) -> None:
    full = (await http.get("/.well-known/openid-configuration")).json()
    full.pop("acr_values_supported")  # of features, as what else they add
    response = await http.get("/docs/openid-configuration")
    assert response.headers["content-type"] == "application/json"
    forms = ["password", "client_credentials", "authorization_code"]
    assert sorted(response.json()["grant_types_supported"]) == sorted(forms)
    assert response.json() == full | {
        "authorization_endpoint": "authorize",
        "token_endpoint": "token",
        "grant_types_supported": response.json()["grant_types_supported"],
        "scopes_supported": ["email", "openid", "profile"],
    }


async def test_the_document_for_swagger_ui_is_asked_for_anew_each_time(
    http: httpx2.AsyncClient,
) -> None:
    response = await http.get("/docs/openid-configuration")
    assert response.headers["cache-control"] == "no-cache"
    known = {"If-None-Match": response.headers["etag"]}
    assert (await http.get("/docs/openid-configuration", headers=known)).status_code == 304


async def test_the_document_for_clients_names_the_grants_that_swagger_ui_has_no_form_for(
    http: httpx2.AsyncClient,
) -> None:
    full = (await http.get("/.well-known/openid-configuration")).json()
    assert "refresh_token" in full["grant_types_supported"]


# A server that reads its own documents through a socket


@pytest.fixture(scope="module")
def live(sqlite: Backend) -> Generator[str]:
    database_url = sqlite.seeded()
    with serving(database_url) as url:
        yield url
    sqlite.drop(database_url)


@pytest.mark.rfc("9068", "4", 1)
async def test_a_live_server_validates_a_token_with_what_it_publishes_itself(live: str) -> None:
    form = {
        "grant_type": "password",
        "username": "alice",
        "password": "alice-in-wonderland",
        "scope": "profile",
    }
    async with httpx2.AsyncClient(base_url=live, trust_env=False, timeout=20) as client:
        token = (await client.post("/token", data=form)).json()["access_token"]
        subject = (await client.get("/users/me", headers=bearer(token))).json()["id"]
        assert_recognised(await use(client, token), "OpenIdConnect", subject, ["profile"])
        assert_refused(await use(client, token[:-4]))
