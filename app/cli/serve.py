"""``latchkey serve``: the server, with as many workers as you like."""

import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
import uvicorn

from app import NAME
from app.cli.command import FailingInOneLine, run, settings
from app.cli.preloading import preload_workers
from app.log import log_config
from app.operations.demo import demo_is_present, refuse_demo_data
from app.settings import PREFIX
from app.web.http_protocol import BoundedHttpProtocol

if TYPE_CHECKING:
    from app.server import Server

BOUND_CONNECTIONS = True
"""False leaves uvicorn its own protocol, without the bounds of :mod:`app.web.http_protocol`."""

PRELOAD = True
"""False lets each worker import everything by itself: see :mod:`.preloading`."""

SHUTDOWN_TIMEOUT = 30
"""Seconds that requests under way may take when the server is told to stop."""

cli = typer.Typer()


@cli.command("serve")
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Number of worker processes.")] = 1,
    access_log: Annotated[bool, typer.Option(help="Log a line for each request.")] = True,
    housekeeping: Annotated[
        bool,
        typer.Option(
            "--housekeeping",
            help="Delete what has expired, hourly: one worker at a time, of all servers.",
        ),
    ] = False,
) -> None:
    """Run the server. The database must be migrated; in production, demo data is refused.

    In development, the issuer defaults to http://127.0.0.1:PORT, or to HOST if that is the only
    address it listens on; LATCHKEY_ISSUER overrides it.
    """
    configured = settings()
    if not configured.issuer_given:
        # Through the environment, for the workers to read as well.
        os.environ[f"{PREFIX}ISSUER"] = f"http://{_reachable(host)}:{port}"
        configured = settings()

    async def check(server: "Server") -> bool:
        await server.start()
        await refuse_demo_data(server, host)
        if not configured.development:
            return False
        async with server.database.read() as connection:
            return await demo_is_present(connection, server)

    if housekeeping:
        os.environ[f"{PREFIX}HOUSEKEEPING"] = "true"
    demo = run(check)
    if configured.docs:
        _greet(configured.issuer, demo)
    # uvicorn finishes what is under way and then raises the signal again: that was a good end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if PRELOAD and workers > 1:
        preload_workers()
    with FailingInOneLine(), _counting_together(configured.metrics and workers > 1):
        uvicorn.run(
            "app.main:create_worker",
            factory=True,
            host=host,
            port=port,
            http=BoundedHttpProtocol if BOUND_CONNECTIONS else "httptools",
            ws="none",
            workers=workers,
            proxy_headers=False,  # they are read in app.web.proxies
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
            log_config=log_config(configured.log_format or "json", access_log),
        )


def _reachable(host: str) -> str:
    """Where this machine reaches what listens on ``host``: at 127.0.0.1, unless it is elsewhere."""
    if host in ("localhost", "0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


@contextmanager
def _counting_together(wanted: bool) -> Generator[None]:
    """A folder in which each worker counts, so that any of them can tell the sum."""
    if not wanted:
        yield
        return
    with TemporaryDirectory(prefix=f"{NAME}-metrics-") as folder:
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
