"""The catalogues: every sentence of pages and mails, in every language, whole."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from jinja2 import TemplateSyntaxError

from app.languages.reader import FOLDER
from scripts.messages import find_in, find_messages

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
            found[english[0]] = english, [forms] if isinstance(forms, str) else list(forms or ())
    return found


def kept(sentence: str) -> list[str]:
    return sorted(re.findall(KEPT, sentence))


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


def test_every_form_can_be_filled_in(sentences: Sentences) -> None:
    """A lone brace or per cent sign would be a broken page."""
    for english, forms in sentences.values():
        for form in forms:
            if re.search(r"\{\w+\}", english[0]):
                assert form.format_map(defaultdict(str)) is not None
            if re.search(r"%", english[0] + form):
                assert form % defaultdict(str) is not None


def test_a_per_cent_sign_of_a_template_is_found_as_it_is_looked_up(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("{% trans %}50% of it{% endtrans %}")
    assert [message.id for message in find_in(tmp_path) if message.id] == ["50%% of it"]


def test_a_template_that_cannot_be_read_takes_no_sentence_away(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("{% trans %}One{% endtrans %}{% if %}")
    with pytest.raises(TemplateSyntaxError):
        find_in(tmp_path)


def test_no_translation_ends_an_attribute_or_brings_a_character_of_html(
    sentences: Sentences,
) -> None:
    for english, forms in sentences.values():
        for form in forms:
            rest = re.sub(KEPT, "", form)
            allowed = set("".join(re.sub(KEPT, "", each) for each in english))
            assert set('"<>&').intersection(rest) <= allowed, form
