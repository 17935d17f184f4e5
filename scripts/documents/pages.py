"""Every page of the site, from the documents, the code, and the files that the documents link to.

A link to a file of the repository leads to a page that shows it, so that whoever reads the site
offline can follow it.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from scripts.documents.links import relink
from scripts.documents.reference.api import api_page
from scripts.documents.reference.command_line import command_line_page
from scripts.documents.reference.settings import settings_page

ROOT = Path(__file__).parents[2]

AT_THE_ROOT = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "report-a-vulnerability.md",
    "examples/README.md": "examples.md",
}
"""Documents outside ``docs``, with the pages that they become."""

OPENAPI = ROOT / "docs/openapi.json"

LANGUAGES = {
    ".py": "python",
    ".js": "javascript",
    ".json": "json",
    ".yaml": "yaml",
    ".html": "html",
}

_EXTERNAL = re.compile(r"[a-z]+:|#")


def documents() -> Mapping[str, str]:
    """The page of each document of the repository."""
    own = sorted(path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md"))
    return {**AT_THE_ROOT, **{f"docs/{path}": str(path) for path in own}}


def references() -> Mapping[str, str]:
    """The text of each page that is made from the code."""
    return {
        "reference/settings.md": settings_page((ROOT / ".env.example").read_text()),
        "reference/command-line.md": command_line_page(),
        "reference/api.md": api_page(json.loads(OPENAPI.read_text())),
    }


def write_pages(folder: Path) -> None:
    """Write the pages, and what they show, to a folder that is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    shown: set[str] = set()
    for document, page in documents().items():
        text = (ROOT / document).read_text()
        _write(folder / page, relink(text, _Relinker(document, page, shown)))
    for page, text in references().items():
        _write(folder / page, text)
    for path in sorted(shown):
        _write(folder / _source_page(path), _source(path))
    shutil.copy(OPENAPI, folder)
    shutil.copytree(ROOT / "docs/drawings", folder / "drawings")
    shutil.copytree(ROOT / "scripts/documents/assets", folder / "assets")
    _write(folder / "llms.txt", llms_txt())


class _Relinker:
    """What the links of one document become; keeps which files they show."""

    def __init__(self, document: str, page: str, shown: set[str]) -> None:
        self._folder = os.path.dirname(document)
        self._page = page
        self._shown = shown

    def __call__(self, target: str) -> str:
        if _EXTERNAL.match(target):
            return target
        path, mark, anchor = target.partition("#")
        path = os.path.normpath(os.path.join(self._folder, path))
        return self._relative(self._page_of(path)) + mark + anchor

    def _page_of(self, path: str) -> str:
        pages = documents()
        for document in (path, f"{path}/README.md"):
            if document in pages:
                return pages[document]
        if path.startswith("docs/"):
            return path.removeprefix("docs/")
        if is_of_a_deleted_feature(path):
            path = os.path.dirname(_folder_of_a_feature(path))
        self._shown.add(path)
        return _source_page(path)

    def _relative(self, page: str) -> str:
        return os.path.relpath(page, os.path.dirname(self._page) or ".")


def is_of_a_deleted_feature(path: str) -> bool:
    """Whether the path, below the root, is in the folder of a feature that a fork has deleted."""
    folder = _folder_of_a_feature(path)
    return folder != "" and not (ROOT / folder).exists()


def _folder_of_a_feature(path: str) -> str:
    found = re.match(r"(?:app|tests)/features/\w+", path)
    return found[0] if found else ""


def _source_page(path: str) -> str:
    return f"source/{path}.md"


def _source(path: str) -> str:
    """A file as it is, or what is in a folder; the search leaves it out."""
    place = ROOT / path
    if place.is_dir():
        body = "\n".join(f"- `{name}`" for name in sorted(_kept(place)))
    else:
        text = place.read_text()
        fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall(r"`+", text)), 3)
        body = f"{fence}{LANGUAGES.get(place.suffix, 'text')}\n{text.rstrip()}\n{fence}"
    return f"---\nsearch:\n  exclude: true\nhide: [toc]\n---\n\n# `{path}`\n\n{body}\n"


def _kept(folder: Path) -> Iterator[str]:
    for path in folder.iterdir():
        if path.name not in ("__pycache__", "node_modules"):
            yield path.name + "/" * path.is_dir()


def navigation() -> list[Any]:
    """What ``mkdocs.yml`` says."""
    # Its tags name functions of MkDocs; only the navigation is wanted.
    text = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    found: list[Any] = yaml.safe_load(re.split(r"^\S", text, maxsplit=1, flags=re.MULTILINE)[0])
    return found


def llms_txt() -> str:
    """The table of contents for programs that read: https://llmstxt.org."""
    texts = {page: (ROOT / document).read_text() for document, page in documents().items()}
    texts |= references()
    lines = ["# Latchkey", "", f"> {_first_sentence(texts['index.md'])}"]
    for section in navigation():
        ((title, entries),) = section.items()
        if isinstance(entries, str):
            entries = [{title: entries}]
        lines += ["", f"## {title}", ""]
        for entry in entries:
            ((name, page),) = entry.items()
            address = page.removesuffix(".md") + ".html"
            lines.append(f"- [{name}]({address}): {_first_sentence(texts[page])}")
    return "\n".join(lines) + "\n"


def _first_sentence(text: str) -> str:
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    paragraphs = [part for part in prose.split("\n\n") if re.match(r"[A-Z`\[*]", part.lstrip())]
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(paragraphs[0].split()))
    return re.split(r"(?<=\.)\s", plain, maxsplit=1)[0].rstrip(":")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
