"""The headers of every answer: one table for all routes, over http and over https."""

from collections.abc import AsyncGenerator, Mapping

import httpx2
import pytest
from fastapi import FastAPI

from app.main import create_app
from tests.conftest import ISSUER, make_settings
from tests.features import brought
from tests.support.clock import TestClock
from tests.support.databases import Backend
from tests.support.routes import every_route, filled

HTTPS_ISSUER = "https://auth.example.com"

ORIGIN = "https://app.example.com"
"""One that may call the endpoints that are open to other origins at all."""

Answers = Mapping[str, httpx2.Response]

ON_EVERY_ANSWER = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}

NOTHING = "default-src 'none'; frame-ancestors 'none'"

PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)

PAGES = {"/docs", "/", *brought("PAGES")}

OPENER_POLICY_OPEN = {
    *("GET /docs", "GET /docs/oauth2-redirect"),
    *brought("PAGES_OF_POPUPS"),
}

CACHE: dict[str, str] = {
    "GET /.well-known/oauth-authorization-server": "public, max-age=60",
    **{f"GET {path}": caching for path, caching in brought("PUBLISHED").items()},
    "GET /.well-known/oauth-protected-resource": "public, max-age=60",
    "GET /docs/openid-configuration": "no-cache",
    "GET /.well-known/jwks.json": "public, max-age=300",
}


FOR_SOME_ORIGINS = {"/token", "/revoke", *brought("ENDPOINTS")}


def expected_caching(name: str) -> str:
    if name.endswith((".css", ".js", ".svg")):
        # The modules of /docs belong together: none may be older than the others.
        return "no-cache" if " /docs/" in name else "public, max-age=3600"
    return CACHE.get(as_get(name), "no-store")


LEAD_TO_CLIENTS = brought("LEAD_TO_CLIENTS")


def path_of(name: str) -> str:
    return name.partition(" ")[2]


FOR_ANY_ORIGIN = {path_of(name) for name in CACHE}


def as_get(name: str) -> str:
    """HEAD has the headers of GET (RFC 9110, section 9.3.2)."""
    return name.replace("HEAD ", "GET ")


@pytest.fixture(scope="module", params=[ISSUER, HTTPS_ISSUER], ids=["http", "https"])
def issuer(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def app(sqlite: Backend, issuer: str) -> FastAPI:
    settings = make_settings(database_url=sqlite.migrated(), issuer=issuer, cors_origins=[ORIGIN])
    return create_app(settings, TestClock())


@pytest.fixture(scope="module")
async def http(app: FastAPI, issuer: str) -> AsyncGenerator[httpx2.AsyncClient]:
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=issuer) as client:
            yield client


@pytest.fixture(scope="module")
async def answers(app: FastAPI, http: httpx2.AsyncClient) -> Answers:
    """An answer of every route, of what is no route, and of each page behind a login."""
    found = {}
    for method, path in every_route(app):
        headers = {"Origin": ORIGIN}
        found[f"{method} {path}"] = await http.request(method, filled(path), headers=headers)
    found["not found"] = await http.get("/nowhere")
    found["not allowed"] = await http.put("/token")
    found["too large"] = await http.post("/token", content=b"x" * 70_000)
    found["long header"] = await http.get("/users/me", headers={"Cookie": "x" * 40_000})
    found["preflight"] = await http.options(
        "/token", headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    )
    for more in brought("ANSWERS").values():
        found |= await more(http, app.state.server)
    return found


@pytest.fixture(scope="module")
async def fault(app: FastAPI) -> httpx2.Response:
    """The answer of an application whose database is not there at all."""
    settings = make_settings(database_url="sqlite:////nowhere/at/all.db")
    broken = create_app(settings, TestClock())
    transport = httpx2.ASGITransport(app=broken, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as client:
        return await client.get("/readyz")


def expected_policy(name: str, response: httpx2.Response) -> str:
    """The Content-Security-Policy of an answer, by its route and by what it is."""
    if not response.headers.get("content-type", "").startswith("text/html"):
        return NOTHING
    return PAGE + (" https:" if name in LEAD_TO_CLIENTS else "")


async def test_pages_are_where_pages_are_expected(answers: Answers) -> None:
    html = {
        path_of(name)
        for name, response in answers.items()
        if "text/html" in response.headers.get("content-type", "") and " /" in name
    }
    assert html == PAGES | {"/docs/oauth2-redirect"}


async def test_every_answer_keeps_browsers_from_guessing_telling_and_asking(
    answers: Answers,
) -> None:
    for name, response in answers.items():
        found = {header: response.headers.get(header) for header in ON_EVERY_ANSWER}
        assert found == ON_EVERY_ANSWER, name
        assert len(response.headers["x-request-id"]) == 16, name
        assert "server" not in response.headers, name


@pytest.mark.rfc("6238", "5.1", 1)
@pytest.mark.rfc("6749", "2.3.1", 6)
@pytest.mark.rfc("6750", "5.2", 5)
@pytest.mark.rfc("6750", "5.3", 7)
@pytest.mark.rfc("7616", "5.1", 2)
@pytest.mark.rfc("7617", "4", 1)
@pytest.mark.rfc("9728", "7.1")
async def test_https_is_insisted_on_where_the_issuer_has_it(answers: Answers, issuer: str) -> None:
    expected = "max-age=31536000" if issuer == HTTPS_ISSUER else None
    for name, response in answers.items():
        assert response.headers.get("strict-transport-security") == expected, name


@pytest.mark.rfc("9700", "4.16", 2)
@pytest.mark.rfc("webauthn", "13.4.8", 1)
async def test_every_answer_says_what_it_may_load_and_who_may_frame_it(answers: Answers) -> None:
    for name, response in answers.items():
        policies = response.headers.get_list("content-security-policy")
        if path_of(name) == "/docs/oauth2-redirect":
            continue
        assert policies == [expected_policy(name, response)], name


async def test_the_page_for_swagger_runs_its_own_script_alone(answers: Answers) -> None:
    (policy,) = answers["GET /docs/oauth2-redirect"].headers.get_list("content-security-policy")
    before, script, after = policy.split("; ")
    assert (before, after) == ("default-src 'none'", "frame-ancestors 'none'")
    assert script.startswith("script-src 'sha256-")
    assert script.endswith("='")


async def test_no_policy_permits_what_is_written_into_a_page(answers: Answers) -> None:
    for name, response in answers.items():
        assert "unsafe" not in response.headers["content-security-policy"], name


async def test_the_opener_policy_is_open_on_the_pages_of_a_popup_and_closed_elsewhere(
    answers: Answers,
) -> None:
    for name, response in answers.items():
        expected = "unsafe-none" if as_get(name) in OPENER_POLICY_OPEN else "same-origin"
        assert response.headers.get_list("cross-origin-opener-policy") == [expected], name


async def test_nothing_is_stored_but_assets_and_what_is_published(answers: Answers) -> None:
    for name, response in answers.items():
        assert response.headers.get_list("cache-control") == [expected_caching(name)], name


async def test_other_origins_read_what_is_opened_to_them_and_nothing_else(
    answers: Answers,
) -> None:
    for name, response in answers.items():
        expected = None
        if path_of(name) in FOR_ANY_ORIGIN:
            expected = "*"
        elif path_of(name) in FOR_SOME_ORIGINS or name == "preflight":
            expected = ORIGIN
        assert response.headers.get("access-control-allow-origin") == expected, name
        assert "access-control-allow-credentials" not in response.headers, name


async def test_a_fault_has_the_headers_of_any_other_answer(fault: httpx2.Response) -> None:
    assert fault.status_code == 503
    assert {header: fault.headers.get(header) for header in ON_EVERY_ANSWER} == ON_EVERY_ANSWER
    assert fault.headers["content-security-policy"] == NOTHING
    assert fault.headers["cross-origin-opener-policy"] == "same-origin"
    assert fault.headers["cache-control"] == "no-store"
