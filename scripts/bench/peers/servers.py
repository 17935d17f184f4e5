"""The peers: how each is started, and where it is asked for what the rows measure."""

import subprocess
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scripts.bench.peers.environments import APPLICATIONS, node_modules_of, python_with
from scripts.bench.scenarios import SERVICE
from scripts.bench.servers import LOGIN, PEOPLE, Server, environment, free_port, running
from tests.support.databases import Backend


@dataclass(frozen=True, eq=False)
class Peer:
    """Another server, with one process or one worker and no access log."""

    name: str
    start: Callable[[Backend, Path], AbstractContextManager[Server]]
    """On an empty PostgreSQL, with a folder for its log. Raises MissingEnvironmentError."""
    paths: Mapping[str, str]
    """Of the rows that it has."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """For rows that verify a slow hash: the query for one."""


def _settings(application: str, **settings: str) -> dict[str, str]:
    return environment(
        {
            "PYTHONPATH": str(APPLICATIONS / application),
            "BENCH_PASSWORD": LOGIN["password"],
            "BENCH_PEOPLE": str(PEOPLE),
            "BENCH_CLIENT_ID": SERVICE["client_id"],
            "BENCH_CLIENT_SECRET": SERVICE["client_secret"],
            **settings,
        }
    )


@contextmanager
def _on_database(backend: Backend) -> Generator[str]:
    url = backend.empty()
    yield url
    backend.drop(url)


@contextmanager
def fastapi_users(backend: Backend, folder: Path) -> Generator[Server]:
    """With uvicorn."""
    python, port = python_with("fastapi_users"), free_port()
    command = [str(python), "-m", "uvicorn", "application:app", "--port", str(port)]
    command += ["--no-access-log", "--no-server-header"]
    with _on_database(backend) as url:
        env = _settings("fastapi_users", DATABASE_URL=url)
        with running(command, port, env, folder, url) as server:
            yield server


@contextmanager
def django_oauth_toolkit(backend: Backend, folder: Path) -> Generator[Server]:
    """With gunicorn and its default, a worker that answers one request at a time."""
    python, port = python_with("django_oauth_toolkit"), free_port()
    command = [str(python), "-m", "gunicorn", "django.core.wsgi:get_wsgi_application()"]
    command += ["--bind", f"127.0.0.1:{port}"]
    with _on_database(backend) as url:
        env = _settings("django_oauth_toolkit", DATABASE_URL=url, DJANGO_SETTINGS_MODULE="settings")
        subprocess.run([str(python), "-m", "prepare"], env=env, cwd=folder, check=True)
        with running(command, port, env, folder, url) as server:
            yield server


@contextmanager
def oidc_provider(_backend: Backend, folder: Path) -> Generator[Server]:
    """With its adapter in memory."""
    modules, port = node_modules_of("oidc_provider"), free_port()
    # Node looks for modules where the program is.
    program = modules / "application.mjs"
    program.write_bytes((APPLICATIONS / "oidc_provider/application.mjs").read_bytes())
    env = _settings("oidc_provider", PORT=str(port), NODE_ENV="production")
    with running(["node", str(program)], port, env, folder) as server:
        yield server


PEERS = (
    Peer(
        "fastapi-users",
        fastapi_users,
        {"login": "/auth/jwt/login", "bearer": "/users/me"},
        {"login": 'SELECT hashed_password FROM "user" LIMIT 1'},
    ),
    Peer(
        "django-oauth-toolkit",
        django_oauth_toolkit,
        {
            "login": "/o/token/",
            "bearer": "/me",
            "client_credentials": "/o/token/",
            "refresh": "/o/token/",
            "introspect": "/o/introspect/",
        },
        {
            "login": "SELECT password FROM auth_user LIMIT 1",
            "client_credentials": (
                "SELECT client_secret FROM oauth2_provider_application "
                f"WHERE client_id = '{SERVICE['client_id']}'"
            ),
        },
    ),
    Peer(
        "oidc-provider",
        oidc_provider,
        {
            "bearer": "/me",
            "client_credentials": "/token",
            "refresh": "/token",
            "introspect": "/token/introspection",
        },
    ),
)
