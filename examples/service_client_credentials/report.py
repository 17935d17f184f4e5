"""A service that acts for itself: client credentials, with one token for many requests.

    pip install -r requirements.txt
    ISSUER=http://127.0.0.1:8000 API=http://127.0.0.1:8001 \
        CLIENT_ID=example-service CLIENT_SECRET=… python report.py
"""

import os
import threading
import time

import requests

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
API = os.environ.get("API", "http://127.0.0.1:8001")


class ClientCredentials(requests.auth.AuthBase):
    """Puts an access token onto each request; gets another one before it expires.

    Share one among all threads: they wait for one token, and do not fetch one each.
    """

    EARLY = 30
    """Seconds before its end at which a token is replaced: clocks differ."""

    def __init__(self, client_id: str, client_secret: str, scope: str) -> None:
        """Nothing is fetched before the first request."""
        self._client = client_id, client_secret
        self._scope = scope
        self._token = ""
        self._until = 0.0
        self._lock = threading.Lock()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign the request; once more with a new token if the first one is refused."""
        token = self._current()
        request.headers["Authorization"] = f"Bearer {token}"
        request.register_hook("response", lambda answer, **more: self._again(answer, token, **more))
        return request

    def _current(self, other_than: str = "") -> str:
        with self._lock:
            if time.monotonic() >= self._until or self._token == other_than:
                form = {"grant_type": "client_credentials", "scope": self._scope}
                answer = requests.post(f"{ISSUER}/token", form, auth=self._client, timeout=30)
                answer.raise_for_status()
                tokens = answer.json()
                self._token = tokens["access_token"]
                self._until = time.monotonic() + tokens["expires_in"] - self.EARLY
            return self._token

    def _again(self, answer: requests.Response, token: str, **more: object) -> requests.Response:
        """A token may be revoked before it expires: then the secret may still be good."""
        if answer.status_code != 401:
            return answer
        answer.content  # noqa: B018 - frees the connection
        request = answer.request.copy()
        request.headers["Authorization"] = f"Bearer {self._current(other_than=token)}"
        return answer.connection.send(request, **more)


if __name__ == "__main__":
    with requests.Session() as session:
        session.auth = ClientCredentials(
            os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"], "orders:read"
        )
        for _ in range(3):
            response = session.get(f"{API}/orders", timeout=30)
            response.raise_for_status()
            print(response.text)
