"""The operator's command line: ``latchkey`` or ``python -m app``. One file per noun."""

import typer

from app import NAME
from app.cli import (
    api_keys,
    audit,
    clients,
    db,
    doctor,
    keys,
    purge,
    scopes,
    seed_demo,
    serve,
    transfer,
    users,
)
from app.cli.command import command, server_command

cli = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback with values could show a secret
    help="An OAuth2 authorization server. Settings come from the environment: see README.md.",
)
cli.command("serve")(serve.serve)
server_command(cli, "seed-demo")(seed_demo.seed_demo_data)
cli.command("doctor")(doctor.examine)
server_command(cli, "purge")(purge.purge_expired)
command(cli, "export")(transfer.export_records)
command(cli, "import")(transfer.import_records)
cli.add_typer(db.cli, name="db")
cli.add_typer(users.cli, name="users")
cli.add_typer(clients.cli, name="clients")
cli.add_typer(scopes.cli, name="scopes")
cli.add_typer(keys.cli, name="keys")
cli.add_typer(api_keys.cli, name="api-keys")
cli.add_typer(audit.cli, name="audit")


def main() -> None:
    """Run the command line."""
    cli(prog_name=NAME)
