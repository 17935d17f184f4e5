"""``/openapi.json`` and ``/docs``: the document is valid, and it tells the truth."""

import json
import re
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.encoders import jsonable_encoder
from fastapi.openapi.models import OpenAPI
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security.base import SecurityBase

from app.features import load_features
from app.identity.scopes import list_scopes
from app.main import create_app
from app.management.authority import operating
from app.operations.demo import (
    DEMO_USERS,
    demo_clients,
    seed_demo,
)
from app.server import Server
from app.settings import DEVELOPMENT_SECRET_KEY, Settings
from tests.conftest import ISSUER, make_settings
from tests.features import brought
from tests.support.clock import TestClock
from tests.support.databases import Backend
from tests.support.factories import add_scope
from tests.support.openapi import Document, fetch, shown_scopes
from tests.support.routes import shipped_routes
from tests.support.started import app, clock, started

__all__ = ["app", "clock"]

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}

BEARER_SCHEMES = {
    "OAuth2PasswordBearer",
    "OAuth2AuthorizationCodeBearer",
    "OAuth2",
    "OpenIdConnect",
    "HTTPBearer",
}

PRODUCTION_ISSUER = "https://auth.example.com"

PRINTED = {
    *(user.password for user in DEMO_USERS),
    *(
        client.client_secret.get_secret_value()
        for client in demo_clients(load_features())
        if client.client_secret
    ),
    *brought("PRINTED"),
    DEVELOPMENT_SECRET_KEY,
}
"""The secrets that the documents print."""

NOBODYS = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def settings(sqlite: Backend) -> Settings:
    return make_settings(database_url=sqlite.migrated(), default_client_id="first-party")


@pytest.fixture(scope="module")
async def http(app: FastAPI) -> AsyncGenerator[httpx2.AsyncClient]:
    """A development server with the demo data."""
    async with started(app) as client:
        server: Server = app.state.server
        async with operating(server.database, server.clock) as operator:
            await seed_demo(operator, server)
        yield client


@pytest.fixture(scope="module")
async def production(sqlite: Backend, clock: TestClock) -> AsyncGenerator[httpx2.AsyncClient]:
    """A production server that shows its documents and samples all the same."""
    settings = make_settings(
        database_url=sqlite.migrated(),
        environment="production",
        issuer=PRODUCTION_ISSUER,
        secret_key=["a secret key that nobody has published"],
        docs=True,
        demo_routes=True,
    )
    async with started(create_app(settings, clock)) as client:
        yield client


@pytest.fixture(scope="module")
async def document(app: FastAPI, http: httpx2.AsyncClient) -> Document:
    """The document, without the routes that a fork has added."""
    shipped = {path for _, path in shipped_routes(app)}
    found = await fetch(http)
    paths = {path: item for path, item in found["paths"].items() if path in shipped}
    return {**found, "paths": paths}


def operations(document: Document) -> dict[tuple[str, str], Document]:
    """By method and path."""
    return {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def protected(document: Document) -> dict[tuple[str, str], Document]:
    """The operations that want a credential."""
    return {
        key: operation
        for key, operation in operations(document).items()
        if operation.get("security")
    }


def nodes(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value of a document, with where it is."""
    yield path, value
    if isinstance(value, dict):
        for name, each in value.items():
            yield from nodes(each, (*path, name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from nodes(each, (*path, str(index)))


# Its form


async def test_it_is_openapi_3_1_in_the_eyes_of_the_models_of_fastapi(document: Document) -> None:
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    read = OpenAPI.model_validate(document)
    assert read.paths is not None
    assert set(read.paths) == set(document["paths"])


async def test_it_has_no_member_that_openapi_does_not_know(document: Document) -> None:
    assert set(document) <= {"openapi", "info", "paths", "components", "tags", "servers"}
    known = {
        "tags",
        "summary",
        "description",
        "operationId",
        "parameters",
        "requestBody",
        "responses",
        "security",
        "x-opened-by",
    }
    for operation in operations(document).values():
        assert set(operation) <= known


async def test_every_reference_leads_somewhere(document: Document) -> None:
    references = [value for path, value in nodes(document) if path and path[-1] == "$ref"]
    assert len(references) > 20
    for reference in references:
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in found, reference
            found = found[part]


async def test_every_part_of_a_path_is_a_parameter(document: Document) -> None:
    for (method, path), operation in operations(document).items():
        declared = [p for p in operation.get("parameters", []) if p["in"] == "path"]
        assert {p["name"] for p in declared} == set(re.findall(r"{(\w+)}", path)), (method, path)
        assert all(p["required"] for p in declared)


async def test_every_response_has_a_description(document: Document) -> None:
    for key, operation in operations(document).items():
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[2-5]\d\d", status), key
            assert response["description"], key


async def test_a_response_without_content_has_none(document: Document) -> None:
    for key, operation in operations(document).items():
        assert "content" not in operation["responses"].get("204", {}), key


async def test_every_operation_has_a_unique_id(document: Document) -> None:
    ids = Counter(operation.get("operationId") for operation in operations(document).values())
    assert [found for found, count in ids.items() if count > 1 or not found] == []


@pytest.mark.parametrize("member", ["summary", "description", "tags"])
async def test_every_operation_is_described(document: Document, member: str) -> None:
    bare = [key for key, operation in operations(document).items() if not operation.get(member)]
    assert bare == []


async def test_no_operation_is_described_by_the_code_that_serves_it(document: Document) -> None:
    for key, operation in operations(document).items():
        assert "Raises" not in operation["description"], key
        assert ":class:" not in operation["description"], key


async def test_every_security_requirement_names_a_scheme_that_is_defined(
    document: Document,
) -> None:
    used = {
        name
        for operation in protected(document).values()
        for alternative in operation["security"]
        for name in alternative
    }
    assert used == set(document["components"]["securitySchemes"])


async def test_scopes_are_named_for_oauth_alone(document: Document) -> None:
    schemes = document["components"]["securitySchemes"]
    for key, operation in protected(document).items():
        for alternative in operation["security"]:
            for name, scopes in alternative.items():
                assert not scopes or schemes[name]["type"] in ("oauth2", "openIdConnect"), key


# Its errors


@pytest.mark.rfc("9110", "11.6.1")
async def test_every_protected_operation_documents_401_with_its_challenge(
    document: Document,
) -> None:
    missing = [
        key
        for key, operation in protected(document).items()
        if "WWW-Authenticate" not in operation["responses"].get("401", {}).get("headers", {})
    ]
    assert missing == []


async def test_every_operation_behind_a_token_documents_403_with_its_challenge(
    document: Document,
) -> None:
    missing = [
        key
        for key, operation in protected(document).items()
        if any(BEARER_SCHEMES & set(alternative) for alternative in operation["security"])
        and "WWW-Authenticate" not in operation["responses"].get("403", {}).get("headers", {})
    ]
    assert missing == []


async def test_every_operation_behind_a_token_documents_400(document: Document) -> None:
    missing = [
        key
        for key, operation in protected(document).items()
        if any(BEARER_SCHEMES & set(alternative) for alternative in operation["security"])
        and "400" not in operation["responses"]
    ]
    assert missing == []


async def test_every_operation_with_a_json_body_documents_what_is_wrong_with_one(
    document: Document,
) -> None:
    for key, operation in operations(document).items():
        if "application/json" not in operation.get("requestBody", {}).get("content", {}):
            continue
        for status in ("400", "413", "422"):
            content = operation["responses"].get(status, {}).get("content", {})
            assert "application/problem+json" in content, (key, status)


async def test_every_operation_documents_an_unexpected_fault(document: Document) -> None:
    missing = [
        k for k, operation in operations(document).items() if "500" not in operation["responses"]
    ]
    assert missing == []


async def test_every_operation_that_changes_others_documents_that_it_may_be_refused(
    document: Document,
) -> None:
    managing = [
        operation
        for (method, path), operation in operations(document).items()
        if method != "get" and re.match("/(users/{user_id}|clients)", path)
    ]
    assert len(managing) >= 7
    for operation in managing:
        content = operation["responses"]["403"]["content"]
        assert set(content) == {"application/problem+json"}


async def test_a_problem_is_documented_under_its_own_media_type_alone(document: Document) -> None:
    for key, operation in operations(document).items():
        for status, response in operation["responses"].items():
            content = response.get("content", {})
            twin = content.get("application/json")
            assert twin is None or twin != content.get("application/problem+json"), (key, status)


@pytest.mark.rfc("9110", "15.6.4")
async def test_every_429_and_503_documents_when_to_try_again(document: Document) -> None:
    ready = ("get", "/readyz")  # for a load balancer, which has its own interval
    silent = {
        (*key, status)
        for key, operation in operations(document).items()
        for status, response in operation["responses"].items()
        if status in ("429", "503") and "Retry-After" not in response.get("headers", {})
    }
    assert silent == {(*ready, "503")}


# Its secrets


async def test_in_development_only_descriptions_of_schemes_and_operations_have_secrets(
    document: Document,
) -> None:
    for path, value in nodes(document):
        if isinstance(value, str) and any(secret in value for secret in PRINTED):
            assert len(path) == 4
            assert path[-1] == "description"
            assert path[:2] == ("components", "securitySchemes") or path[0] == "paths"


async def test_in_development_each_form_says_what_to_type(document: Document) -> None:
    schemes = document["components"]["securitySchemes"]
    silent = {
        name
        for name, scheme in schemes.items()
        if not any(secret in scheme["description"] for secret in PRINTED)
    }
    assert silent <= {"HTTPBearer"}  # a token is pasted there


async def test_in_production_the_document_has_no_secret(
    production: httpx2.AsyncClient,
) -> None:
    text = json.dumps(await fetch(production))
    assert [secret for secret in PRINTED if secret in text] == []
    assert "demo" not in text.lower()


async def test_passwords_and_secrets_have_neither_example_nor_default(document: Document) -> None:
    """But the empty example: else Swagger UI fills in a word of its own."""
    secret = re.compile(r"(\w+_)?(password|secret|key|code)|code_verifier|(\w+_)?token")
    found = [
        (path, value)
        for path, value in nodes(document)
        if len(path) > 1 and path[-2] == "properties" and secret.fullmatch(path[-1])
    ]
    assert len(found) > 5
    for path, value in found:
        assert not {"example", "default"} & set(value), path
        assert value.get("examples", [""]) == [""], path


def forms(document: Document) -> Iterator[tuple[tuple[str, str], Document]]:
    """The fields of each form."""
    for key, operation in operations(document).items():
        for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
            if media_type == "application/x-www-form-urlencoded":
                yield key, body["schema"]["properties"]


async def test_a_form_has_nothing_filled_in_but_in_development_the_name_of_a_demo_user(
    document: Document, production: httpx2.AsyncClient
) -> None:
    for shown, username in ((document, "alice"), (await fetch(production), "")):
        found = list(forms(shown))
        assert len(found) > 2
        for key, properties in found:
            for name, schema in properties.items():
                filled_in = username if name == "username" else ""
                assert "enum" in schema or schema["examples"] == [filled_in], (key, name)


async def test_passwords_and_secrets_of_forms_are_not_shown_while_they_are_typed(
    document: Document,
) -> None:
    shown = [
        (*key, name)
        for key, operation in operations(document).items()
        for body in operation.get("requestBody", {}).get("content", {}).values()
        for name, schema in body["schema"].get("properties", {}).items()
        if name in ("password", "client_secret") and schema.get("format") != "password"
    ]
    assert shown == []


# Its security is the one of the routes


def dependants(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from dependants(each)


def schemes_of(app: FastAPI) -> Iterator[tuple[str, SecurityBase]]:
    """Each scheme behind each route, with the path of the route."""
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            for each in dependants(context.original_route.dependant):
                if isinstance(each.call, SecurityBase):
                    yield str(context.path), each.call


async def test_no_two_definitions_share_a_name(app: FastAPI) -> None:
    definitions: dict[str, Any] = {}
    found = list(schemes_of(app))
    assert len(found) > 10
    for path, scheme in found:
        written = jsonable_encoder(scheme.model, by_alias=True, exclude_none=True)
        assert definitions.setdefault(scheme.scheme_name, written) == written, path


async def test_every_scheme_of_a_documented_route_is_defined_under_its_own_name(
    app: FastAPI, document: Document
) -> None:
    names = {scheme.scheme_name for _, scheme in schemes_of(app)}
    assert names == set(document["components"]["securitySchemes"])


def address(path: str) -> str:
    return re.sub(r"{\w+}", NOBODYS, path)


SETS_ITS_OWN_TERMS = {
    ("post", "/revoke"),
    ("post", "/introspect"),
    ("post", "/token"),
    *brought("SETS_ITS_OWN_TERMS"),
}
"""Where a client authenticates, in the form or by a header, as RFC 6749 says."""


async def test_an_operation_is_401_without_a_credential_exactly_if_the_document_says_so(
    http: httpx2.AsyncClient, document: Document
) -> None:
    refused, said = set(), set()
    for (method, path), operation in operations(document).items():
        if (method, path) in SETS_ITS_OWN_TERMS:
            continue
        response = await http.request(method.upper(), address(path))
        if response.status_code == 401:
            refused.add((method, path))
        if operation.get("security") and {} not in operation["security"]:
            said.add((method, path))
    assert refused == said


WORDS = {"apiKey": "APIKey", "oauth2": "Bearer", "openIdConnect": "Bearer"}


@pytest.mark.rfc("9110", "11.6.1")
@pytest.mark.rfc("9110", "15.5.2")
async def test_an_operation_challenges_with_a_scheme_that_the_document_names(
    http: httpx2.AsyncClient, document: Document
) -> None:
    schemes = document["components"]["securitySchemes"]
    for (method, path), operation in protected(document).items():
        response = await http.request(method.upper(), address(path))
        if response.status_code != 401:
            continue
        named = [schemes[name] for alternative in operation["security"] for name in alternative]
        words = {WORDS.get(scheme["type"]) or scheme["scheme"].title() for scheme in named}
        challenges = response.headers.get_list("www-authenticate")
        assert {challenge.partition(" ")[0] for challenge in challenges} <= words, path
        assert all('realm="latchkey"' in challenge for challenge in challenges), path


async def test_an_operation_with_any_bad_credential_is_401_exactly_if_the_document_says_so(
    http: httpx2.AsyncClient, document: Document
) -> None:
    bad = {"X-API-Key": "bad", "Authorization": "Bearer bad", "Cookie": "latchkey_key=bad"}
    refused, said = set(), set()
    for (method, path), operation in operations(document).items():
        if (method, path) in SETS_ITS_OWN_TERMS:
            continue
        response = await http.request(method.upper(), address(path), headers=bad)
        if response.status_code == 401:
            refused.add((method, path))
        if operation.get("security"):
            said.add((method, path))
    assert refused == said


async def test_what_is_optional_has_an_empty_alternative(document: Document) -> None:
    with_empty = {key[1] for key, each in protected(document).items() if {} in each["security"]}
    assert with_empty == {path for path, each in brought("SEVERAL_SCHEMES").items() if {} in each}


async def test_every_other_operation_has_one_alternative_of_one_scheme(document: Document) -> None:
    several = {
        key[1]: operation["security"]
        for key, operation in protected(document).items()
        if len(operation["security"]) != 1 or len(operation["security"][0]) != 1
    }
    assert several == brought("SEVERAL_SCHEMES")


def behind_a_token(document: Document) -> dict[tuple[str, str], set[str]]:
    """The operations for which a token is the only credential, and the scopes that each needs."""
    found = {}
    for key, operation in protected(document).items():
        if len(operation["security"]) == 1:
            ((scheme, scopes),) = operation["security"][0].items()
            if scheme in BEARER_SCHEMES:
                found[key] = set(scopes)
    return found


Ask = Callable[[tuple[str, str], set[str]], Awaitable[httpx2.Response]]


@pytest.fixture(scope="module")
def ask(http: httpx2.AsyncClient) -> Ask:
    """Ask an operation, with a token of the administrator that has exactly these scopes."""
    tokens: dict[frozenset[str], str] = {}

    async def ask(operation: tuple[str, str], scopes: set[str]) -> httpx2.Response:
        if (granted := frozenset(scopes)) not in tokens:
            form = {
                "grant_type": "password",
                "username": "admin",
                "password": "administrator-in-development",
                "scope": " ".join(scopes),
            }
            tokens[granted] = (await http.post("/token", data=form)).json()["access_token"]
        method, path = operation
        headers = {"Authorization": f"Bearer {tokens[granted]}"}
        return await http.request(method.upper(), address(path), headers=headers)

    return ask


async def test_the_published_scopes_are_enough(document: Document, ask: Ask) -> None:
    found = behind_a_token(document)
    assert len(found) > 20
    refused = {
        key
        for key, scopes in found.items()
        if (await ask(key, scopes or {"email"})).status_code in (401, 403)
    }
    assert refused == set()


async def test_each_published_scope_is_needed(document: Document, ask: Ask) -> None:
    every_scope = set(shown_scopes(document)[0])
    for key, scopes in behind_a_token(document).items():
        for scope in scopes:
            response = await ask(key, every_scope - {scope})
            assert response.status_code == 403, key
            assert set(response.json()["scope"].split()) == scopes, key


# Its scopes are those of the database


@pytest.mark.rfc("6749", "3.3", 7)
async def test_every_flow_shows_the_scopes_of_the_database(
    app: FastAPI, document: Document
) -> None:
    server: Server = app.state.server
    async with server.database.read() as connection:
        stored = dict(await list_scopes(connection))
    flows = shown_scopes(document)
    assert len(flows) >= 1
    assert flows == [stored] * len(flows)


async def test_a_scope_that_is_added_is_shown_within_two_seconds(
    app: FastAPI, http: httpx2.AsyncClient, clock: TestClock
) -> None:
    server: Server = app.state.server
    name = f"reports-{uuid.uuid4()}"
    assert all(name not in scopes for scopes in shown_scopes(await fetch(http)))
    await add_scope(server, name, "Reports")
    clock.advance(2)
    shown = [scopes[name] for scopes in shown_scopes(await fetch(http))]
    assert len(shown) >= 1
    assert set(shown) == {"Reports"}


async def test_every_scope_that_an_operation_needs_is_in_the_database(document: Document) -> None:
    known = shown_scopes(document)[0]
    for key, operation in protected(document).items():
        for alternative in operation["security"]:
            for scopes in alternative.values():
                assert set(scopes) <= set(known), key


# Its addresses, and the page


ADDRESSES = ("token", "authorize", "docs/openid-configuration")


def addresses_of(document: Document) -> set[str]:
    """Where the schemes of ``document`` send a program."""
    return {
        value
        for path, value in nodes(document["components"]["securitySchemes"])
        if path and path[-1] in ("tokenUrl", "refreshUrl", "authorizationUrl", "openIdConnectUrl")
    }


async def test_the_document_names_its_server_for_whoever_reads_it_from_a_file(
    document: Document,
) -> None:
    assert document["servers"] == [{"url": ISSUER}]
    assert f"{ISSUER}/token" in addresses_of(document)
    assert addresses_of(document) <= {f"{ISSUER}/{each}" for each in ADDRESSES}


async def test_behind_a_proxy_it_names_the_issuer_whether_that_strips_the_path_or_not(
    sqlite: Backend, clock: TestClock
) -> None:
    issuer = "http://sso.example.com/auth"
    settings = make_settings(database_url=sqlite.migrated(), issuer=issuer)
    async with started(create_app(settings, clock)) as http:
        stripped = await http.get("/openapi.json", headers={"Host": "sso.example.com"})
        assert stripped.json()["servers"] == [{"url": issuer}]
        assert addresses_of(stripped.json()) <= {f"{issuer}/{each}" for each in ADDRESSES}


async def test_mounted_in_another_application_operations_are_below_the_mount(
    sqlite: Backend, clock: TestClock
) -> None:
    app = create_app(make_settings(database_url=sqlite.migrated()), clock)
    parent = FastAPI(lifespan=app.router.lifespan_context)
    parent.mount("/auth", app)
    async with started(parent) as http:
        found = await http.get("/auth/openapi.json", headers={"Host": "localhost:8000"})
    assert found.json()["servers"] == [{"url": "/auth"}]


async def test_at_another_address_than_the_issuers_the_addresses_are_relative(
    http: httpx2.AsyncClient,
) -> None:
    found = (await http.get("/openapi.json", headers={"Host": "localhost:8000"})).json()
    assert found["servers"] == [{"url": "/"}]
    assert addresses_of(found) <= set(ADDRESSES)
    assert ISSUER not in json.dumps(found)


async def test_each_open_operation_says_that_it_is_open(document: Document) -> None:
    operations = [each for path in document["paths"].values() for each in path.values()]
    assert all("security" in operation for operation in operations)
    assert document["paths"]["/token"]["post"]["security"] == []


async def test_the_password_and_code_flows_say_where_to_refresh(document: Document) -> None:
    for name, scheme in document["components"]["securitySchemes"].items():
        for flow, member in scheme.get("flows", {}).items():
            refreshes = member.get("refreshUrl") == f"{ISSUER}/token"
            assert refreshes == (flow != "clientCredentials"), (name, flow)


async def test_the_document_is_not_served_where_the_docs_are_off(
    sqlite: Backend, clock: TestClock
) -> None:
    settings = make_settings(database_url=sqlite.migrated(), docs=False)
    async with started(create_app(settings, clock)) as http:
        for path in ("/openapi.json", "/docs", "/docs/oauth2-redirect", "/docs/swagger-ui.css"):
            assert (await http.get(path)).status_code == 404


async def test_there_is_no_redoc(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/redoc")).status_code == 404


def directives(response: httpx2.Response) -> dict[str, list[str]]:
    """The Content-Security-Policy."""
    parts = [part.split() for part in response.headers["content-security-policy"].split(";")]
    return {name: values for name, *values in parts}


async def test_the_page_runs_nothing_but_its_own_files(http: httpx2.AsyncClient) -> None:
    response = await http.get("/docs")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = directives(response)
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == ["'self'"]
    assert policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
    assert "unsafe" not in response.headers["content-security-policy"]
    assert not re.search(r"https?://", response.text)
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bon\w+=|\bstyle=", response.text)


async def test_every_file_of_the_page_is_served_by_the_application(
    http: httpx2.AsyncClient,
) -> None:
    page = (await http.get("/docs")).text
    files = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(files) == 5
    for file in files:
        response = await http.get(f"/{file}")
        assert response.status_code == 200, file
        assert response.headers["x-content-type-options"] == "nosniff"


async def test_the_page_and_where_its_popup_ends_have_the_same_opener_policy(
    http: httpx2.AsyncClient,
) -> None:
    answers = [await http.get(path) for path in ("/docs", "/docs/oauth2-redirect")]
    found = [answer.headers["cross-origin-opener-policy"] for answer in answers]
    assert found == ["unsafe-none", "unsafe-none"]


async def test_where_the_popup_ends_one_script_runs_and_no_other(http: httpx2.AsyncClient) -> None:
    response = await http.get("/docs/oauth2-redirect")
    policy = directives(response)
    assert (policy["default-src"], policy["frame-ancestors"]) == (["'none'"], ["'none'"])
    (source,) = policy["script-src"]
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", source)
    assert response.text.count("<script") == 1


@pytest.mark.rfc("6749", "3.3", 7)
async def test_the_page_is_told_the_client_and_its_default_scopes(
    http: httpx2.AsyncClient,
) -> None:
    page = (await http.get("/docs")).text
    assert 'data-client-id="swagger-ui"' in page
    (scopes,) = re.findall(r'data-scopes="([^"]*)"', page)
    clients = {client.client_id: client for client in demo_clients(load_features())}
    assert set(scopes.split()) == set(clients["swagger-ui"].default_scopes)


async def test_without_that_client_the_page_is_told_nothing(
    production: httpx2.AsyncClient,
) -> None:
    page = (await production.get("/docs")).text
    assert 'data-client-id=""' in page
    assert 'data-scopes=""' in page
