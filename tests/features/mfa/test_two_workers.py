"""Codes that are shown to two workers at once, each a process of its own."""

import asyncio
from collections.abc import Generator
from dataclasses import dataclass

import httpx2
import pytest

from tests.features.mfa.apps import App
from tests.features.mfa.phones import MFA
from tests.support.databases import Backend
from tests.support.live_server import serving_twice
from tests.support.live_tokens import http_client

LOGIN = {"username": "alice", "password": "alice-in-wonderland"}
CLIENT = {"client_id": "first-party"}
USES = 8

SETTINGS = {"LATCHKEY_LOGIN_MAX_FAILURES": "1000"}
"""What is tested is not the wait after so many."""


@dataclass(frozen=True)
class Outcome:
    """The states of the answers, in order."""

    one_code: list[int]
    one_mfa_token: list[int]
    guesses: list[int]
    right_code_after_them: int


async def ask(http: httpx2.AsyncClient, url: str, **form: str) -> httpx2.Response:
    return await http.post(f"{url}/token", data=form | CLIENT)


async def challenge(http: httpx2.AsyncClient, url: str) -> str:
    answer = await ask(http, url, grant_type="password", **LOGIN)
    token: str = answer.json()["mfa_token"]
    return token


async def set_up(http: httpx2.AsyncClient, url: str) -> tuple[App, list[str]]:
    answer = await ask(http, url, grant_type="password", scope="account", **LOGIN)
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    mine = f"{url}/users/me/mfa"
    proof = {"current_password": LOGIN["password"]}
    made = await http.post(f"{mine}/otp", json=proof, headers=headers)
    app = App(made.json()["secret"])
    shown = {"otp": app.code()}
    confirmed = await http.post(f"{mine}/otp/confirm", json=shown, headers=headers)
    return app, confirmed.json()["recovery_codes"]


async def race(urls: tuple[str, str]) -> Outcome:
    async with http_client() as http:
        app, recovery_codes = await set_up(http, urls[0])
        order = [urls[use % 2] for use in range(USES)]

        async def show(url: str, token: str, **shown: str) -> int:
            return (await ask(http, url, grant_type=MFA, mfa_token=token, **shown)).status_code

        tokens = [await challenge(http, url) for url in order]
        code = app.code()
        one_code = await asyncio.gather(
            *(show(url, token, otp=code) for url, token in zip(order, tokens, strict=True))
        )
        token = await challenge(http, urls[0])
        one_mfa_token = await asyncio.gather(
            *(
                show(url, token, recovery_code=each)
                for url, each in zip(order, recovery_codes[:USES], strict=True)
            )
        )
        token = await challenge(http, urls[1])
        guesses = await asyncio.gather(*(show(url, token, otp="no code") for url in order))
        after = await show(urls[0], token, recovery_code=recovery_codes[-1])
    return Outcome(sorted(one_code), sorted(one_mfa_token), guesses, after)


@pytest.fixture(scope="module")
def outcome(backend: Backend) -> Generator[Outcome]:
    database_url = backend.seeded()
    with serving_twice(database_url, SETTINGS) as urls:
        yield asyncio.run(race(urls))
    backend.drop(database_url)


def test_a_code_that_is_shown_to_both_at_once_is_good_once(outcome: Outcome) -> None:
    assert outcome.one_code == [200] + [400] * (USES - 1)


def test_an_mfa_token_that_is_shown_to_both_at_once_is_good_once(outcome: Outcome) -> None:
    assert outcome.one_mfa_token == [200] + [400] * (USES - 1)


def test_guesses_at_both_are_counted_together(outcome: Outcome) -> None:
    assert outcome.guesses == [400] * USES
    assert outcome.right_code_after_them == 400
