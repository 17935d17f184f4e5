"""Tokens are alive exactly when the model says so, whatever happens to them in whichever order.

That the machine would notice a bug is tested by putting some in.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy.ext.asyncio import AsyncConnection

from app.oauth2 import revocation
from app.oauth2.grants import refresh_token as refresh_grant
from app.tokens import refreshes
from app.tokens.families import Family
from app.tokens.refresh_tokens import find_refresh_token
from app.tokens.rotation import Rotation, rotate
from tests.support.databases import Backend
from tests.support.shared import Shared
from tests.support.token_machine import EXAMPLES, TokenLifecycle, tell


@pytest.fixture(scope="module", autouse=True)
def _sqlite(sqlite: Backend) -> None:
    TokenLifecycle.backend, TokenLifecycle.shared = sqlite, Shared()


def test_every_token_is_alive_exactly_when_the_model_says_so() -> None:
    run_state_machine_as_test(TokenLifecycle, settings=EXAMPLES)


# It would notice


async def end_nothing(*_arguments: object) -> None:
    """In the place of what ends a login or revokes a token."""


async def rotate_for_anybody(
    connection: AsyncConnection, rotations: Sequence[Rotation], *more: Any
) -> Mapping[Rotation, Family]:
    """In the place of the rotation that asks whose token it is."""
    rotated = {}
    for each in rotations:
        presented = await find_refresh_token(connection, each.token, each.at)
        owner = presented.family.client_id if presented else each.client_id
        owned = replace(each, client_id=owner)
        for family in (await rotate(connection, [owned], *more)).values():
            rotated[each] = family
    return rotated


def reuse(machine: TokenLifecycle) -> None:
    machine.refresh(which=0, by_stranger=False)
    machine.present_a_used_refresh_token(which=0, by_stranger=False)


def revoke_all(machine: TokenLifecycle) -> None:
    machine.revoke(which=0, by_stranger=False)


def refresh_by_a_stranger(machine: TokenLifecycle) -> None:
    machine.refresh(which=0, by_stranger=True)


@pytest.mark.parametrize(
    ("module", "replaced", "story"),
    [
        pytest.param(refresh_grant, {"end_login": end_nothing}, reuse, id="reuse check removed"),
        pytest.param(
            revocation,
            {"end_login": end_nothing, "revoke_token": end_nothing},
            revoke_all,
            id="revocation of access tokens removed",
        ),
        pytest.param(
            refreshes,
            {"rotate": rotate_for_anybody},
            refresh_by_a_stranger,
            id="client binding removed",
        ),
    ],
)
@pytest.mark.parametrize("with_bug", [True, False], ids=["bug", "no_bug"])
def test_the_machine_notices_a_bug_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    replaced: dict[str, Any],
    story: Callable[[TokenLifecycle], None],
    *,
    with_bug: bool,
) -> None:
    for name, value in replaced.items() if with_bug else ():
        monkeypatch.setattr(module, name, value)
    with pytest.raises(AssertionError) if with_bug else nullcontext():
        tell(TokenLifecycle(), story)
