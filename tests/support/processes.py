"""The operator's command line, as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from app.database.schema import ROOT

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


def start_latchkey(
    *arguments: str, settings: dict[str, str], folder: Path
) -> subprocess.Popen[str]:
    """Start ``latchkey`` with these settings alone, in a folder without a .env file."""
    return subprocess.Popen(
        [sys.executable, "-m", "app", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **settings},
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
