"""``latchkey dev``: a server for whoever writes a client or an API, and needs no clone."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from app import NAME
from app.cli.command import FailingInOneLine, run
from app.cli.documents import read_document
from app.cli.seed_demo import seed as seed_demo
from app.database.migrations import upgrade
from app.features.apply.service import apply
from app.settings import PREFIX

if TYPE_CHECKING:
    from app.server import Server

cli = typer.Typer()


@cli.command("dev")
def dev(
    seed: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.yaml",
            help="What there is, as `apply` reads it; its secrets may also be {text: SECRET}. "
            "Without it, the demo users and clients.",
        ),
    ] = None,
    database: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep what happens in this file, for the next time."),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 8000,
) -> None:
    """Run a server for development: migrated, filled, and thrown away at the end.

    It listens on 127.0.0.1 alone, and takes other settings from the environment as any server does.
    """
    from app.cli.serve import serve  # with all that it takes, which `apply` needs not

    with TemporaryDirectory(prefix=f"{NAME}-dev-") as folder:
        file = (database or Path(folder) / "dev.db").absolute()
        os.environ[f"{PREFIX}ENVIRONMENT"] = "development"
        os.environ[f"{PREFIX}DATABASE_URL"] = f"sqlite:///{file}"

        async def fill(server: "Server") -> None:
            if seed is None:
                await seed_demo(server, if_empty=True)
            else:
                declared = read_document(seed)
                await apply(server, declared, folder=seed.parent, open_secrets=True)

        with FailingInOneLine():
            upgrade(f"sqlite:///{file}")
        run(fill)
        serve(port=port)
