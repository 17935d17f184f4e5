"""``make new``: a project of one's own from this checkout.

Each choice is made and looked at here. ``NEW=1 make test ARGS=tests/test_new.py`` also lets each
run its whole ``make check test`` in an environment of its own, which takes half an hour.
"""

import os
import subprocess
import sys
import tokenize
from collections.abc import Generator
from io import StringIO
from pathlib import Path

import pytest

from app.features import FOLDERS
from app.languages.reader import SOURCE, languages
from scripts.new import (
    DOCUMENTS,
    DOCUMENTS_OF_THE_CORE,
    OF_THE_WHOLE,
    OURS,
    PRESETS,
    chosen,
    chosen_languages,
    default_languages,
    main,
)
from scripts.renaming import check_name, renamed, renamed_python
from tests.support.forked import LIBRARIES
from tests.support.live_server import ROOT

QUICK = (
    "tests/oauth2/test_scope.py",
    "tests/stories",
    "tests/database/test_migrations.py::test_the_schema_goes_up_matches_the_models_and_goes_down_and_up_again",
    "tests/test_committed_openapi.py",
    "tests/test_repository.py",
    "tests/test_settings.py",
    "tests/languages/test_catalogues.py",
)
"""A login and what follows, the schema, and what was made anew. On SQLite alone."""

NOT_OURS = ("-p", "no:latchkey")
"""The plugin that is installed here; in its own environment a project leaves out its own."""

OF_THE_ORIGIN = {"CHANGELOG.md", "LICENSE", "app/security/contexts.py"}
"""Where the old name stays: whence the code is, whose it is, and what keeps hashes apart."""

ENVIRONMENT = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
    return done.stdout


def run_module(folder: Path, *command: str) -> str:
    """The same of ``python -m``, where much is imported and little done."""
    done = LIBRARIES.run(*command, environment=ENVIRONMENT, folder=folder)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module", params=PRESETS)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new one of each choice."""
    if not (ROOT / ".git").exists():
        pytest.skip("it is made from what is under version control")
    folder = tmp_path_factory.mktemp("new") / str(request.param)
    main(["acme-id", "--dir", str(folder), "--features", str(request.param)])
    (folder / ".venv").symlink_to(Path(sys.prefix))
    return folder


def test_a_new_project_has_the_features_that_were_asked_for(project: Path) -> None:
    folders = {path.parent.name for path in (project / "app/features").glob("*/__init__.py")}
    assert folders == chosen(project.name)


def test_a_new_project_has_the_catalogues_that_go_with_its_choice(project: Path) -> None:
    spoken = {path.stem for path in (project / "app/languages").glob("*.po")}
    assert spoken == (set() if project.name == "password-only" else languages() - {SOURCE})


def lines_of_the_application(folder: Path) -> int:
    """All of its files that are under version control."""
    files = [folder / path for path in run(folder, "git", "ls-files", "app").split()]
    return sum(path.read_bytes().count(b"\n") for path in files if path.exists())


def test_a_project_for_passwords_alone_has_two_fifths_of_the_lines_at_most(project: Path) -> None:
    if project.name == "password-only":
        assert lines_of_the_application(project) <= 0.4 * lines_of_the_application(ROOT)


def test_a_new_project_begins_with_one_commit_and_one_migration(project: Path) -> None:
    assert run(project, "git", "status", "--porcelain") == ""
    assert len(run(project, "git", "log", "--oneline").splitlines()) == 1
    assert len(list((project / "migrations/versions").glob("*.py"))) == 1


def test_the_migration_of_a_new_project_has_defaults_that_every_database_takes(
    project: Path,
) -> None:
    """It is written on SQLite, where false is 0; PostgreSQL refuses that."""
    (migration,) = (project / "migrations/versions").glob("*.py")
    text = migration.read_text()
    assert "server_default=sa.false()" in text
    assert 'server_default=sa.text("0")' not in text


def test_a_new_project_has_its_own_name_everywhere(project: Path) -> None:
    speaking = run(project, "git", "grep", "-liE", "latchkey").split()
    assert set(speaking) == OF_THE_ORIGIN
    assert run_module(project, "app", "--version").startswith("acme-id ")


def test_a_new_project_is_in_order(project: Path) -> None:
    run(project, sys.executable, "-m", "ruff", "check", ".")
    run(project, sys.executable, "-m", "ruff", "format", "--check", ".")
    run_module(project, "scripts.check_migrations")
    run(
        project,
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        "-k",
        "not postgresql",
        *NOT_OURS,
        *QUICK,
    )


@pytest.mark.skipif("NEW" not in os.environ, reason="it takes half an hour, and runs with NEW=1")
def test_a_new_project_passes_all_of_its_own_tests(project: Path) -> None:
    (project / ".venv").unlink()  # in ours the command has our name
    run(project, "make", "check", "test")


# What is refused


@pytest.fixture
def nothing_made(tmp_path: Path) -> Generator[Path]:
    """A folder in which nothing may be afterwards."""
    yield tmp_path / "made"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "features", "line"),
    [
        ("Acme", "everything", "'Acme' cannot be the name: it is up to 30 lower-case letters"),
        ("acme_id", "everything", "'acme_id' cannot be the name: it is up to 30 lower-case"),
        ("a" * 31, "everything", "cannot be the name: it is up to 30 lower-case letters"),
        ("app", "everything", "'app' cannot be the name: something else is called so."),
        ("json", "everything", "'json' cannot be the name: something else is called so."),
        ("class", "everything", "'class' cannot be the name: something else is called so."),
        ("acme-id", "cakes", "there is no feature 'cakes': it is one of "),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    nothing_made: Path, name: str, features: str, line: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        main([name, "--dir", str(nothing_made), "--features", features])
    told = str(refused.value.code)
    assert told.startswith("make new: ")
    assert line in told
    assert "\n" not in told


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(SystemExit) as refused:
        main(["acme-id", "--dir", str(tmp_path)])
    assert refused.value.code == (
        f"make new: {tmp_path} is there already: choose another DIR, or remove it."
    )
    assert (tmp_path / "mine").read_text() == "kept"


# What is chosen


def test_all_that_stays_behind_is_there() -> None:
    of_features = [name for names in DOCUMENTS.values() for name in names]
    documents = [f"docs/{name}.md" for name in (*DOCUMENTS_OF_THE_CORE, *of_features)]
    paths = [*OURS, *OF_THE_WHOLE, *documents]
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert set(DOCUMENTS) <= set(FOLDERS)


def test_a_choice_brings_what_its_features_need() -> None:
    assert chosen("everything") == set(FOLDERS)
    assert chosen("password-only") == set()
    assert chosen("recovery") == {"recovery", "mail", "authorization_code"}


def test_languages_are_all_none_or_those_that_are_named() -> None:
    assert chosen_languages("all") == languages() - {SOURCE}
    assert chosen_languages("none") == chosen_languages("en") == frozenset()
    assert chosen_languages("de, fr") == {"de", "fr"}
    assert (default_languages("password-only"), default_languages("items")) == ("none", "all")


def test_a_language_without_a_catalogue_is_refused_in_one_line(nothing_made: Path) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["acme-id", "--dir", str(nothing_made), "--features", "items", "--languages", "tlh"])
    assert str(refused.value.code).startswith("make new: there is no catalogue 'tlh': it is one of")


# How the name is written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("LATCHKEY_SECRET_KEY", "ACME_ID_SECRET_KEY"),
        ("latchkey_http_requests", "acme_id_http_requests"),
        ("`latchkey serve`", "`acme-id serve`"),
        ("Welcome to Latchkey.", "Welcome to Acme Id."),
        ("uvicorn latchkey.main:app", "uvicorn acme_id.main:app"),
        ("urn:latchkey:acr:mfa", "urn:acme-id:acr:mfa"),
        ("/etc/latchkey.env", "/etc/acme-id.env"),
        ("```python\nlatchkey.add_user()\n```\n", "```python\nacme_id.add_user()\n```\n"),
    ],
)
def test_a_text_has_the_name_as_it_is_written_there(text: str, written: str) -> None:
    assert renamed(text, "acme-id") == written


def test_code_has_names_without_hyphens_and_strings_with_them() -> None:
    source = 'def test(latchkey: Latchkey) -> None:\n    assert latchkey("latchkey")  # latchkey\n'
    written = renamed_python(source, "acme-id")
    assert written == (
        'def test(acme_id: AcmeId) -> None:\n    assert acme_id("acme-id")  # acme-id\n'
    )
    assert list(tokenize.generate_tokens(StringIO(written).readline))


@pytest.mark.parametrize("name", ["acme", "acme-id", "a1", "login-of-acme"])
def test_a_name_of_words_with_hyphens_is_taken(name: str) -> None:
    check_name(name)
