"""What is too large is refused before it costs anything."""

import httpx2
import pytest

from app.server import Server
from tests.support.assertions import assert_problem
from tests.support.factories import TestUser
from tests.support.passwords import Hashes, count_hashes


@pytest.fixture
def hashes(server: Server, alice: TestUser, monkeypatch: pytest.MonkeyPatch) -> Hashes:
    """How many passwords are looked at."""
    return count_hashes(server, monkeypatch)


@pytest.mark.parametrize("path", ["/schemes/http/basic", "/schemes/http/digest"])
@pytest.mark.parametrize("scheme", ["Bearer", "Basic", "Digest"])
async def test_credentials_past_the_limit_are_431_whatever_the_scheme(
    http: httpx2.AsyncClient, hashes: Hashes, path: str, scheme: str
) -> None:
    response = await http.get(path, headers={"Authorization": f"{scheme} {'x' * 100_000}"})
    assert assert_problem(response, 431)["detail"] == "The request headers are too large."
    assert hashes.count == 0


async def test_basic_credentials_past_the_limit_of_a_password_cost_no_hash(
    http: httpx2.AsyncClient, alice: TestUser, hashes: Hashes
) -> None:
    response = await http.get("/schemes/http/basic", auth=(alice.username, "x" * 1025))
    assert response.status_code == 401
    assert hashes.count == 0
