"""Reading the settings: from the environment, a ``.env`` file, and files of secrets."""

import os
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError

from app import TITLE
from app.settings.checks import SettingsError
from app.settings.model import DOTENV, PREFIX, Settings

INJECTED_BY_KUBERNETES = tuple(PREFIX + name for name in ("PORT", "SERVICE_HOST", "SERVICE_PORT"))
"""What such names begin with where a Kubernetes service has the name of this software."""

SECRETS = ("database_url", "secret_key", "password_pepper", "smtp_url")
"""Settings that may be in a file, as orchestrators hand secrets to a container."""

IN_A_FILE = "_FILE"

LONGEST_SECRET = 65_536
"""Characters of such a file: what has more is another file, named by mistake."""


def _refuse_unknown_names() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known.update(PREFIX + name.upper() + IN_A_FILE for name in SECRETS)
    for name in [*os.environ, *dotenv_values(DOTENV)]:
        upper = name.upper()  # in either case it would be read
        if (
            upper.startswith(PREFIX)
            and upper not in known
            and not upper.startswith(INJECTED_BY_KUBERNETES)
        ):
            raise SettingsError(f"{name} is not a setting of {TITLE}: see .env.example")


def _read_secret_files() -> dict[str, str]:
    """What the files hold that ``LATCHKEY_…_FILE`` name."""
    given = {name.upper(): value for name, value in {**dotenv_values(DOTENV), **os.environ}.items()}
    found = {}
    for name in SECRETS:
        setting = PREFIX + name.upper()
        if not (file := given.get(setting + IN_A_FILE)):
            continue
        if given.get(setting):
            raise SettingsError(f"{setting} and {setting}{IN_A_FILE} cannot both be set")
        try:
            with Path(file).open() as opened:
                found[name] = opened.read(LONGEST_SECRET + 1)
        except OSError as error:
            raise SettingsError(
                f"{setting}{IN_A_FILE} names a file that cannot be read: {error.strerror}"
            ) from None
        except UnicodeDecodeError:
            raise SettingsError(f"{setting}{IN_A_FILE} names a file that is not UTF-8") from None
        if len(found[name]) > LONGEST_SECRET:
            raise SettingsError(
                f"{setting}{IN_A_FILE} names a file of more than {LONGEST_SECRET} characters"
            )
    return found


def load_settings() -> Settings:
    """Read the settings of this process.

    Raises :class:`SettingsError`, whose text is one line that never repeats a value.
    """
    _refuse_unknown_names()
    secrets: dict[str, Any] = dict(_read_secret_files())
    try:
        return Settings(**secrets)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False, include_input=False)[0]
        cause = error.get("ctx", {}).get("error")
        if isinstance(cause, SettingsError):
            raise cause from None
        name = PREFIX + "_".join(str(part) for part in error["loc"][:1]).upper()
        # Pydantic puts "Value error" in front of what a validator of ours says.
        reason = cause if isinstance(cause, ValueError) else error["msg"]
        raise SettingsError(f"{name} is not accepted: {reason}") from None
