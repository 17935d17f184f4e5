"""Which language is best for somebody: RFC 9110, section 12.5.4, and RFC 4647, section 3.4."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from app.languages import catalogues
from app.languages import reader as module
from app.languages.catalogues import direction, in_words, translated
from app.languages.reader import Reader, languages, read_by, reader
from app.message import Message
from tests.support.clock import TestClock
from tests.support.translations import translated_into


@pytest.fixture
def seven(monkeypatch: pytest.MonkeyPatch) -> None:
    """Languages to choose from, whatever catalogues there are."""
    known = frozenset({"en", "de", "es", "fr", "ja", "pt", "zh"})
    monkeypatch.setattr(module, "languages", lambda: known)


of_seven = pytest.mark.usefixtures("seven")


def accepting(header: str) -> Reader:
    return Reader([(b"accept-language", header.encode())])


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("zh-Hans-CN", "zh"),
        ("fr;q=0.5, ja;q=0.9", "ja"),
        ("nl, es;q=0.3", "es"),
        ("de;q=0, fr;q=0.1", "fr"),
        ("nl", "en"),
        ("*", "en"),
        ("en, de", "en"),
        ("d-e", "en"),
        ("de;q=", "de"),
        ("de;q=much, pt", "pt"),
        ("de;q=nan", "en"),
        (",;,;=,", "en"),
        ("de;Q=0.1, fr;q=0.9", "fr"),
        (", ".join(["xx"] * 20 + ["de"]), "en"),
        ("-" * 60_000, "en"),
        (f"{'a' * 60_000}-de, fr", "en"),
    ],
)
@of_seven
def test_the_best_language_that_a_browser_accepts_is_chosen(header: str, language: str) -> None:
    assert accepting(header).language == language


@of_seven
def test_the_header_may_come_in_several_lines() -> None:
    lines = [(b"accept-language", b"nl"), (b"accept-language", b"ja;q=0.1")]
    assert Reader(lines).language == "ja"


@of_seven
def test_what_the_user_has_chosen_comes_before_what_the_browser_accepts() -> None:
    assert Reader([(b"accept-language", b"de")], locale="fr-CA").language == "fr"


@of_seven
def test_what_the_client_asks_for_comes_before_what_the_user_has_chosen() -> None:
    assert Reader(locale="fr", ui_locales="nl ja de").language == "ja"


@of_seven
def test_a_choice_that_nothing_is_written_in_leaves_it_to_the_next() -> None:
    reader = Reader([(b"accept-language", b"de")], locale="nl", ui_locales="sv")
    assert reader.language == "de"


@translated_into("de")
def test_a_mail_is_in_the_language_of_whoever_gets_it_and_the_page_stays_in_its_own() -> None:
    message = Message("a password must have at least {least} characters", least=8)
    with read_by("de"):
        assert translated(message) != message
    assert translated(message) == message == "a password must have at least 8 characters"


@of_seven
def test_whoever_gets_a_mail_and_has_chosen_nothing_reads_what_the_page_is_in() -> None:
    with read_by("ja"), read_by(None):
        assert reader().language == "ja"


@of_seven
def test_whoever_gets_a_mail_and_has_chosen_what_there_is_not_reads_that_too() -> None:
    with read_by("ja"), read_by("nl"):
        assert reader().language == "ja"


@of_seven
def test_a_language_is_worked_out_once_and_anew_when_more_is_known() -> None:
    known = accepting("de")
    assert known.language == "de"
    known.note(locale="fr")
    assert known.language == "fr"
    known.note(ui_locales="-" * 60_000)
    assert known.language == "fr"


@pytest.mark.parametrize("slip", ["{", "{nobody}", "{0}", "}"])
def test_a_translation_that_cannot_be_filled_in_is_left_out(
    slip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = SimpleNamespace(gettext=lambda _sentence: f"Neu bei {slip}")
    monkeypatch.setattr(catalogues, "catalogue", lambda _language: broken)
    message = Message("New login at {service}", service="Latchkey")
    assert translated(message) == "New login at Latchkey"


@translated_into("es")
def test_a_value_of_a_sentence_is_said_in_its_language_too() -> None:
    unknown = Message("Unknown device")
    with read_by("es"):
        said = translated(Message("{browser} on {system}", browser=unknown, system="Linux"))
        assert said == f"{translated(unknown)} en Linux"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "30 November 2026, 08:05 UTC"),
        pytest.param("de", "30. November 2026 um 08:05 UTC", marks=translated_into("de")),
        pytest.param("zh", "2026年11月30日 08:05 UTC", marks=translated_into("zh")),
    ],
)
def test_a_time_is_written_as_the_language_writes_it(language: str, words: str) -> None:
    at = TestClock().now().replace(year=2026, month=11, day=30, hour=8, minute=5)
    with read_by(language):
        assert in_words(at) == words


def test_another_catalogue_is_another_language_that_may_be_written_from_right_to_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ar.po").write_text('msgid "Log in"\nmsgstr "تسجيل الدخول"\n', encoding="utf-8")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setattr("app.languages.catalogues.FOLDER", tmp_path)
    languages.cache_clear()
    try:
        with read_by("ar"):
            assert (reader().language, direction()) == ("ar", "rtl")
            assert translated("Log in") == "تسجيل الدخول"
            assert translated("Log out") == "Log out"
    finally:
        languages.cache_clear()
