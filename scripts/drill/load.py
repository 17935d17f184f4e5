"""Clients of every kind, and what they were told: nothing that was acknowledged may be lost."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx2

from tests.support.live_tokens import ALICE, CLIENT, Tokens, received

SERVICE = ("demo-service", "demo-service-secret-for-development-only")
SCOPE = "profile items:read items:write"
TIMEOUT = 40


@dataclass(frozen=True)
class Failure:
    """An answer of 500 or more, or none at all (0)."""

    began: float
    ended: float
    what: str
    status: int


@dataclass
class Ledger:
    """What clients were told."""

    answers: Counter[str] = field(default_factory=Counter)
    """How many good answers of each kind."""
    failures: list[Failure] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Promises that were not kept, in words."""
    last: list[Tokens] = field(default_factory=list)
    """The newest tokens of each login that goes on."""
    revoked: list[Tokens] = field(default_factory=list)
    items: set[str] = field(default_factory=set)


class Load:
    """Clients that go on until they are told to stop."""

    def __init__(self, url: str) -> None:
        """``url`` is the proxy's."""
        self.ledger = Ledger()
        self._url = url
        self._running = True
        self._numbers = count()
        self._tasks: list[asyncio.Task[None]] = []
        self._http = httpx2.AsyncClient(base_url=url, trust_env=False, timeout=TIMEOUT)

    def start(self, each: int) -> None:
        """``each`` clients of every kind."""
        kinds = (self._keep_refreshing, self._keep_revoking, self._keep_writing, self._keep_reading)
        self._tasks = [asyncio.create_task(kind()) for kind in kinds for _ in range(each)]

    async def stop(self) -> None:
        """Let each client finish what it is doing."""
        self._running = False
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def _ask(self, what: str, path: str, **request: Any) -> httpx2.Response | None:
        """The answer; None if there is none, or one that says that the server cannot now."""
        began = time.monotonic()
        method = "POST" if "data" in request or "json" in request else "GET"
        try:
            answer = await self._http.request(method, path, **request)
        except httpx2.TransportError:
            self.ledger.failures.append(Failure(began, time.monotonic(), what, 0))
            return None
        if answer.status_code >= 500:
            failure = Failure(began, time.monotonic(), what, answer.status_code)
            self.ledger.failures.append(failure)
            return None
        return answer

    def _note(self, what: str, answer: httpx2.Response, *good: int) -> bool:
        if answer.status_code in good:
            self.ledger.answers[what] += 1
            return True
        self.ledger.broken.append(f"{what}: {answer.status_code} {answer.text[:200]}")
        return False

    async def _log_in(self) -> Tokens | None:
        form = {"grant_type": "password", "scope": SCOPE, **ALICE, **CLIENT}
        answer = await self._ask("login", "/token", data=form)
        if answer is None or not self._note("login", answer, 200):
            await asyncio.sleep(0.1)
            return None
        return received(answer)

    async def _keep_refreshing(self) -> None:
        tokens: Tokens | None = None
        while self._running:
            if tokens is None:
                tokens = await self._log_in()
                continue
            answer = await self._refresh(tokens)
            # After an answer that says nothing the token may be used up: begin anew.
            good = answer is not None and self._note("refresh", answer, 200)
            tokens = received(answer) if good and answer is not None else None
        if tokens is not None:
            self.ledger.last.append(tokens)

    async def _refresh(self, tokens: Tokens) -> httpx2.Response | None:
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh, **CLIENT}
        return await self._ask("refresh", "/token", data=form)

    async def _keep_revoking(self) -> None:
        while self._running:
            tokens = await self._log_in()
            if tokens is None:
                continue
            answer = await self._ask("revoke", "/revoke", data={"token": tokens.refresh, **CLIENT})
            if answer is not None and self._note("revoke", answer, 200):
                self.ledger.revoked.append(tokens)
                await self.check_revoked(tokens)

    async def check_revoked(self, tokens: Tokens) -> None:
        """Whoever is asked, a revoked token is not accepted."""
        bearer = {"Authorization": f"Bearer {tokens.access}"}
        answer = await self._ask("use after revocation", "/users/me", headers=bearer)
        if answer is not None:
            self._note("use after revocation", answer, 401)
        form = {"token": tokens.access}
        answer = await self._ask("introspection", "/introspect", data=form, auth=SERVICE)
        told = answer is not None and self._note("introspection", answer, 200)
        if told and answer is not None and answer.json()["active"]:
            self.ledger.broken.append("a revoked token is active")

    async def _keep_writing(self) -> None:
        tokens: Tokens | None = None
        while self._running:
            if tokens is None:
                tokens = await self._log_in()
                continue
            title = f"item {next(self._numbers)}"
            bearer = {"Authorization": f"Bearer {tokens.access}"}
            answer = await self._ask("write", "/items", json={"title": title}, headers=bearer)
            if answer is not None and self._note("write", answer, 201):
                self.ledger.items.add(title)

    async def _keep_reading(self) -> None:
        tokens: Tokens | None = None
        while self._running:
            if tokens is None:
                tokens = await self._log_in()
                continue
            bearer = {"Authorization": f"Bearer {tokens.access}"}
            keys = await self._ask("keys", "/.well-known/jwks.json")
            me = await self._ask("use", "/users/me", headers=bearer)
            for what, answer in (("keys", keys), ("use", me)):
                if answer is not None:
                    self._note(what, answer, 200)

    async def verify(self) -> None:
        """When everything is calm again: is all there that was acknowledged?"""
        ledger = self.ledger
        for tokens in ledger.last:
            answer = await self._refresh(tokens)
            if answer is None or answer.status_code != 200:
                ledger.broken.append("the last token of a login does not work")
        for tokens in ledger.revoked:
            await self.check_revoked(tokens)
        missing = ledger.items - await self._titles()
        if missing:
            ledger.broken.append(f"{len(missing)} acknowledged items are not there")

    async def _titles(self) -> set[str]:
        tokens = await self._log_in()
        assert tokens is not None
        titles: set[str] = set()
        parameters: dict[str, Any] = {"limit": 100}
        while True:
            answer = await self._http.get(
                "/items",
                params=parameters,
                headers={"Authorization": f"Bearer {tokens.access}"},
            )
            body = answer.json()
            titles |= {item["title"] for item in body["items"]}
            if body["next_cursor"] is None:
                return titles
            parameters["cursor"] = body["next_cursor"]
