"""``docs/conformance.md`` is up to date and says something of each clause."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from scripts.conformance import (
    DOCUMENT,
    ROOT,
    ConformanceError,
    Row,
    Specification,
    Verdict,
    read_rows,
    read_specifications,
    read_tests,
    written,
)

CLAUSES = 350
"""There are more than so many."""


@pytest.fixture(scope="module")
def specifications() -> Mapping[str, Specification]:
    return read_specifications(ROOT)


@pytest.fixture(scope="module")
def rows(specifications: Mapping[str, Specification]) -> Sequence[Row]:
    return read_rows(ROOT, specifications)


def test_the_document_is_what_the_command_writes() -> None:
    assert (ROOT / DOCUMENT).read_text() == written(ROOT), "run: make conformance"


def test_each_clause_has_tests_or_is_not_implemented_or_does_not_apply(
    rows: Sequence[Row],
) -> None:
    """One of the three, and not two."""
    assert len(rows) > CLAUSES
    assert [row.id for row in rows if not row.verdict] == []


def test_a_clause_that_only_the_tests_of_features_hold_names_its_feature(
    rows: Sequence[Row],
) -> None:
    """Then nobody has to edit it where the feature is deleted."""
    for row in rows:
        folders = {test.path.removeprefix("tests/features/").split("/")[0] for test in row.tests}
        if all(test.path.startswith("tests/features/") for test in row.tests) and folders:
            assert row.feature in folders, row.id


@pytest.fixture
def fork(tmp_path: Path) -> Path:
    """A checkout with two clauses in one section, one of which goes with a feature."""
    (tmp_path / "tests/conformance").mkdir(parents=True)
    (tmp_path / "tests/conformance/1.yaml").write_text(
        """\
        title: RFC 1
        url: https://example.com/1
        sections:
          "2.3":
            title: Doors
            clauses:
              1: {level: MUST, says: They close.}
              2: {level: MAY, says: They lock., feature: locks}
        """
    )
    return tmp_path


def test_two_clauses_of_one_number_are_an_error(fork: Path) -> None:
    file = fork / "tests/conformance/1.yaml"
    file.write_text(file.read_text().replace("2: {level", "1: {level"))
    with pytest.raises(yaml.YAMLError, match="the key '1' appears twice"):
        read_specifications(fork)


def mark(fork: Path, marker: str, function: str = "test_doors") -> None:
    source = f"import pytest\n\n\n@pytest.mark.rfc({marker})\ndef {function}() -> None: ...\n"
    (fork / "tests/test_doors.py").write_text(source)


def verdicts(fork: Path) -> list[Verdict | None]:
    return [row.verdict for row in read_rows(fork, read_specifications(fork))]


def test_a_marked_test_holds_the_clauses_that_it_names(fork: Path) -> None:
    mark(fork, '"1", "2.3", 1')
    assert verdicts(fork)[0] == "tested"
    assert "[`test_doors`](../tests/test_doors.py)" in written(fork)


@pytest.mark.parametrize(("marker", "verdict"), [("1", None), ("1, 2", "tested")], ids=str)
def test_a_clause_without_its_feature_is_not_implemented(
    fork: Path, marker: str, verdict: Verdict | None
) -> None:
    """Whatever else is tested under its name."""
    mark(fork, f'"1", "2.3", {marker}')
    assert verdicts(fork) == ["tested", "not implemented"]
    assert "There is no feature `locks` here." in written(fork)
    (fork / "app/features/locks").mkdir(parents=True)
    assert verdicts(fork) == ["tested", verdict]


@pytest.mark.parametrize(
    "marker", ['"1", "2.3", 3', '"1", "2.4", 1', '"2", "2.3", 1', '"1", "2.3"'], ids=str
)
def test_a_marker_that_names_no_clause_is_an_error(fork: Path, marker: str) -> None:
    mark(fork, marker)
    with pytest.raises(ConformanceError, match=r"tests/test_doors\.py::test_doors names "):
        read_tests(fork, read_specifications(fork))


def test_a_marker_on_what_is_no_test_is_an_error(fork: Path) -> None:
    mark(fork, '"1", "2.3", 1', "open_doors")
    with pytest.raises(ConformanceError, match="open_doors is marked and is no test"):
        read_tests(fork, read_specifications(fork))
