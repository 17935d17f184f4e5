"""The hidden field that proves where a form was shown."""

import re
from collections.abc import Callable

import pytest

from app.security.form_tokens import FormTokens

OLD = "an-old-secret-key-of-32-bytes-or-more"
NEW = "a-new-secret-key-of-32-bytes-or-more"

BROWSER = "the-cookie-of-a-browser"
PURPOSE = "login -"

Change = Callable[[str], str]


@pytest.fixture
def tokens() -> FormTokens:
    return FormTokens([NEW])


def test_a_token_is_good_where_it_was_issued(tokens: FormTokens) -> None:
    assert tokens.check(tokens.issue(BROWSER, PURPOSE), BROWSER, PURPOSE)


def test_a_token_has_256_bits_and_needs_no_escaping(tokens: FormTokens) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", tokens.issue(BROWSER, PURPOSE))


def test_a_token_is_the_same_each_time(tokens: FormTokens) -> None:
    """Two tabs show the same form, and both are good."""
    assert tokens.issue(BROWSER, PURPOSE) == tokens.issue(BROWSER, PURPOSE)


def test_a_token_does_not_show_the_cookie(tokens: FormTokens) -> None:
    assert BROWSER not in tokens.issue(BROWSER, PURPOSE)


@pytest.mark.parametrize(
    ("browser", "purpose"),
    [
        pytest.param("another-cookie", PURPOSE, id="another_browser"),
        pytest.param("", PURPOSE, id="no_browser"),
        pytest.param(BROWSER + " ", PURPOSE, id="a_space_more"),
        pytest.param(BROWSER, "consent -", id="another_purpose"),
        pytest.param(BROWSER, "login 1", id="another_session"),
        pytest.param(BROWSER, "", id="no_purpose"),
        pytest.param(BROWSER + "\0login", "-", id="the_border_moved"),
    ],
)
def test_a_token_is_good_nowhere_else(tokens: FormTokens, browser: str, purpose: str) -> None:
    assert not tokens.check(tokens.issue(BROWSER, PURPOSE), browser, purpose)


def change_the_first(token: str) -> str:
    return ("1" if token[0] == "0" else "0") + token[1:]


def change_the_last(token: str) -> str:
    return token[:-1] + ("1" if token[-1] == "0" else "0")


@pytest.mark.parametrize("change", [change_the_first, change_the_last], ids=["first", "last"])
def test_a_token_with_one_character_changed_is_bad(tokens: FormTokens, change: Change) -> None:
    assert not tokens.check(change(tokens.issue(BROWSER, PURPOSE)), BROWSER, PURPOSE)


def test_a_token_is_compared_as_it_is_written(tokens: FormTokens) -> None:
    token = tokens.issue(BROWSER, PURPOSE)
    assert not tokens.check(token.upper(), BROWSER, PURPOSE)
    assert not tokens.check(token + " ", BROWSER, PURPOSE)
    assert not tokens.check(token[:-1], BROWSER, PURPOSE)


@pytest.mark.parametrize("token", ["", "x", "\u00fc", "0" * 64, "x" * 100_000], ids=ascii)
def test_what_was_never_issued_is_bad(tokens: FormTokens, token: str) -> None:
    assert not tokens.check(token, BROWSER, PURPOSE)


def test_a_token_of_another_secret_is_bad(tokens: FormTokens) -> None:
    assert not tokens.check(FormTokens([OLD]).issue(BROWSER, PURPOSE), BROWSER, PURPOSE)


def test_a_token_is_issued_with_the_newest_secret() -> None:
    token = FormTokens([NEW, OLD]).issue(BROWSER, PURPOSE)
    assert FormTokens([NEW]).check(token, BROWSER, PURPOSE)
    assert not FormTokens([OLD]).check(token, BROWSER, PURPOSE)


def test_a_form_that_was_shown_before_the_secret_was_rotated_is_still_good() -> None:
    token = FormTokens([OLD]).issue(BROWSER, PURPOSE)
    assert FormTokens([NEW, OLD]).check(token, BROWSER, PURPOSE)


def test_a_browser_and_a_purpose_may_have_any_characters(tokens: FormTokens) -> None:
    browser, purpose = "\u00fc\U0001f511\0", "\u00e4 \n"
    assert tokens.check(tokens.issue(browser, purpose), browser, purpose)
