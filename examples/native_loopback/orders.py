"""A desktop or command-line application: the code flow through the system's browser.

    ISSUER=http://127.0.0.1:8000 API=http://127.0.0.1:8001 python orders.py

As RFC 8252 describes it, section 7.3: the application listens on a free port of the loopback
address for the answer, so that it never sees the password, and PKCE keeps others from using the
code. A mobile application does the same with a claimed https address instead of the port. Needs
nothing but Python.
"""

import base64
import hashlib
import json
import os
import secrets
import sys
import urllib.request
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
API = os.environ.get("API", "http://127.0.0.1:8001")
CLIENT_ID = os.environ.get("CLIENT_ID", "example-native")
SCOPE = "openid profile orders:read"
PATIENCE = 300


class Callback(HTTPServer):
    """Waits for the browser to come back from the authorization server."""

    timeout = PATIENCE
    answer: dict[str, str] | None = None


class Page(BaseHTTPRequestHandler):
    """What the browser shows then."""

    server: Callback

    def do_GET(self) -> None:
        """Keep the parameters of the callback; anything else, such as an icon, is not there."""
        parts = urlsplit(self.path)
        if parts.path != "/callback":
            self.send_error(404)
            return
        self.server.answer = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"You can close this window and return to the application.")

    def log_message(self, *_: object) -> None:
        """The code is in the path: no log of it."""


def log_in() -> dict:
    """Open the browser, wait for its return, and redeem the code."""
    with urllib.request.urlopen(f"{ISSUER}/.well-known/openid-configuration", timeout=30) as found:
        metadata = json.load(found)
    state, verifier = secrets.token_urlsafe(), secrets.token_urlsafe(64)
    digest = hashlib.sha256(verifier.encode()).digest()
    with Callback(("127.0.0.1", 0), Page) as server:
        redirect_uri = f"http://127.0.0.1:{server.server_port}/callback"
        query = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        url = f"{metadata['authorization_endpoint']}?{urlencode(query)}"
        print(f"If no browser opens, visit\n{url}", file=sys.stderr, flush=True)
        webbrowser.open(url)
        while server.answer is None:
            server.handle_request()
        answer = server.answer
    if not secrets.compare_digest(answer.get("state", ""), state):
        sys.exit("somebody else's answer came back: start again")
    if answer.get("iss") != metadata["issuer"]:  # RFC 9207
        sys.exit("another server's answer came back: start again")
    if "code" not in answer:
        sys.exit(f"you were not logged in: {answer.get('error')}")
    form = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "code": answer["code"],
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    with urllib.request.urlopen(
        metadata["token_endpoint"], urlencode(form).encode(), timeout=30
    ) as response:
        return json.load(response)


if __name__ == "__main__":
    request = urllib.request.Request(f"{API}/orders")
    request.add_header("Authorization", f"Bearer {log_in()['access_token']}")
    with urllib.request.urlopen(request, timeout=30) as response:
        print(response.read().decode())
