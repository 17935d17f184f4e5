"""``docs/security.md`` says what the code does, as far as a program can tell."""

import re
from functools import cache

import pytest

from app.database.schema import ROOT
from app.models import Base
from app.posture import WHO_MAY, LegacyFeature, Posture, permits
from app.settings import Settings
from tests.features import brought

REQUIREMENTS = {
    **{"6.1": 3, "6.2": 12, "6.3": 8, "6.4": 6, "6.5": 8, "6.6": 4, "6.7": 2, "6.8": 4},
    **{"7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 3, "7.6": 2},
    **{"9.1": 3, "9.2": 4},
    **{"10.1": 2, "10.2": 3, "10.3": 5, "10.4": 16, "10.5": 5, "10.6": 2, "10.7": 3},
}
"""How many requirements each section of OWASP ASVS 5.0 has."""


@cache
def document() -> str:
    return (ROOT / "docs" / "security.md").read_text()


def rows() -> list[list[str]]:
    """The cells of every row of every table."""
    lines = [line for line in document().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_table_of_the_postures_is_that_of_the_code() -> None:
    (start,) = (n for n, row in enumerate(rows()) if row[0] == "legacy feature")
    head, _, *table = rows()[start : start + 2 + len(WHO_MAY)]
    assert head == ["legacy feature", "`standard`", "`oauth21`"]
    assert table == [[feature, who["standard"], who["oauth21"]] for feature, who in WHO_MAY.items()]


@pytest.mark.parametrize("feature", LegacyFeature)
@pytest.mark.parametrize(("posture", "permitted"), [("standard", True), ("oauth21", False)])
def test_oauth21_permits_no_legacy_feature_and_standard_each(
    posture: Posture, permitted: bool, feature: LegacyFeature
) -> None:
    assert permits(posture, feature) is permitted


def test_every_requirement_of_the_chapters_has_one_row_with_a_verdict() -> None:
    answered = [row for row in rows() if re.fullmatch(r"\d+\.\d+\.\d+", row[0])]
    assert [row[0] for row in answered] == [
        f"{section}.{number}"
        for section, count in REQUIREMENTS.items()
        for number in range(1, count + 1)
    ]
    for row in answered:
        assert len(row) == 4, row
        assert row[2] in ("yes", "part", "no", "other"), row
        assert row[3], row


def test_every_file_that_is_named_exists() -> None:
    named = re.findall(r"`((?:app|tests|docs)/[\w./-]+)`", document())
    assert len(named) > 40
    here = [path for path in named if not of_a_deleted_feature(path)]
    assert [path for path in here if not (ROOT / path).exists()] == []


def of_a_deleted_feature(path: str) -> bool:
    folder = re.match(r"(app|tests)/features/\w+", path)
    return folder is not None and not (ROOT / folder[0]).exists()


def test_every_table_of_the_database_that_holds_something_secret_is_named() -> None:
    stored = {"users", "client_secrets", *brought("SECRET_TABLES")}
    stored |= {"refresh_tokens", "signing_keys"}
    stored |= {"revoked_tokens", "failed_logins", "known_origins", "audit_events", "logins"}
    assert stored <= set(Base.metadata.tables)
    assert [name for name in sorted(stored) if f"`{name}" not in document()] == []


def test_every_setting_that_is_named_exists() -> None:
    named = set(re.findall(r"LATCHKEY_[A-Z_]+[A-Z]", document()))
    assert named <= {"LATCHKEY_" + name.upper() for name in Settings.model_fields}


def test_the_readme_leads_there() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "(docs/security.md)" in readme
    assert "(SECURITY.md)" in readme
    assert "(docs/security.md)" in (ROOT / "SECURITY.md").read_text()
