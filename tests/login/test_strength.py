"""What the methods of a login make of it: ``amr`` and ``acr``."""

import pytest

from app.login.strength import ACR, Level, acr_of, acrs_up_to, least_of, level_of

ALL = list(ACR.values())


@pytest.mark.parametrize(
    ("amr", "level"),
    [
        (["pwd"], Level.ANY),
        (["otp"], Level.ANY),
        (["hwk", "user"], Level.ANY),
        (["pwd", "mfa"], Level.FACTOR),
        (["pwd", "otp", "mfa"], Level.FACTOR),
        (["pwd", "swk", "user", "mfa"], Level.PASSKEY),
        (["hwk", "user", "mfa"], Level.PASSKEY),
    ],
)
def test_the_level_follows_from_the_methods(amr: list[str], level: Level) -> None:
    assert level_of(amr) == level
    assert acr_of(amr) == ACR[level]


def test_whoever_can_reach_a_level_can_reach_those_below() -> None:
    assert acrs_up_to(Level.FACTOR) == ["urn:latchkey:acr:any", "urn:latchkey:acr:mfa"]


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 25)
@pytest.mark.parametrize(
    ("values", "level"),
    [
        (["phr", "urn:latchkey:acr:mfa"], Level.FACTOR),
        (["silver", "phr"], Level.PASSKEY),
        (["silver"], None),
        ([], None),
    ],
)
def test_of_several_values_the_least_is_enough(values: list[str], level: Level | None) -> None:
    assert least_of(values, ALL) == level


@pytest.mark.rfc("openid-connect-core", "2", 8)
def test_a_level_that_is_not_offered_has_no_name() -> None:
    assert least_of(["phr"], acrs_up_to(Level.FACTOR)) is None
