"""The clients of each row, as those of our own rows, on any server of the standards."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from scripts.bench.load import Client, repeat, request
from scripts.bench.scenarios import CONNECTIONS, LOGINS, SERVICE
from scripts.bench.servers import LOGIN

Tokens = Mapping[str, Any]
"""What a peer hands out at ``/start``: ``access`` and ``refresh`` tokens, of a login each.

And an ``introspection`` token, where introspection takes one in the place of a secret.
"""


def _logging_in(path: str, _tokens: Tokens) -> list[Client]:
    forms = [LOGIN | {"username": f"person{number}@example.com"} for number in range(LOGINS)]
    return [repeat(request("POST", path, form=form)) for form in forms]


def _asking(path: str, tokens: Tokens) -> list[Client]:
    return [repeat(request("GET", path, bearer=token)) for token in tokens["access"]]


def _in_service(path: str, _tokens: Tokens) -> list[Client]:
    form = {"grant_type": "client_credentials", **SERVICE}
    return [repeat(request("POST", path, form=form)) for _ in range(CONNECTIONS)]


def _refreshing(path: str, tokens: Tokens) -> list[Client]:
    def client(token: str) -> Client:
        known = {"grant_type": "refresh_token", "client_id": LOGIN["client_id"]}
        while True:
            asked = request("POST", path, form={**known, "refresh_token": token})
            token = json.loads((yield asked))["refresh_token"]

    return [client(token) for token in tokens["refresh"]]


def _introspecting(path: str, tokens: Tokens) -> list[Client]:
    own = tokens.get("introspection")
    proof = {} if own else SERVICE
    return [
        repeat(request("POST", path, bearer=own, form={"token": token, **proof}))
        for token in tokens["access"]
    ]


CLIENTS: Mapping[str, Callable[[str, Tokens], list[Client]]] = {
    "login": _logging_in,
    "bearer": _asking,
    "client_credentials": _in_service,
    "refresh": _refreshing,
    "introspect": _introspecting,
}
"""By the names of rows."""
