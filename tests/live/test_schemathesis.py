"""Schemathesis asks every operation of ``/openapi.json`` for what the document does not say.

It sends what the document allows and what it forbids, with good credentials, bad ones and none.
"""

import json
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx2

from tests.features import brought

EXAMPLES = 5
"""Of each operation, beside those that cover each rule of its parameters."""

TIMEOUT = 400
"""Seconds."""

CLIENT = b"demo-service:demo-service-secret-for-development-only"

PASSWORD = "correct horse battery staple"

BEARER_SCHEMES = (
    "HTTPBearer",
    "OAuth2",
    "OAuth2AuthorizationCodeBearer",
    "OAuth2PasswordBearer",
    "OpenIdConnect",
)

CONFIGURATION = """
continue-on-failure = true
warnings = false

[generation]
deterministic = true
max-examples = {examples}

# Else it would delete the very client that its token is of.
[phases.coverage.extra-data-sources]
responses = false
[phases.fuzzing.extra-data-sources]
responses = false

# A schema cannot say which scopes there are, or that a field is repeated.
[checks.positive_data_acceptance]
enabled = false
# Pydantic takes 0 for false, and a number for a time.
[checks.negative_data_rejection]
enabled = false

# The address is also that of a user (/users/{{user_id}}), whom one may delete.
[[operations]]
include-path = "/users/me"
checks.unsupported_method.enabled = false
checks.allow_header_conformance.enabled = false

# A client authenticates there, and not by a scheme that the document names.
[[operations]]
include-path = ["/introspect", "/revoke"]
headers = {{ Authorization = "Basic {client}" }}

[parameters]
{parameters}

{credentials}
"""


def log_in(http: httpx2.Client) -> str:
    """An access token of the administrator with every scope."""
    scopes = http.get("/.well-known/oauth-authorization-server").json()["scopes_supported"]
    form = {
        "grant_type": "password",
        "username": "admin",
        "password": "administrator-in-development",
        "scope": " ".join(scopes),
        "client_id": "first-party",
    }
    token: str = http.post("/token", data=form).json()["access_token"]
    return token


def add_what_may_be_lost(http: httpx2.Client) -> dict[str, str]:
    """The ids of rows that the tested operations may change and delete, by parameter."""

    def add(path: str, **body: Any) -> dict[str, Any]:
        response = http.post(path, json=body)
        assert response.status_code == 201, response.text
        added: dict[str, Any] = response.json()
        return added

    client = {"name": "lost", "grant_types": ["client_credentials"]}
    return {
        "user_id": add("/users", username="lost", password=PASSWORD)["id"],
        "client_id": add("/clients", **client)["client_id"],
        "name": add("/scopes", name="lost", description="Lost")["name"],
        **{
            parameter: add(path, **body)[key]
            for parameter, (path, body, key) in brought("TO_LOSE").items()
        },
    }


def as_bearer_tokens(document: dict[str, Any]) -> dict[str, Any]:
    """The document, with a plain bearer token for each flow.

    Schemathesis asks without a credential, and with a bad one, only where it knows how to send
    one: an OAuth 2 flow it leaves out.
    """
    schemes = document["components"]["securitySchemes"]
    for name in schemes.keys() & set(BEARER_SCHEMES):
        schemes[name] = {"type": "http", "scheme": "bearer"}
    return document


def test_no_operation_answers_what_the_document_does_not_say(live: str, tmp_path: Path) -> None:
    with httpx2.Client(base_url=live, trust_env=False) as http:
        token = log_in(http)
        http.headers["Authorization"] = f"Bearer {token}"
        parameters = add_what_may_be_lost(http)
        document = as_bearer_tokens(http.get("/openapi.json").json())
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    configuration = CONFIGURATION.format(
        examples=EXAMPLES,
        client=b64encode(CLIENT).decode(),
        parameters="\n".join(f'"path.{name}" = "{value}"' for name, value in parameters.items()),
        credentials="\n".join(
            f"[auth.openapi.{scheme}]\n" + "\n".join(f'{n} = "{v}"' for n, v in members.items())
            for scheme, members in (
                brought("SCHEMATHESIS") | {name: {"bearer": token} for name in BEARER_SCHEMES}
            ).items()
            if scheme in document["components"]["securitySchemes"]
        ),
    )
    (tmp_path / "schemathesis.toml").write_text(configuration)
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml"),
            *("run", "openapi.json", "--url", live, "--no-color"),
            *("--phases", "examples,coverage,fuzzing"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    operations = sum(len(item) for item in document["paths"].values())
    assert f"Tested: {operations}\n" in finished.stdout
