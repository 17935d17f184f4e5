"""Native applications whose scheme is no reversed domain name, by an explicit choice."""

import httpx2
import pytest

from app.errors import InvalidFieldsError
from app.identity.definition import validated
from app.identity.registration import Registration
from app.server import Server
from tests.support.factories import TestUser, add_user
from tests.support.flow import USER_SCOPES, CodeFlow, add_native_client, assert_code_answer

CURSOR = "cursor://anysphere.cursor-deeplink/mcp/auth"


@pytest.fixture
async def alice(server: Server) -> TestUser:
    return await add_user(server, scopes=USER_SCOPES)


async def test_a_client_that_may_have_such_a_scheme_is_sent_the_code(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    client = await add_native_client(server, redirect_uris=[CURSOR], short_schemes=True)
    flow = CodeFlow(http, alice, client, redirect_uri=CURSOR)
    assert_code_answer(await flow.finish(), CURSOR)


@pytest.mark.rfc("8252", "7.1", 1)
@pytest.mark.rfc("8252", "8.4", 4)
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({}, "redirect_uris", id="without_the_choice"),
        pytest.param({"short_schemes": True, "public": False}, "short_schemes", id="confidential"),
        pytest.param(
            {"short_schemes": True, "redirect_uris": ["javascript:alert(1)"]},
            "redirect_uris",
            id="what_runs_something",
        ),
    ],
)
def test_no_other_client_may(changes: dict[str, object], field: str) -> None:
    values = {
        "name": "Cursor",
        "public": True,
        "grant_types": ["authorization_code"],
        "redirect_uris": [CURSOR],
    }
    with pytest.raises(InvalidFieldsError) as refused:
        validated(Registration, values | changes)
    assert refused.value.content()["errors"][0]["field"].startswith(f"body.{field}")
