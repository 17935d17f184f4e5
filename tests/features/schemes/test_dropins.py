"""What can be copied into another project: the drop-ins, and their tests in ``dropin``."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.features.schemes import dropin

MODULES = sorted(Path(str(dropin.__file__)).parent.glob("*.py"))

TESTS = sorted((Path(__file__).parent / "dropin").glob("*.py"))


def imported_from_here(module: Path) -> Iterator[str]:
    """What ``module`` imports of this application and of its tests."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [str(node.module)] if node.level == 0 else []
            assert node.level < 2
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] in ("app", "tests"))


def test_there_are_four_of_them_one_in_two_files() -> None:
    assert [module.name for module in MODULES] == [
        "__init__.py",
        "basic.py",
        "digest.py",
        "issuer_keys.py",
        "openid_connect.py",
        "protected_resource.py",
    ]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_a_drop_in_imports_nothing_of_this_application(module: Path) -> None:
    assert list(imported_from_here(module)) == []


def test_each_drop_in_has_tests_of_its_own() -> None:
    tested = {test.stem.removeprefix("test_") for test in TESTS if test.stem.startswith("test_")}
    assert tested == {module.stem for module in MODULES} - {"__init__", "issuer_keys"}


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.stem)
def test_a_test_of_a_drop_in_imports_nothing_else_of_this_application(test: Path) -> None:
    folder = "app.features.schemes.dropin"
    expected = {f"{folder}.{test.stem.removeprefix('test_')}"} if "test_" in test.stem else set()
    assert set(imported_from_here(test)) - {f"{folder}.issuer_keys"} == expected
