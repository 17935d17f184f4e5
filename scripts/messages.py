"""Bring the catalogues of the languages up to date with what the code says: ``make messages``.

New sentences are added without a translation, and those that nothing says any more are taken out.
``make messages ARGS=it`` begins another language.
"""

import sys
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from tempfile import TemporaryDirectory

from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from app.database.migrations import upgrade
from app.languages.reader import FOLDER, SOURCE

APP = FOLDER.parent

METHODS = [
    ("**.py", "python"),
    ("**.html", "jinja2"),
    ("**.txt", "jinja2"),
]
OPTIONS = {
    each: {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}
    for each in ("**.html", "**.txt")
}
KEYWORDS = {"Message": None, "_": None, "gettext": None, "ngettext": (1, 2)}


HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"Plural-Forms: {plurals}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
"""Without dates and names: history has those."""


def find_messages() -> Catalog:
    """Every sentence that pages and mails say: of the code, the templates, and a new database."""
    catalog = find_in(APP)
    for description in _scope_descriptions():
        catalog.add(description, locations=[("the description of a scope", 0)])
    return catalog


def find_in(folder: Path) -> Catalog:
    """Those of the code and the templates in a folder."""
    catalog = Catalog(charset="utf-8")
    for file, _, sentence, _, context in extract_from_dir(folder, METHODS, OPTIONS, KEYWORDS):
        catalog.add(sentence, locations=[(file, 0)], context=context)
    return catalog


def _scope_descriptions() -> list[str]:
    with TemporaryDirectory() as folder:
        upgrade(f"sqlite:///{folder}/messages.db")
        with closing(connect(Path(folder) / "messages.db")) as database:
            rows = database.execute("SELECT description FROM scopes ORDER BY name").fetchall()
    return [description for (description,) in rows]


def renew(file: Path, template: Catalog) -> None:
    """Bring one catalogue up to date; it may be a new one."""
    catalog = Catalog(locale=file.stem.replace("-", "_"), charset="utf-8", fuzzy=False)
    if file.exists():
        with file.open("rb") as written:
            catalog = read_po(written, locale=file.stem.replace("-", "_"))
    catalog.update(template, no_fuzzy_matching=True)
    with file.open("wb") as renewed:
        renewed.write(HEADER.format(language=file.stem, plurals=catalog.plural_forms).encode())
        write_po(
            renewed,
            catalog,
            omit_header=True,
            sort_by_file=True,
            ignore_obsolete=True,
            include_lineno=False,
            width=100,
        )


def main() -> None:
    """Renew all of them, and begin those that the arguments name."""
    begun = [FOLDER / f"{_checked(language)}.po" for language in sys.argv[1:]]
    template = find_messages()
    for file in {*FOLDER.glob("*.po"), *begun}:
        renew(file, template)


def _checked(language: str) -> str:
    """The language, if a catalogue of that name is found by who reads it."""
    try:
        known = str(Locale.parse(language, sep="-")).replace("_", "-")
    except (ValueError, UnknownLocaleError):
        known = ""
    if known != language or language == SOURCE:
        sys.exit(f"{language} is no language to begin: name one such as it, pt-BR or zh-Hant")
    return known


if __name__ == "__main__":
    main()
