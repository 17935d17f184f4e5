"""``latchkey serve``: the server, with as many workers as you like."""

import os
import re
from collections.abc import Collection, Generator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from app import NAME
from app.cli.command import FailingInOneLine, run, settings
from app.cli.routes import list_operations
from app.log import log_config
from app.operations.demo import demo_is_present, refuse_demo_data
from app.serving.supervisor import serve_together
from app.serving.worker import Serving, serve_alone
from app.settings import PREFIX, SettingsError
from app.web.http_protocol import BoundedHttpProtocol

if TYPE_CHECKING:
    from app.server import Server

BOUND_CONNECTIONS = True
"""False leaves uvicorn its own protocol, without the bounds of :mod:`app.web.http_protocol`."""

LOOPBACK = "127.0.0.1"

PORT = 8000

KEEP_ALIVE = 130
"""Seconds: longer than nginx (60), Traefik (90) and Caddy (120) keep one that they do not use."""

GRACE = 5
"""Seconds in production, unless the command says otherwise."""

cli = typer.Typer()


@cli.command("serve")
def serve(
    host: Annotated[
        str | None, typer.Option(help="The address to listen on.", show_default=LOOPBACK)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="The port to listen on.", show_default=str(PORT)),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of worker processes.")] = 1,
    uds: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Listen on this Unix socket, and on no port."),
    ] = None,
    root_path: Annotated[
        str, typer.Option(metavar="PREFIX", help="The path of the issuer, behind a proxy.")
    ] = "",
    keep_alive: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="How long an idle connection stays open.",
        ),
    ] = KEEP_ALIVE,
    limit_concurrency: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Connections of a worker; past it 503."),
    ] = None,
    grace: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="How long SIGTERM leaves proxies to notice that /readyz is red, before the server "
            f"stops listening. {GRACE} in production.",
        ),
    ] = None,
    websockets: Annotated[
        bool,
        typer.Option(
            "--websockets",
            help="Take WebSocket connections, for routes of your own that want them.",
        ),
    ] = False,
    access_log: Annotated[bool, typer.Option(help="Log a line for each request.")] = True,
    housekeeping: Annotated[
        bool,
        typer.Option(
            "--housekeeping",
            help="Delete what has expired and rotate old keys: hourly, one worker at a time.",
        ),
    ] = False,
) -> None:
    """Run the server. The database must be migrated; in production, demo data is refused.

    In development, the issuer defaults to http://127.0.0.1:PORT, or to HOST if that is the only
    address it listens on; LATCHKEY_ISSUER overrides it.
    """
    if uds is not None and (host is not None or port is not None):
        raise typer.BadParameter("--uds cannot be used together with --host or --port")
    host = LOOPBACK if host is None else host
    port = PORT if port is None else port
    configured = settings()
    if not configured.issuer_given:
        # Through the environment, for the workers to read as well.
        os.environ[f"{PREFIX}ISSUER"] = f"http://{_reachable(host)}:{port}"
        configured = settings()

    async def check(server: "Server") -> bool:
        if root_path:
            await _check_prefix(root_path, server)
        await server.start()
        await refuse_demo_data(server, LOOPBACK if uds else host)
        if not configured.development:
            return False
        async with server.database.read() as connection:
            return await demo_is_present(connection, server)

    if housekeeping:
        os.environ[f"{PREFIX}HOUSEKEEPING"] = "true"
    demo = run(check)
    if configured.docs:
        _greet(configured.issuer, demo)
    if grace is None:
        grace = 0 if configured.development else GRACE
    serving = Serving(
        host=host,
        port=port,
        uds=uds,
        root_path=root_path,
        keep_alive=keep_alive,
        limit_concurrency=limit_concurrency,
        grace=grace,
        websockets=websockets,
        http=BoundedHttpProtocol if BOUND_CONNECTIONS else "httptools",
        log_config=log_config(configured.log_format or "json", access_log),
    )
    with FailingInOneLine(), _counting_together(configured.metrics and workers > 1):
        code = serve_alone(serving) if workers == 1 else serve_together(serving, workers)
    raise typer.Exit(code)


async def _check_prefix(prefix: str, server: "Server") -> None:
    """Raise :class:`SettingsError` unless requests can be told from others by ``prefix``."""
    if not re.fullmatch(r"(/[\w.~-]+)+", prefix, re.ASCII):
        raise SettingsError("--root-path must be a path such as /auth")
    first = "/" + prefix.split("/")[1]
    paths = {each.path for each in await list_operations(server.settings, server.clock)}
    # For an issuer with a path there are routes behind that path, which are others' as well.
    apart = {path for path in paths if not _is_behind(prefix, path, paths)}
    if any(f"{path}/".startswith(f"{first}/") for path in apart):
        raise SettingsError(f"--root-path must not begin with {first}, which is a route")


def _is_behind(prefix: str, path: str, paths: Collection[str]) -> bool:
    """Whether ``path`` is another one of ``paths`` with ``prefix`` before it."""
    return path.startswith(f"{prefix}/") and path.removeprefix(prefix) in paths


def _reachable(host: str) -> str:
    """Where this machine reaches what listens on ``host``: at 127.0.0.1, unless it is elsewhere."""
    if host in ("localhost", "0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
        return LOOPBACK
    return f"[{host}]" if ":" in host else host


@contextmanager
def _counting_together(wanted: bool) -> Generator[None]:
    """A folder in which each worker counts, so that any of them can tell the sum."""
    if not wanted:
        yield
        return
    try:
        made = TemporaryDirectory(prefix=f"{NAME}-metrics-")
    except OSError:
        raise SettingsError(
            f"{PREFIX}METRICS with several workers needs a folder that can be written to: "
            "set TMPDIR"
        ) from None
    with made as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        try:
            yield
        finally:
            del os.environ["PROMETHEUS_MULTIPROC_DIR"]


def _greet(issuer: str, demo: bool) -> None:
    print(f"\n  Swagger UI   {issuer}/docs")
    if demo:
        print("  Log in as    alice, password alice-in-wonderland")
        print(
            "  Or           curl -d grant_type=password -d username=alice"
            f" -d password=alice-in-wonderland {issuer}/token"
        )
    print(flush=True)
