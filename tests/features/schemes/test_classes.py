"""Every class that ``fastapi.security`` exports has a sample."""

import ast
import inspect
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import fastapi.security
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security.base import SecurityBase

from app.features import schemes
from app.features.schemes import dropin

EXPORTED = {
    name: exported
    for name, exported in vars(fastapi.security).items()
    if inspect.isclass(exported) and not name.startswith("_")
}

SCHEMES = {name for name, exported in EXPORTED.items() if issubclass(exported, SecurityBase)}

OTHERS = set(EXPORTED) - SCHEMES

SOURCES = [
    *Path(str(schemes.__file__)).parent.glob("*.py"),
    *Path(str(dropin.__file__)).parent.glob("*.py"),
]


def dependants(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from dependants(each)


def classes_in_use(app: FastAPI) -> set[type]:
    """Of each scheme behind a sample route: its class and those that this one builds on."""
    found: set[type] = set()
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute) and str(context.path).startswith(
            "/schemes/"
        ):
            for each in dependants(context.original_route.dependant):
                if isinstance(each.call, SecurityBase):
                    found |= set(type(each.call).__mro__)
    return found


def imports(source: Path) -> Iterator[ast.ImportFrom]:
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node


def what_samples_are_built_on() -> set[Path]:
    """The samples, and the modules of the application that they import."""
    found = set(SOURCES)
    for source in SOURCES:
        for node in imports(source):
            spec = find_spec(str(node.module))
            if str(node.module).startswith("app.") and spec is not None:
                found.add(Path(str(spec.origin)))
    return found


def names_used_from_fastapi_security() -> set[str]:
    """Names that are imported and also used."""
    found: set[str] = set()
    for source in what_samples_are_built_on():
        imported = {
            alias.name
            for node in imports(source)
            if str(node.module).startswith("fastapi.security")
            for alias in node.names
        }
        tree = ast.parse(source.read_text())
        found |= imported & {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return found


def test_the_classes_are_those_that_the_documents_name() -> None:
    assert set(EXPORTED) == {
        "APIKeyCookie",
        "APIKeyHeader",
        "APIKeyQuery",
        "HTTPAuthorizationCredentials",
        "HTTPBasic",
        "HTTPBasicCredentials",
        "HTTPBearer",
        "HTTPDigest",
        "OAuth2",
        "OAuth2AuthorizationCodeBearer",
        "OAuth2PasswordBearer",
        "OAuth2PasswordRequestForm",
        "OAuth2PasswordRequestFormStrict",
        "OpenIdConnect",
        "SecurityScopes",
    }


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_every_scheme_guards_a_sample_route(app: FastAPI, name: str) -> None:
    assert EXPORTED[name] in classes_in_use(app)


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_every_other_class_is_used_by_a_sample(name: str) -> None:
    assert name in names_used_from_fastapi_security()


def test_every_operation_of_the_samples_is_executed_in_a_browser(app: FastAPI) -> None:
    tests = (Path(__file__).parent / "browser").glob("test_docs*.py")
    text = "\n".join(test.read_text() for test in tests)
    names = {
        str(context.original_route.operation_id).removeprefix("scheme_")
        for context in iter_route_contexts(app.routes)
        if isinstance(context.original_route, APIRoute)
        and str(context.path).startswith("/schemes/")
    }
    assert len(names) > 15
    assert {name for name in names if not re.search(rf"\b(schemes-)?(scheme_)?{name}\b", text)} == (
        set()
    )


def test_every_sample_has_a_test() -> None:
    samples = {
        source.stem
        for source in Path(str(schemes.__file__)).parent.glob("*.py")
        if re.search(r"^(router = |def make_router\b)", source.read_text(), re.MULTILINE)
    }
    assert len(samples) > 10
    tests = {test.stem.removeprefix("test_") for test in Path(__file__).parent.glob("test_*.py")}
    assert samples - tests == set()
