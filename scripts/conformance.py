"""Write ``docs/conformance.md`` from clauses and their tests: ``make conformance``.

``tests/conformance`` has a file for each specification, in which a clause is one thing that the
specification demands, in our own words. A test says which it holds::

    @pytest.mark.rfc("6749", "5.2", 3)

That is clause 3 of section 5.2 of ``tests/conformance/6749.yaml``. There may be several numbers,
and there may be none for a section that has one clause. The tests are read and not imported, so
that it takes a second.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field

from app.cli.documents import StrictLoader
from scripts.documents.links import anchors

ROOT = Path(__file__).parent.parent

DOCUMENT = "docs/conformance.md"

Level = Literal["MUST", "SHOULD", "MAY"]
"""REQUIRED and SHALL are MUST here, RECOMMENDED is SHOULD, and OPTIONAL is MAY.

A clause says what is the case where it is kept, so that a MUST NOT is a MUST.
"""

Verdict = Literal["tested", "not implemented", "does not apply"]


class ConformanceError(Exception):
    """A clause or a test says something that cannot be."""


class Strict(BaseModel):
    """Nothing that is misspelt."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Clause(Strict):
    """One demand of a specification."""

    level: Level
    says: str
    not_implemented: str = ""
    """Why, where it is not."""
    does_not_apply: str = ""
    """Why, where it does not."""
    feature: str = ""
    """The folder of ``app/features`` with which it goes; that of its section if it is empty."""


class Section(Strict):
    """The clauses of a section by their numbers, which stay when others come and go."""

    title: str
    feature: str = ""
    clauses: Mapping[int, Clause] = Field(min_length=1)


class Specification(Strict):
    """One file."""

    title: str
    url: str
    anchors: bool = False
    """Whether ``#section-5.2`` behind the URL leads to section 5.2."""
    feature: str = ""
    sections: Mapping[str, Section]


@dataclass(frozen=True, order=True)
class Held:
    """A test, by its file below the root and its name there."""

    path: str
    name: str


ClauseId = tuple[str, str, int]
"""The specification, the section, the number of the clause."""


def read_specifications(root: Path) -> dict[str, Specification]:
    """Each by the name of its file, which tests call it by.

    Raises :class:`pydantic.ValidationError`, or :class:`yaml.YAMLError`, also for a number that
    comes twice.
    """
    return {
        file.stem: Specification.model_validate(yaml.load(file.read_text(), StrictLoader))
        for file in sorted((root / "tests/conformance").glob("*.yaml"))
    }


def read_tests(
    root: Path, specifications: Mapping[str, Specification]
) -> dict[ClauseId, list[Held]]:
    """The tests that hold each clause, by file and name.

    Raises :class:`ConformanceError` for a marker that names no clause, or is on no test.
    """
    tests: dict[ClauseId, list[Held]] = defaultdict(list)
    for file in sorted((root / "tests").rglob("test_*.py")):
        text = file.read_text()
        if "mark.rfc" not in text:
            continue
        path = file.relative_to(root).as_posix()
        tree = ast.parse(text)
        marked = 0
        for name, function in functions(tree):
            for marker in filter(is_marker, function.decorator_list):
                if not function.name.startswith("test_"):
                    raise ConformanceError(f"{path}: {name} is marked and is no test")
                marked += 1
                for clause in named_by(marker, specifications, f"{path}::{name}"):
                    tests[clause].append(Held(path, name))
        if marked != sum(map(is_marker, ast.walk(tree))):
            raise ConformanceError(f"{path}: a marker rfc stands at the test itself")
    return {clause: sorted(held) for clause, held in tests.items()}


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Those of a module and of its classes, with their names as pytest writes them."""
    for node in tree.body:
        if isinstance(node, Function):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, Function):
                    yield f"{node.name}::{member.name}", member


def is_marker(node: ast.AST) -> bool:
    """Whether this is ``pytest.mark.rfc(...)``."""
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith("mark.rfc")


def named_by(
    marker: ast.AST, specifications: Mapping[str, Specification], test: str
) -> list[ClauseId]:
    """The clauses that a marker names. Raises :class:`ConformanceError` if one is not there."""
    assert isinstance(marker, ast.Call)
    name, section, *numbers = (ast.literal_eval(argument) for argument in marker.args)
    found = specifications[name].sections.get(section) if name in specifications else None
    if found is None:
        raise ConformanceError(f"{test} names section {section} of {name}, which has no clause")
    if not numbers:
        if len(found.clauses) > 1:
            raise ConformanceError(f"{test} names no clause of section {section} of {name}")
        numbers = list(found.clauses)
    for number in numbers:
        if number not in found.clauses:
            raise ConformanceError(f"{test} names {name}, {section}, {number}, which is no clause")
    return [(name, section, number) for number in numbers]


@dataclass(frozen=True)
class Row:
    """A clause, and what there is to say of it."""

    id: ClauseId
    clause: Clause
    feature: str
    tests: Sequence[Held]
    feature_is_here: bool
    """Also where it goes with none."""

    @property
    def verdict(self) -> Verdict | None:
        """None where there is nothing to say, or more than one thing."""
        verdicts: list[Verdict] = []
        if self.tests and self.feature_is_here:
            verdicts.append("tested")
        if self.clause.not_implemented:
            verdicts.append("not implemented")
        if self.clause.does_not_apply:
            verdicts.append("does not apply")
        if not verdicts and not self.feature_is_here:
            verdicts.append("not implemented")
        return verdicts[0] if len(verdicts) == 1 else None


def read_rows(root: Path, specifications: Mapping[str, Specification]) -> list[Row]:
    """Every clause, in the order of the files. Raises :class:`ConformanceError`."""
    tests = read_tests(root, specifications)
    rows = []
    for name, specification in specifications.items():
        for number, section in specification.sections.items():
            for n, clause in section.clauses.items():
                feature = clause.feature or section.feature or specification.feature
                here = not feature or (root / "app/features" / feature).is_dir()
                clause_id = (name, number, n)
                rows.append(Row(clause_id, clause, feature, tests.get(clause_id, []), here))
    return rows


HEAD = """\
# Conformance

What the specifications demand of this server, clause by clause and in our own words, with the
tests that hold each clause; or that it is not implemented, or why it does not apply. What they
demand of others is here where it has consequences for a server. Each clause says what is the case
where it is kept: a MUST NOT of the specification is a MUST here, as are REQUIRED and SHALL; a
SHOULD NOT and a RECOMMENDED are a SHOULD, and an OPTIONAL is a MAY.

`make conformance` writes this file: the clauses are in [`tests/conformance`](../tests/conformance),
and each test names those that it holds. [CONTRIBUTING](../CONTRIBUTING.md#conformance) says how to
add one.
"""


def render(specifications: Mapping[str, Specification], rows: Sequence[Row]) -> str:
    """The document."""
    of_each: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of_each[row.id[0]].append(row)
    lines = [HEAD, "| specification | clauses | tested | not implemented | does not apply |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    for name, specification in specifications.items():
        (anchor,) = anchors(f"## {specification.title}")
        link = f"[{specification.title}](#{anchor})"
        lines.append(f"| {link} | {counts(of_each[name])} |")
    lines.append(f"| all | {counts(rows)} |")
    for name, specification in specifications.items():
        lines += ["", f"## {specification.title}", "", f"<{specification.url}>", ""]
        lines += ["| clause | level | what it says | held by |", "| --- | --- | --- | --- |"]
        for row in of_each[name]:
            lines.append(table_row(row, specification))
    return "\n".join(lines) + "\n"


def counts(rows: Sequence[Row]) -> str:
    """How many there are, and how many of each verdict."""
    verdicts = [row.verdict for row in rows]
    numbers = [len(rows), *(verdicts.count(verdict) for verdict in get_args(Verdict))]
    return " | ".join(map(str, numbers))


def table_row(row: Row, specification: Specification) -> str:
    """The line of a clause."""
    _, section, number = row.id
    where = f"{section} {specification.sections[section].title}"
    if specification.anchors:
        fragment = "appendix" if section[0].isalpha() else "section"
        where = f"[{where}]({specification.url}#{fragment}-{section})"
    cells = (f"{where}, {number}", row.clause.level, row.clause.says, held_by(row))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def held_by(row: Row) -> str:
    """What the last cell of a clause says."""
    if row.verdict == "tested":
        return "<br>".join(f"[`{test.name}`](../{test.path})" for test in row.tests)
    if row.clause.does_not_apply:
        return f"*does not apply:* {row.clause.does_not_apply}"
    reason = row.clause.not_implemented or f"There is no feature `{row.feature}` here."
    return f"*not implemented:* {reason}"


def written(root: Path) -> str:
    """What the document has to be.

    Raises :class:`pydantic.ValidationError` or :class:`ConformanceError`.
    """
    specifications = read_specifications(root)
    return render(specifications, read_rows(root, specifications))


def main() -> None:
    """Write it."""
    (ROOT / DOCUMENT).write_text(written(ROOT))


if __name__ == "__main__":
    main()
