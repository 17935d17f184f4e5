"""The catalogues: every sentence of pages and mails, in every language, whole."""

import re
from collections.abc import Sequence

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from app.languages.reader import FOLDER
from scripts.messages import find_messages

LANGUAGES = sorted(path.stem for path in FOLDER.glob("*.po"))

KEPT = r"%\(\w+\)s|\{\w+\}|</?\w+[^>]*>|%%|LATCHKEY_\w+"
"""What is the same in every language: places for values, tags, names of settings."""

Sentences = dict[str, tuple[Sequence[str], Sequence[str]]]
"""In English and in the other language, with all the forms of each."""


@pytest.fixture(scope="module")
def said() -> Catalog:
    return find_messages()


@pytest.fixture(params=LANGUAGES, scope="module")
def language(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def sentences(said: Catalog, language: str) -> Sentences:
    with (FOLDER / f"{language}.po").open("rb") as written:
        catalogue = read_po(written)
    found: Sentences = {}
    for message in said:
        if message.id:
            english = [message.id] if isinstance(message.id, str) else list(message.id)
            there = catalogue.get(message.id)
            forms = "" if there is None or there.fuzzy else there.string
            found[english[0]] = english, [forms] if isinstance(forms, str) else list(forms)
    return found


def kept(sentence: str) -> list[str]:
    return sorted(re.findall(KEPT, sentence))


def test_english_german_french_spanish_portuguese_chinese_and_japanese_are_spoken() -> None:
    assert {"de", "es", "fr", "ja", "pt", "zh"} <= set(LANGUAGES)


def test_no_sentence_is_missing(sentences: Sentences) -> None:
    assert [first for first, (_, forms) in sentences.items() if not all(forms)] == []


def test_no_sentence_is_left_in_english(sentences: Sentences) -> None:
    """Two words may be the same by chance, or be names."""
    same = [first for first, (_, forms) in sentences.items() if first in forms]
    assert [first for first in same if len(re.sub(KEPT, "", first).split()) > 2] == []


def test_every_value_tag_and_setting_of_a_sentence_is_kept(sentences: Sentences) -> None:
    for english, forms in sentences.values():
        for form in forms:
            # A form for one thing may leave its number out.
            assert any(kept(form) == kept(each) for each in english), form


def test_no_translation_ends_an_attribute_or_brings_a_character_of_html(
    sentences: Sentences,
) -> None:
    for english, forms in sentences.values():
        for form in forms:
            rest = re.sub(KEPT, "", form)
            allowed = set("".join(re.sub(KEPT, "", each) for each in english))
            assert set('"<>&').intersection(rest) <= allowed, form
