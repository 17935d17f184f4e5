"""The operator's command line: ``latchkey`` or ``python -m app``. One file per noun."""

from collections.abc import Sequence

import typer

from app.cli import (
    apply,
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
from app.cli.command import command, features_at_hand, server_command
from app.feature import Feature


def command_line(features: Sequence[Feature]) -> typer.Typer:
    """The commands of the core and of ``features``, which every command works with."""
    cli = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,  # a traceback with values could show a secret
        help="An OAuth2 authorization server. Settings come from the environment: see README.md.",
    )

    @cli.callback()
    def hand_down() -> None:
        features_at_hand.set(features)

    cli.command("serve")(serve.serve)
    server_command(cli, "seed-demo")(seed_demo.seed_demo_data)
    cli.command("doctor")(doctor.examine)
    server_command(cli, "purge")(purge.purge_expired)
    command(cli, "export")(transfer.export_records)
    server_command(cli, "import")(transfer.import_records)
    server_command(cli, "apply")(apply.apply_file)
    nouns = {
        "db": db.cli,
        "users": users.cli,
        "clients": clients.cli,
        "scopes": scopes.cli,
        "keys": keys.cli,
        "audit": audit.cli,
    }
    for feature in features:
        for noun, verbs in feature.commands().items() if feature.commands else ():
            if noun in nouns:
                nouns[noun].add_typer(verbs)
            else:
                nouns[noun] = verbs
    for noun, verbs in nouns.items():
        cli.add_typer(verbs, name=noun)
    return cli
