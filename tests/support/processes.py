"""The operator's command line, as a process of its own."""

import os
import subprocess
from pathlib import Path

from app.database.schema import ROOT
from tests.support.forked import OURS

CHOSEN = {
    "LATCHKEY_PASSWORD_HASH_MEMORY_KIB": "8",
    "LATCHKEY_PASSWORD_HASH_TIME": "1",
    "LATCHKEY_ACCESS_TOKEN_ALG": "ES256",
}
"""What tests rely on, whatever the default is, and the cheapest password hash."""


def development(database_url: str) -> dict[str, str]:
    """The settings of a development deployment as the tests want it."""
    return {
        "LATCHKEY_ENVIRONMENT": "development",
        "LATCHKEY_DATABASE_URL": database_url,
        **CHOSEN,
    }


def production(database_url: str) -> dict[str, str]:
    """The settings of a production deployment as the tests want it."""
    return {
        "LATCHKEY_DATABASE_URL": database_url,
        "LATCHKEY_SECRET_KEY": "a-secret-key-that-nobody-has-published",
        "LATCHKEY_ISSUER": "https://auth.example.com",
        **CHOSEN,
    }


def run_latchkey(
    *arguments: str, settings: dict[str, str], folder: Path, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """What becomes of ``latchkey`` with these settings alone, in a folder without a .env file."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **settings}
    return OURS.run("app", *arguments, environment=environment, folder=folder, stdin=stdin)
