"""What ``GET /metrics`` counts of the login page."""

import httpx2
import pytest

from tests.support.flow import Page, submit


@pytest.fixture
def changes() -> dict[str, object]:
    return {"metrics": True}


async def test_a_failed_login_at_the_page_is_counted_with_its_reason(
    http: httpx2.AsyncClient,
) -> None:
    form = Page(await http.get("/login")).form
    await submit(http, form, {"username": "nobody", "password": "wrong"})
    told = (await http.get("/metrics")).text
    assert 'latchkey_logins_total{door="login",outcome="unknown user"} 1.0' in told
