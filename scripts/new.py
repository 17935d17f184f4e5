"""Begin a project of your own from this checkout: ``make new NAME=acme-id``.

It gets a folder, the features that are asked for, the name wherever ours stands, one migration, and
a repository with one commit. What concerns this project alone stays behind: its history, its
benchmarks, and the documents that speak of what is not there.
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from babel import Locale

from app.features import FOLDERS, load_features
from app.languages.reader import SOURCE, languages
from scripts.documents.links import relink
from scripts.first_migration import replace_migrations
from scripts.renaming import OLD, check_name, rename_project, title_of
from scripts.subtract_features import ROOT, subtract

PRESETS: Mapping[str, Collection[str]] = {
    "everything": tuple(FOLDERS),
    "openid-connect": (
        *("authorization_code", "claims", "groups"),
        *("mail", "verification", "recovery"),
        *("mfa", "passkeys"),
    ),
    "password-only": (),
}

WITHOUT_CATALOGUES = ("password-only",)
"""Choices that speak English alone, unless more is asked for."""

OURS = (
    "docs/new.md",
    "docs/performance.md",
    "docs/scaling.md",
    "scripts/bench",
    "scripts/first_migration.py",
    "scripts/new.md",
    "scripts/new.py",
    "scripts/scaling.py",
    "tests/database/test_past_migrations.py",
    "tests/languages/test_ours.py",
    "tests/test_new.py",
    "tests/test_peers.py",
    "tests/test_scaling.py",
)
"""What concerns this project alone."""

OUR_TARGETS = ("bench", "bench-long", "profile", "new")

OF_THE_WHOLE = (
    "docs/drawings/layers.svg",
    "mkdocs.yml",
    "scripts/conformance.py",
    "scripts/documents",
    "scripts/empty_debian.py",
    "tests/conformance",
    "tests/examples",
    "tests/features/items/test_routes_document.py",
    "tests/generators",
    "tests/node",
    "tests/support/followed.py",
)
"""What speaks of all features or tries them together, and is not true of a part of them."""

TARGETS_OF_THE_WHOLE = ("docs", "conformance")

EXAMPLES_OF_THE_CORE = ("tested_service", "theme")

DOCUMENTS_OF_THE_CORE = (
    *("administration", "audit", "errors", "operations", "security", "serving"),
    *("testing", "token-lifecycle", "token-request"),
)

DOCUMENTS: Mapping[str, Collection[str]] = {
    "api_keys": ["api-keys"],
    "app_passwords": ["app-passwords"],
    "apply": ["apply"],
    "authorization_code": ["authorization-code", "languages", "looks"],
    "claims": ["claims"],
    "groups": ["groups"],
    "mail": ["mail"],
    "mfa": ["second-factor"],
    "passkeys": ["passkeys"],
    "registration": ["registration"],
    "schemes": ["schemes"],
}
"""The documents of features."""

CHANGELOG = """# Changelog

What users and operators notice.

## [Unreleased]

- Begun from Latchkey.
"""


RUN_ALL = """
import runpy, sys
for sys.argv in {scripts}:
    runpy.run_module(sys.argv[0], run_name="__main__")
"""
"""Several scripts in one process, since each would import the whole application."""


def main(given: Sequence[str] | None = None) -> None:
    """Ask for what is not said, and make it."""
    parser = argparse.ArgumentParser(prog="make new", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--features")
    parser.add_argument("--languages")
    arguments = parser.parse_args(given)
    folder: Path = arguments.dir or ROOT.parent / arguments.name
    try:
        check_name(arguments.name)
        if folder.exists():
            raise ValueError(f"{folder} is there already: choose another DIR, or remove it.")
        features = arguments.features or _asked()
        kept = chosen(features)
        spoken = chosen_languages(arguments.languages or default_languages(features))
    except ValueError as refused:
        sys.exit(f"make new: {refused}")
    # Whole or not at all: a failure leaves nothing behind that another attempt would trip over.
    with TemporaryDirectory(prefix=".new-", dir=folder.absolute().parent) as temporary:
        made = Path(temporary) / arguments.name
        make(arguments.name, made, kept, spoken)
        made.rename(folder)
    print(f"{title_of(arguments.name)} is in {folder}. Next: cd {folder} && make run")


def _asked() -> str:
    if not sys.stdin.isatty():
        return "everything"
    print(f"Features: {', '.join(FOLDERS)}")
    print(f"Choices:  {', '.join(PRESETS)}, or the names of features with commas between them")
    return input("Keep [everything]: ").strip() or "everything"


def chosen(wanted: str) -> frozenset[str]:
    """The features of a choice or a list of names, and those that they need.

    Raises :class:`ValueError` with a sentence.
    """
    names = PRESETS.get(wanted, [name.strip() for name in wanted.split(",") if name.strip()])
    for name in names:
        if name not in FOLDERS:
            raise ValueError(
                f"there is no feature {name!r}: it is one of {', '.join(FOLDERS)}, or a choice of "
                f"{', '.join(PRESETS)}."
            )
    kept = set(names)
    for feature in reversed(load_features()):  # those that it needs stand before it
        if feature.name in kept:
            kept.update(needed.name for needed in feature.requires)
    return frozenset(kept)


def default_languages(features: str) -> str:
    """What there is of languages with a choice of features, where nobody says more."""
    return "none" if features in WITHOUT_CATALOGUES else "all"


def chosen_languages(wanted: str) -> frozenset[str]:
    """The languages of a list of tags, beside English: ``all`` that there are, or ``none``.

    Raises :class:`ValueError` with a sentence.
    """
    there = languages() - {SOURCE}
    if wanted in ("all", "none"):
        return there if wanted == "all" else frozenset()
    names = frozenset(name.strip() for name in wanted.split(",") if name.strip()) - {SOURCE}
    for name in sorted(names - there):
        raise ValueError(
            f"there is no catalogue {name!r}: it is one of {', '.join(sorted(there))}, or all or "
            "none."
        )
    return names


def make(name: str, folder: Path, kept: Collection[str], spoken: Collection[str]) -> None:
    """Make the project in ``folder``, with these features and languages."""
    gone = frozenset(FOLDERS).difference(kept)
    _copy(folder)
    subtract(gone, folder)
    _speak(folder, spoken)
    _drop(folder, OURS)
    _drop_targets(folder, OUR_TARGETS)
    if gone:
        _drop(folder, OF_THE_WHOLE)
        _drop_tests_of(folder, OF_THE_WHOLE)
        for example in (folder / "examples").iterdir():
            if example.name not in EXAMPLES_OF_THE_CORE:
                _drop(folder, [f"examples/{example.name}"])
        of_features = [each for feature in kept for each in DOCUMENTS.get(feature, ())]
        kept_documents = {*DOCUMENTS_OF_THE_CORE, *of_features}
        for document in (folder / "docs").glob("*.md"):
            if document.stem not in kept_documents:
                document.unlink()
        _drop_targets(folder, TARGETS_OF_THE_WHOLE)
        shutil.copy(ROOT / "scripts/new.md", folder / "README.md")
    (folder / "CHANGELOG.md").write_text(CHANGELOG)
    replace_migrations(folder)
    _mend_documents(folder)
    rename_project(folder, name)
    (folder / "CHANGELOG.md").write_text(CHANGELOG)
    _write_what_is_made(folder, name)
    _commit(folder)


def _speak(folder: Path, spoken: Collection[str]) -> None:
    """Drop the other catalogues, and say in the document which there are."""
    dropped = languages() - {SOURCE, *spoken}
    _drop(folder, [f"app/languages/{each}.po" for each in dropped])
    if dropped:
        tags = (SOURCE, *sorted(spoken))
        *others, last = [str(Locale.parse(tag, sep="-").english_name) for tag in tags]
        listed = f"{', '.join(others)} or {last}" if others else last
        _edit(folder / "docs/languages.md", r"(?<=that they get are in )English[^.]*", listed)


def _copy(folder: Path) -> None:
    """What is under version control, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for path in filter(None, listed.stdout.split("\0")):
        if (ROOT / path).is_file():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, folder / path)


def _drop(folder: Path, paths: Iterable[str]) -> None:
    for path in paths:
        place = folder / path
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)  # it may have gone with a feature


def _drop_tests_of(folder: Path, paths: Iterable[str]) -> None:
    """The tests that import what has been dropped."""
    modules = "|".join(
        re.escape(path.removesuffix(".py").replace("/", "."))
        for path in paths
        if path.startswith(("scripts/", "tests/support/"))
    )
    imports = re.compile(rf"^from (?:{modules})\b", re.MULTILINE)
    for test in (folder / "tests").rglob("test_*.py"):
        if imports.search(test.read_text()):
            test.unlink()


def _drop_targets(folder: Path, names: Iterable[str]) -> None:
    """From the Makefile and the workflows."""
    for name in names:
        _edit(folder / "Makefile", rf"^(?:# .*\n)*{name}:.*\n(?:\t.*\n)+\n?", "")
        _edit(folder / "Makefile", rf"(?<=^\.PHONY:)(.*(?:\\\n.*)?) {name}(?= |\n)", r"\1")
        for workflow in (folder / ".github/workflows").glob("*.yml"):
            _edit(workflow, rf"^ *- run: make {name}\n", "")
        if (folder / ".ci/run").exists():
            _edit(folder / ".ci/run", rf"^make {name}\n", "")


def _edit(path: Path, pattern: str, text: str) -> None:
    path.write_text(re.sub(pattern, text, path.read_text(), flags=re.MULTILINE))


def _mend_documents(folder: Path) -> None:
    """Keep the words of links that lead nowhere now, and leave out what names our programs."""
    targets = "|".join((*OUR_TARGETS, *TARGETS_OF_THE_WHOLE))
    gone = re.compile(rf"scripts\.bench|scripts\.scaling|(?:^|`)make ({targets})\b", re.MULTILINE)
    makefile = (folder / "Makefile").read_text()
    for path in folder.rglob("*.md"):
        text = path.read_text()
        kept = [
            line
            for line in re.split(r"(?<=\n)(?=\* |\n|make |\.venv/bin/python |```)", text)
            if not (found := gone.search(line))
            or (found[1] is not None and f"\n{found[1]}: " in makefile)
        ]
        path.write_text(_without_dead_links("".join(kept), path.parent))
    navigation = folder / "mkdocs.yml"
    if navigation.exists():
        for name in ("new", "performance", "scaling"):
            _edit(navigation, rf"^ *- .*: {name}\.md\n", "")


def _without_dead_links(text: str, folder: Path) -> str:
    dead = "\0dead\0"

    def mark(target: str) -> str:
        path = target.partition("#")[0]
        alive = re.match(r"[a-z]+:", target) or not path or (folder / path).exists()
        return target if alive else dead

    return re.sub(rf"\[((?:[^\[\]]|\[[^\]]*\])*)\]\({dead}\)", r"\1", relink(text, mark))


def _write_what_is_made(folder: Path, name: str) -> None:
    """What scripts and formatters of the project make of the code."""
    if len(name) > len(OLD):
        _edit(
            folder / "pyproject.toml",
            r"^ignore = \[\n",
            'ignore = [\n    "E501", # the name is longer than the one it was written with\n',
        )
    scripts = [["scripts.messages"], ["scripts.openapi", "docs/openapi.json"]]
    if (folder / "scripts/conformance.py").exists():
        scripts.append(["scripts.conformance"])
    for arguments in (
        ("-m", "ruff", "check", "-q", "--fix", "--exit-zero", "."),
        ("-m", "ruff", "format", "-q", "."),
        ("-c", RUN_ALL.format(scripts=scripts)),
    ):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=folder, check=False, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"{' '.join(arguments)} failed in {folder}:\n{done.stdout}{done.stderr}")


def _commit(folder: Path) -> None:
    for arguments in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        ("commit", "-q", "-m", f"Begin {folder.name}"),
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)


if __name__ == "__main__":
    main()
