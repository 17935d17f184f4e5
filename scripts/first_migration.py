"""One migration in place of all: the schema of the models, and the scopes that the code has."""

import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from pprint import pformat
from sqlite3 import connect
from tempfile import TemporaryDirectory

from app.database.migrations import upgrade

REVISION = "0001"

INSERT = """
    op.bulk_insert(
        sa.table(
            "scopes",
            sa.column("name", sa.String),
            sa.column("description", sa.String),
            sa.column("created_at", sa.DateTime(timezone=True)),
        ),
        [
            {"name": name, "description": description, "created_at": datetime.now(UTC)}
            for name, description in SCOPES.items()
        ],
    )
"""

WRITE = f"""
from alembic.config import main
from app.features import load_features
from app.identity.scopes import BUILT_IN
main(["--quiet", "revision", "--autogenerate", "--rev-id", "{REVISION}", "-m", "first schema"])
of_features = [{{*each.scopes, *each.management_scopes}} for each in load_features()]
print(*sorted(BUILT_IN.union(*of_features)))
"""
"""What writes the migration, and prints the scopes that the code asks for."""


def replace_migrations(folder: Path) -> None:
    """Write the one migration of the checkout in ``folder``, and delete those that it replaces."""
    versions = folder / "migrations/versions"
    for path in versions.glob("*.py"):
        path.unlink()
    with TemporaryDirectory() as name:
        settings = folder / ".env"  # of Alembic's own command line, for this moment
        settings.write_text(
            f"LATCHKEY_ENVIRONMENT=development\nLATCHKEY_DATABASE_URL=sqlite:///{name}/empty.db\n"
        )
        try:
            wanted = _python(folder, WRITE).split()
        finally:
            settings.unlink()
    (written,) = versions.glob("*.py")
    scopes = {scope: text for scope, text in _described().items() if scope in wanted}
    assert set(scopes) == set(wanted), "a scope that the code asks for is in no migration"
    text = written.read_text()
    upgrading, mark, rest = text.partition("\n\ndef downgrade()")
    text = upgrading.rstrip() + "\n" + INSERT + mark + rest
    text = text.replace(
        "import sqlalchemy", "from datetime import UTC, datetime\n\nimport sqlalchemy"
    )
    told = f"SCOPES = {pformat(scopes, width=90, sort_dicts=True)}\n\n\ndef upgrade()"
    written.write_text(text.replace("def upgrade()", told, 1))


@cache
def _described() -> Mapping[str, str]:
    """The scopes that our own migrations make, with their descriptions."""
    with TemporaryDirectory() as folder:
        upgrade(f"sqlite:///{folder}/scopes.db")
        with closing(connect(Path(folder) / "scopes.db")) as database:
            return dict(database.execute("SELECT name, description FROM scopes").fetchall())


def _python(folder: Path, program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, check=False, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"no migration was written in {folder}:\n{done.stdout}{done.stderr}")
    return done.stdout
