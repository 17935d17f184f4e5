"""Delete features and see that what is left is whole.

A feature could miss one that is gone, and two could each lean on the other's absence. So for every
two features one is deleted while the other stays, the other way round, and both are: a few sets of
features bring all of that about. Names as arguments delete just these.

Each time in a copy of the checkout: the folders and lines of the features go, and of those that
require them; ``make migration`` writes the migration, if they had tables, and ``make conformance``
its document; then ``make check`` and a quick selection of tests have to pass.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from app.features import load_features

ROOT = Path(__file__).parent.parent

NOT_COPIED = (".git", ".venv", ".hypothesis", ".pytest_cache", "__pycache__", "*.db*")

TESTS = (
    "tests/management/test_audit_document.py",
    "tests/management/test_nothing_stale_at_the_shell.py::test_every_command_is_listed",
    "tests/management/test_route_scopes.py",
    "tests/stories",
    "tests/oauth2/test_client_credentials.py",
    "tests/oauth2/test_scope.py",
    "tests/cli/test_doctor.py",
    "tests/operations/test_purge.py::test_a_used_refresh_token_is_known_as_used_while_its_family_lives",
    "tests/database/test_migrations.py",
    "tests/test_no_secrets.py",
    "tests/test_nothing_stale.py::test_every_route_that_can_write_is_listed",
    "tests/test_openapi.py",
    "tests/login/test_same_answer.py",
    "tests/test_security_document.py",
    "tests/test_conformance.py",
    "tests/test_documents.py",
    "tests/browser/test_landing.py",
)
"""Of the schema, the document, the pages, a login, the doctor, a purge, and of all that is there.

On SQLite alone: the whole suite has both databases.
"""

DRAWN = 2000

DROPS = "op.drop_table("


def with_dependents(names: Iterable[str]) -> frozenset[str]:
    """These features, and those that require one of them."""
    gone = set(names)
    for feature in load_features():  # a feature is listed behind those that it requires
        if gone.intersection(required.name for required in feature.requires):
            gone.add(feature.name)
    return frozenset(gone)


def subtractions() -> Iterator[frozenset[str]]:
    """Few sets, by which each two features are apart both ways and gone together, where possible.

    The next one is always that which brings about most of what is missing. There are millions to
    choose from: those of one feature and of all bring every case about, and the others are drawn
    by lot, the same ones in every run.
    """
    names = [feature.name for feature in load_features()]
    lot = Random(0)
    drawn = [lot.sample(names, lot.randint(2, len(names) - 1)) for _ in range(DRAWN)]
    sets = {with_dependents(some) for some in (*([name] for name in names), names, *drawn)}
    candidates = sorted(sets, key=sorted)

    def cases(gone: frozenset[str]) -> set[tuple[str, str, bool]]:
        return {(one, other, other in gone) for one in gone for other in names if other != one}

    missing = set().union(*map(cases, candidates))
    while missing:
        best = max(candidates, key=lambda gone: len(cases(gone) & missing))
        missing -= cases(best)
        yield best


def subtract(names: frozenset[str], folder: Path) -> None:
    """Delete the features from the checkout in ``folder``."""
    listed = folder / "app/features/__init__.py"
    for name in names:
        shutil.rmtree(folder / "app/features" / name)
        shutil.rmtree(folder / "tests/features" / name)
        entry = rf'^    "{name}": \{{.*?\}},[^\n]*\n'  # one line, or as many as its commands need
        text, count = re.subn(entry, "", listed.read_text(), flags=re.MULTILINE | re.DOTALL)
        assert count == 1, f"{listed} has no entry of its own for {name}"
        listed.write_text(text)


def check(names: frozenset[str]) -> str:
    """Raise :class:`subprocess.CalledProcessError` unless everything passes without them."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="latchkey-subtract-") as temporary:
        folder = Path(temporary) / "latchkey"
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*NOT_COPIED))
        (folder / ".venv").symlink_to(ROOT / ".venv")
        subtract(names, folder)
        gone = sum(len(feature.tables) for feature in load_features() if feature.name in names)
        if gone:
            drop_tables(folder, gone)
        run(folder, "make", "conformance")
        run(folder, "make", "check")
        run(folder, sys.executable, "-m", "pytest", "-q", "-k", "not postgresql", *TESTS)
    return f"without {', '.join(sorted(names))}: whole ({time.monotonic() - started:.0f} s)"


def drop_tables(folder: Path, count: int) -> None:
    """Write the migration that drops as many tables as have gone."""
    versions = folder / "migrations/versions"
    before = set(versions.glob("*.py"))
    run(folder, "make", "migration", "MESSAGE=remove features")
    (written,) = set(versions.glob("*.py")) - before
    upgrade = written.read_text().partition("def downgrade")[0]
    assert upgrade.count(DROPS) == count, f"{written.name} drops not exactly {count} tables"


def run(folder: Path, *command: str) -> None:
    """Run a command there; what it prints is kept for the error."""
    subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def main() -> None:
    """Two at a time."""
    wanted = [with_dependents(sys.argv[1:])] if sys.argv[1:] else subtractions()
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(check, names) for names in wanted]
        try:
            for future in futures:
                print(future.result(), flush=True)
        except subprocess.CalledProcessError as failed:
            pool.shutdown(cancel_futures=True)
            sys.exit(f"{failed.stdout}\n{' '.join(failed.cmd)} failed")


if __name__ == "__main__":
    main()
