"""A script of your own that logs in with a name and a password, and stays logged in.

    pip install -r requirements.txt
    ISSUER=http://127.0.0.1:8000 API=http://127.0.0.1:8001 python orders.py nadia

The password is asked for once and kept nowhere. The refresh token is kept in a file for the owner
alone; each use gives the next one. The password grant is for first-party tools on machines without
a browser; where one can be opened, do as native_loopback does.
"""

import getpass
import json
import os
import sys
from pathlib import Path

import requests

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
API = os.environ.get("API", "http://127.0.0.1:8001")
CLIENT_ID = os.environ.get("CLIENT_ID", "example-script")
SCOPE = "profile orders:read"
KEPT = Path(os.environ.get("KEPT", Path.home() / ".orders-login"))


def ask_for_tokens(**form: str) -> dict | None:
    """The answer of the token endpoint; None if the password or token is not good (any more)."""
    response = requests.post(f"{ISSUER}/token", {"client_id": CLIENT_ID, **form}, timeout=30)
    if response.status_code == 400 and response.json()["error"] == "invalid_grant":
        return None
    if response.status_code == 429:
        sys.exit(f"too many failed logins: try again in {response.headers['Retry-After']} s")
    response.raise_for_status()
    return response.json()


def keep(tokens: dict) -> None:
    """Keep the refresh token. The file is written anew before the old token's answer is used."""
    new = KEPT.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"refresh_token": tokens["refresh_token"]}, file)
    new.replace(KEPT)


def access_token(username: str) -> str:
    """A fresh one: by the refresh token, or else by the password."""
    tokens = None
    if KEPT.exists():
        kept = json.loads(KEPT.read_text())["refresh_token"]
        tokens = ask_for_tokens(grant_type="refresh_token", refresh_token=kept)
    if tokens is None:
        password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        if not password:
            sys.exit("a password is needed")
        tokens = ask_for_tokens(
            grant_type="password", username=username, password=password, scope=SCOPE
        )
    if tokens is None:
        sys.exit("the user name or the password is wrong")
    keep(tokens)
    return tokens["access_token"]


def log_out() -> None:
    """End the login at the server (RFC 7009), and forget it here."""
    if KEPT.exists():
        kept = json.loads(KEPT.read_text())["refresh_token"]
        form = {"client_id": CLIENT_ID, "token": kept}
        requests.post(f"{ISSUER}/revoke", form, timeout=30).raise_for_status()
        KEPT.unlink()


if __name__ == "__main__":
    if sys.argv[1:] == ["--log-out"]:
        log_out()
        sys.exit()
    bearer = {"Authorization": f"Bearer {access_token(sys.argv[1])}"}
    answer = requests.get(f"{API}/orders", headers=bearer, timeout=30)
    answer.raise_for_status()
    print(answer.text)
