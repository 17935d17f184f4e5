"""A FastAPI resource server that asks the issuer about each token, and remembers for a moment.

    pip install -r requirements.txt
    ISSUER=http://127.0.0.1:8000 CLIENT_ID=example-api CLIENT_SECRET=… uvicorn main:app --port 8001

A token that is revoked is refused here after CACHE_SECONDS at the latest, and at once with 0
(RFC 7662, section 4). The client is one that may introspect any token:
`latchkey clients create "Orders API" --introspect any`.
"""

import hashlib
import os
import threading
import time
from typing import Annotated, Any

import requests
from fastapi import Depends, FastAPI, HTTPException, Security
from fastapi.security import OAuth2PasswordBearer, SecurityScopes

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)
INTROSPECTION_URL = os.environ.get("INTROSPECTION_URL", f"{ISSUER}/introspect")
CLIENT = os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]
CACHE_SECONDS = float(os.environ.get("CACHE_SECONDS", "10"))
CACHE_SIZE = 10_000

bearer = OAuth2PasswordBearer(
    tokenUrl=f"{ISSUER}/token", scopes={"orders:read": "Read your orders"}, auto_error=False
)

Answer = dict[str, Any]


class Cache:
    """What the issuer said a moment ago, by the hash of the token: a dump shows no token."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._answers: dict[bytes, tuple[float, Answer]] = {}
        self._lock = threading.Lock()

    def get(self, token: str) -> Answer:
        """The answer to ``token``, as old as CACHE_SECONDS at most, and never past its expiry."""
        key = hashlib.sha256(token.encode()).digest()
        with self._lock:
            until, answer = self._answers.get(key, (0.0, {}))
        if time.monotonic() < until:
            return answer
        answer = introspect(token)
        left = answer.get("exp", time.time() + CACHE_SECONDS) - time.time()
        with self._lock:
            if len(self._answers) >= CACHE_SIZE:
                self._answers.clear()
            self._answers[key] = (time.monotonic() + min(CACHE_SECONDS, left), answer)
        return answer


def introspect(token: str) -> Answer:
    """Ask the issuer (RFC 7662, section 2)."""
    try:
        response = requests.post(INTROSPECTION_URL, {"token": token}, auth=CLIENT, timeout=5)
        response.raise_for_status()
    except requests.RequestException:
        raise HTTPException(503, "the issuer cannot be asked", {"Retry-After": "2"}) from None
    answer: Answer = response.json()
    return answer


cache = Cache()


def unauthorized(error: str, status: int = 401, scope: str = "") -> HTTPException:
    """What RFC 6750, section 3, says to answer."""
    parts = [
        'realm="orders"',
        f'error="{error}"' if error else "",
        f'scope="{scope}"' * bool(scope),
    ]
    challenge = "Bearer " + ", ".join(filter(None, parts))
    return HTTPException(status, error or None, {"WWW-Authenticate": challenge})


def current_token(
    required: SecurityScopes, token: Annotated[str | None, Depends(bearer)]
) -> Answer:
    """What the issuer says of a good access token that has the scopes."""
    if token is None:
        raise unauthorized("")
    answer = cache.get(token)
    audience = answer.get("aud", AUDIENCE)
    for_us = AUDIENCE in (audience if isinstance(audience, list) else [audience])
    # A refresh token is active too, and opens nothing.
    if not answer["active"] or answer.get("token_type") != "Bearer" or not for_us:
        raise unauthorized("invalid_token")
    if not set(answer.get("scope", "").split()).issuperset(required.scopes):
        raise unauthorized("insufficient_scope", 403, required.scope_str)
    return answer


app = FastAPI(title="Orders")


@app.get("/orders")
def orders(token: Annotated[Answer, Security(current_token, scopes=["orders:read"])]) -> Answer:
    """The orders of whoever asks: ``sub`` is the id of a user, or of a client for itself."""
    return {"subject": token["sub"], "orders": ["a book", "a pen"]}
