"""What nginx asks by `auth_request`: 204 if a token is good and has the scope, else 401 or 403.

    ISSUER=http://127.0.0.1:8000 CLIENT_ID=example-api CLIENT_SECRET=… python check.py

Needs nothing but Python. Each token is asked about at /introspect, and the answer remembered for
CACHE_SECONDS, after which a revoked one is refused at the latest.
"""

import base64
import hashlib
import json
import os
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)
INTROSPECTION_URL = os.environ.get("INTROSPECTION_URL", f"{ISSUER}/introspect")
CREDENTIALS = f"{os.environ['CLIENT_ID']}:{os.environ['CLIENT_SECRET']}"
CACHE_SECONDS = float(os.environ.get("CACHE_SECONDS", "10"))
CACHE_SIZE = 10_000
PORT = int(os.environ.get("PORT", "8002"))

answers: dict[bytes, tuple[float, dict]] = {}


def introspect(token: str) -> dict:
    """Ask the issuer (RFC 7662, section 2), unless it was asked a moment ago."""
    key = hashlib.sha256(token.encode()).digest()
    until, answer = answers.get(key, (0.0, {}))
    if time.monotonic() < until:
        return answer
    request = urllib.request.Request(INTROSPECTION_URL, urlencode({"token": token}).encode())
    basic = base64.b64encode(CREDENTIALS.encode()).decode()
    request.add_header("Authorization", f"Basic {basic}")
    with urllib.request.urlopen(request, timeout=5) as response:
        answer = json.load(response)
    left = answer.get("exp", time.time() + CACHE_SECONDS) - time.time()
    if len(answers) >= CACHE_SIZE:
        answers.clear()
    answers[key] = (time.monotonic() + min(CACHE_SECONDS, left), answer)
    return answer


class Check(BaseHTTPRequestHandler):
    """One question of nginx."""

    def do_GET(self) -> None:
        """The token is in `Authorization`, the scope in the query."""
        (wanted,) = parse_qs(urlsplit(self.path).query).get("scope", [""])
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            self._refuse(401, "")
            return
        try:
            answer = introspect(token.strip())
        except (OSError, urllib.error.URLError):
            self._answer(503, {})  # nginx answers 500
            return
        audience = answer.get("aud", AUDIENCE)
        for_us = AUDIENCE in (audience if isinstance(audience, list) else [audience])
        if not answer["active"] or answer.get("token_type") != "Bearer" or not for_us:
            self._refuse(401, ', error="invalid_token"')
        elif wanted not in answer.get("scope", "").split():
            self._refuse(403, f', error="insufficient_scope", scope="{wanted}"')
        else:
            self._answer(204, {"X-Subject": answer["sub"], "X-Scope": answer.get("scope", "")})

    def _refuse(self, status: int, more: str) -> None:
        self._answer(status, {"WWW-Authenticate": f'Bearer realm="orders"{more}'})

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """nginx has a log."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", PORT), Check).serve_forever()
