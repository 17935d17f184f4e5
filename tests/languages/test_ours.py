"""The languages that this project promises."""

from app.languages.reader import languages


def test_english_german_french_spanish_portuguese_chinese_and_japanese_are_spoken() -> None:
    assert languages() >= {"en", "de", "es", "fr", "ja", "pt", "zh"}
