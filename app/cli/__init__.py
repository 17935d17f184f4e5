"""The operator's command line: ``latchkey`` or ``python -m app``. One file per noun.

A file is imported when one of its commands is called: see :mod:`app.cli.later`.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer
from typer.main import get_group

from app import NAME, VERSION
from app.cli.later import Command, add_later, features_at_hand

if TYPE_CHECKING:
    from app.feature import Feature

COMMANDS: Mapping[str, tuple[str, str]] = {
    "serve": (
        "serve",
        "Run the server. The database must be migrated; in production, demo data is refused.",
    ),
    "seed-demo": (
        "seed_demo",
        "Add the demo users and clients that are missing. Refused in production.",
    ),
    "doctor": (
        "doctor",
        "Report security weaknesses in the settings and data, why they matter, and how to fix "
        "them.",
    ),
    "routes": (
        "routes",
        "List every operation with what opens it: a scheme and its scopes, or anyone.",
    ),
    "purge": (
        "purge",
        "Delete expired logins, codes, sessions, tokens, nonces and keys, in small batches.",
    ),
    "db": ("db", "Migrate the database, or check its schema."),
    "users": ("users", "Create and manage users."),
    "clients": ("clients", "Register and manage clients."),
    "scopes": ("scopes", "Create, list and delete scopes."),
    "keys": ("keys", "List, rotate, retire and import signing keys."),
    "audit": ("audit", "Read the audit trail."),
}
"""The commands and nouns of the core, each with its file here and the first line of its help."""


def command_line(
    features: Mapping[str, Mapping[str, str]], load: Callable[[str], "Feature"]
) -> typer.Typer:
    """The commands of the core and of ``features``, which ``load`` finds by their names.

    With each feature stand its commands, each with the first line of its help: a noun, or a noun of
    the core and a verb. A noun of the core itself is imported after the feature.
    """
    cli = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,  # a traceback with values could show a secret
        help="An OAuth2 authorization server. Settings come from the environment, or from .env.",
    )

    @cli.callback()
    def hand_down(
        version: Annotated[
            bool,
            typer.Option(
                "--version", is_eager=True, callback=_tell_version, help="Print the version."
            ),
        ] = False,
    ) -> None:
        features_at_hand.set(lambda: [load(name) for name in features])

    more_verbs = {name: typer.Typer() for name in COMMANDS}
    for name, (file, line) in COMMANDS.items():
        with_it = [partial(load, each) for each, commands in features.items() if name in commands]
        add_later(cli, name, line, partial(_of_core, file, name, more_verbs[name], with_it))
    for feature, commands in features.items():
        for words, line in commands.items():
            noun, _, name = words.rpartition(" ")
            place = more_verbs[noun] if noun else cli
            if words not in COMMANDS:
                add_later(place, name, line, partial(_of_feature, load, feature, words))
    return cli


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(NAME, VERSION)
        raise typer.Exit


def _of_core(
    file: str, name: str, more_verbs: typer.Typer, with_it: Iterable[Callable[[], object]]
) -> Command:
    for load in with_it:
        load()
    found = get_group(import_module(f"app.cli.{file}").cli)
    found.commands.update(get_group(more_verbs).commands)
    return found.commands.get(name) or found  # type: ignore[return-value]


def _of_feature(load: Callable[[str], "Feature"], feature: str, words: str) -> Command:
    noun, _, verb = words.partition(" ")
    found = get_group(load(feature).commands()[noun])
    return found.commands.get(verb or noun) or found  # type: ignore[return-value]
