"""The documents are whole: what they link to is there, and what the code has is in them."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.database.schema import ROOT
from app.errors import BearerError, OAuth2Error
from app.features import load_features
from app.settings import IN_A_FILE, PREFIX, SECRETS, Settings
from scripts.documents.links import anchors, links
from scripts.documents.pages import (
    documents,
    is_of_a_deleted_feature,
    navigation,
    references,
    write_pages,
)
from tests.features import of_all_features
from tests.support.every_command import every_command

DOCUMENTS = [*documents()]

REGISTERED = {
    *("invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type"),
    *("invalid_scope", "server_error", "temporarily_unavailable", "invalid_client"),
    *("invalid_grant", "unsupported_grant_type", "invalid_token", "insufficient_scope"),
    *("unsupported_token_type", "interaction_required", "login_required", "invalid_target"),
    *("account_selection_required", "consent_required", "invalid_request_uri"),
    *("invalid_request_object", "request_not_supported", "authorization_pending", "slow_down"),
    *("expired_token", "invalid_redirect_uri", "invalid_client_metadata"),
    *("unmet_authentication_requirements", "insufficient_user_authentication"),
}
"""Error codes that IANA has for OAuth, as far as a server like this one could use them."""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_of_a_document_leads_to_something(name: str) -> None:
    assert list(broken_links(name)) == []


def broken_links(name: str) -> Iterator[str]:
    for link in links((ROOT / name).read_text()):
        if re.match(r"(https?|mailto):", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        if is_of_a_deleted_feature(os.path.relpath(target, ROOT)):
            continue
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor not in anchors(target.read_text())
        ):
            yield link


def test_a_link_to_nothing_is_found() -> None:
    text = "[a](b.md) and [`c`](d.md#e), but not `[f](g.md)`\n```\n[h](i.md)\n```\n"
    assert list(links(text)) == ["b.md", "d.md#e"]
    assert anchors("# `A` b's [c](d)\n## Twice\n## Twice\n```\n# no\n```") == {
        "a-bs-c",
        "twice",
        "twice_1",
    }


def test_every_page_of_the_site_is_in_its_navigation_once() -> None:
    def pages(entry: Any) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        else:
            for inner in entry.values() if isinstance(entry, dict) else entry:
                yield from pages(inner)

    assert sorted(pages(navigation())) == sorted([*documents().values(), *references()])


# What is made from the code


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    write_pages(folder)
    return folder


def test_every_link_of_the_site_stays_in_the_site(pages: Path) -> None:
    missing = [
        f"{page.relative_to(pages)}: {link}"
        for page in pages.rglob("*.md")
        if page.relative_to(pages).parts[0] != "source"
        for link in links(page.read_text())
        if not re.match(r"[a-z]+:|#", link)
        if not (page.parent / link.partition("#")[0]).exists()
    ]
    assert missing == []


def test_the_site_needs_nothing_from_elsewhere() -> None:
    configured = (ROOT / "mkdocs.yml").read_text()
    assert re.findall(r"https?://", configured) == []
    assert "font: false" in configured


def test_the_reference_has_every_setting(pages: Path) -> None:
    text = (pages / "reference/settings.md").read_text()
    headings = re.findall(rf"^## ({PREFIX}\w+)$", text, re.MULTILINE)
    assert sorted(headings) == sorted(PREFIX + name.upper() for name in Settings.model_fields)


def test_the_reference_has_every_command(pages: Path) -> None:
    text = (pages / "reference/command-line.md").read_text()
    missing = [
        words
        for words, _ in every_command()
        if words != "latchkey" and not re.search(rf"^#+ {words}$", text, re.MULTILINE)
    ]
    assert missing == []


def test_the_reference_has_every_operation(pages: Path) -> None:
    text = (pages / "reference/api.md").read_text()
    paths = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]
    operations = {
        f"{method.upper()} {path}" for path, methods in paths.items() for method in methods
    }
    assert set(re.findall(r"^### ([A-Z]+ /.*)$", text, re.MULTILINE)) == operations


def test_a_program_that_reads_finds_every_page(pages: Path) -> None:
    contents = (pages / "llms.txt").read_text()
    assert contents.startswith("# Latchkey\n\n> ")
    listed = re.findall(r"^- \[[^\]]+\]\(([^)]+)\.html\): \S", contents, re.MULTILINE)
    assert sorted(f"{name}.md" for name in listed) == sorted([*documents().values(), *references()])


# What is named


def called() -> Iterator[tuple[str, list[str]]]:
    """The command lines in the documents, each with the document."""
    for name in DOCUMENTS:
        text = (ROOT / name).read_text().replace("\\\n", " ")
        for line in re.findall(
            r"(?:^|`|\| )(?:\.venv/bin/)?latchkey ([a-z][^`#|>\n]*)", text, re.M
        ):
            yield name, line.split()


@of_all_features
def test_every_command_in_the_documents_is_one_and_has_its_options() -> None:
    commands = dict(every_command())
    unknown = []
    for name, words in called():
        known = [
            n for n in range(1, len(words) + 1) if " ".join(["latchkey", *words[:n]]) in commands
        ]
        command = commands[" ".join(["latchkey", *words[: max(known, default=0)]])]
        options = {
            option
            for parameter in getattr(command, "params", ())
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        named = {word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)}
        if not known or named - options - {"--help"}:
            unknown.append((name, " ".join(words)))
    assert unknown == []


def test_every_setting_in_the_documents_is_one() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known |= {PREFIX + name.upper() + IN_A_FILE for name in SECRETS}
    named = {
        (name, setting)
        for name in DOCUMENTS
        if name != "CHANGELOG.md"  # which also names those that were
        for setting in re.findall(rf"{PREFIX}[A-Z_]+[A-Z]", (ROOT / name).read_text())
    }
    assert sorted(pair for pair in named if pair[1] not in known) == []


def test_every_target_of_make_in_the_documents_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for name in DOCUMENTS
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / name).read_text(), re.MULTILINE)
    }
    assert named - targets == set()


# Errors


def codes() -> set[str]:
    """Every error code that the code can answer."""
    load_features()
    found = {kind.error for base in (OAuth2Error, BearerError) for kind in kinds(base)}
    code = "".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    return found | {name for name in re.findall(r'"(\w+)"', code) if name in REGISTERED}


def kinds(base: Any) -> Iterator[Any]:
    for kind in base.__subclasses__():
        if hasattr(kind, "error"):
            yield kind
        yield from kinds(kind)


def test_every_error_code_has_a_section() -> None:
    text = (ROOT / "docs/errors.md").read_text()
    described = set(re.findall(r"^## `(\w+)`$", text, re.MULTILINE))
    assert codes() - described == set()
    assert described - codes() - REGISTERED == set()


def test_every_status_of_a_problem_has_a_row() -> None:
    text = (ROOT / "docs/errors.md").read_text().partition("## Problems")[2]
    described = set(re.findall(r"^\| (\d+) \|", text, re.MULTILINE))
    paths = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]
    answered = {
        status
        for methods in paths.values()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
        if "application/problem+json" in answer.get("content", {})
    }
    assert answered - described == set()
