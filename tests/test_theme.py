"""``LATCHKEY_THEME_DIR``: what a folder may hold, and what the server says of one that is wrong."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.database.schema import ROOT
from app.settings import Settings
from app.settings.theme import template_folders
from tests.conftest import make_settings

PNG = b"\x89PNG\r\n\x1a\n and then pixels"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"></svg>'


def settings_with(folder: Path | str) -> Settings:
    """As it is now: what one test makes of a folder is not what it was before."""
    return Settings(_env_file=None, environment="development", theme_dir=str(folder))


def refusal(folder: Path | str) -> str:
    """The one line in which settings are refused."""
    with pytest.raises(ValidationError) as refused:
        settings_with(folder)
    return str(refused.value.errors()[0]["ctx"]["error"]).removeprefix("LATCHKEY_THEME_DIR ")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Puts files into a folder."""

    def files(contents: Mapping[str, bytes | str]) -> Path:
        for name, content in contents.items():
            path = tmp_path / "theme" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / "theme"

    return files


Write = Callable[..., Path]


def test_without_a_theme_the_pages_have_our_icon_and_no_more() -> None:
    look = make_settings().look
    assert (look.values()["icon"], look.values()["logo"]) == ("assets/icon.svg", "")


def test_a_drawing_is_preferred_to_a_picture(write: Write) -> None:
    look = settings_with(write({"logo.svg": SVG, "logo.png": PNG})).look
    assert look.values()["logo"] == f"theme/{look.theme.digest}/logo.svg"


def test_addresses_of_files_change_with_any_of_them(write: Write) -> None:
    before = settings_with(write({"logo.svg": SVG, "theme.css": "a {}"})).look.values()
    after = settings_with(write({"theme.css": "b {}"})).look.values()
    assert before["logo"] != after["logo"]


def test_what_is_no_part_of_a_theme_is_left_alone(write: Write) -> None:
    folder = write({"README.md": "# Ours", ".git/config": "[core]", "logo.svg": SVG})
    assert set(settings_with(folder).look.theme.files) == {"logo.svg"}


def test_a_theme_that_an_orchestrator_mounts_by_links_inside_it_is_read(write: Write) -> None:
    folder = write({"..2026/logo.svg": SVG})
    (folder / "..data").symlink_to("..2026")
    (folder / "logo.svg").symlink_to("..data/logo.svg")
    assert settings_with(folder).look.theme.files == {"logo.svg": SVG}


# What is wrong with a folder


def test_a_folder_that_is_not_there_is_refused_without_its_path(tmp_path: Path) -> None:
    line = refusal(tmp_path / "nothing")
    assert line == "is no folder that can be read: No such file or directory"


def test_a_file_is_no_folder(write: Write) -> None:
    line = refusal(write({"logo.svg": SVG}) / "logo.svg")
    assert line == "is no folder that can be read: Not a directory"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_cannot_be_read_is_named(write: Write) -> None:
    folder = write({"logo.svg": SVG})
    (folder / "logo.svg").chmod(0)
    assert refusal(folder) == "has a file that cannot be read: logo.svg: Permission denied"


def test_a_link_to_nothing_is_named(write: Write) -> None:
    folder = write({"theme.css": ""})
    (folder / "logo.svg").symlink_to("nothing.svg")
    assert refusal(folder) == "has a file that cannot be read: logo.svg: No such file or directory"


@pytest.mark.parametrize("name", ["logo.svg", "templates/page.html", "templates/mail"])
def test_a_link_that_leads_out_of_the_folder_is_refused(
    write: Write, tmp_path: Path, name: str
) -> None:
    folder = write({"templates/error.html": ""})
    secret = tmp_path / "secret.html"
    secret.write_bytes(SVG)
    if name == "templates/mail":
        (tmp_path / "letter.html").write_text("")
        (folder / name).symlink_to(tmp_path)
    else:
        (folder / name).symlink_to(secret)
    assert refusal(folder).endswith(" is a link that leads out of it")


def test_a_pipe_is_not_waited_for(write: Write) -> None:
    folder = write({"theme.css": ""})
    os.mkfifo(folder / "logo.svg")
    assert refusal(folder) == "has something else in it than files: logo.svg is no file"


def test_a_logo_may_have_256_kib_and_no_more(write: Write) -> None:
    logo = PNG.ljust(256 * 1024, b".")
    assert settings_with(write({"logo.png": logo})).look.theme.files == {"logo.png": logo}
    assert refusal(write({"logo.png": logo + b"."})) == "has a file of more than 256 KiB: logo.png"


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("logo.png", SVG, "has a file that is no PNG: logo.png"),
        ("logo.svg", b"<p>Harbour</p>", "has a file that is no SVG: logo.svg"),
        ("logo.svg", PNG, "has a file that is not UTF-8: logo.svg"),
        ("theme.css", b"\xff", "has a file that is not UTF-8: theme.css"),
        ("templates/error.html", b"\xff", "has a file that is not UTF-8: templates/error.html"),
    ],
)
def test_a_file_is_what_its_name_says(write: Write, name: str, content: bytes, line: str) -> None:
    folder = write({"templates/error.html": ""})
    (folder / name).write_bytes(content)
    assert refusal(folder) == line


# What is wrong with a template


def test_a_template_that_does_not_compile_is_named_with_its_line(write: Write) -> None:
    line = refusal(write({"templates/error.html": "one\n{% if %}"}))
    assert line == (
        "has a template that does not compile: error.html, line 2: Expected an expression, got "
        "'end of statement block'"
    )


def test_a_template_with_a_filter_that_is_not_there_does_not_compile(write: Write) -> None:
    line = refusal(write({"templates/error.html": "{{ username | shout }}"}))
    assert line == (
        "has a template that does not compile: error.html, line 1: No filter named 'shout'."
    )


def test_a_template_that_is_on_no_page_is_refused(write: Write) -> None:
    line = refusal(write({"templates/log_in.html": ""}))
    assert line.startswith("has a template that no page has: log_in.html ")


def test_a_template_that_builds_on_itself_is_told_the_name_of_ours(write: Write) -> None:
    line = refusal(write({"templates/error.html": '{% extends "error.html" %}'}))
    assert line == "has a template that builds on itself: error.html (ours is latchkey/error.html)"


def test_a_template_needs_the_others_that_it_names(write: Write) -> None:
    folder = write({"templates/error.html": '{% include "_help.html" %}'})
    line = "has a template that needs one more: error.html needs _help.html"
    assert refusal(folder) == line
    assert settings_with(write({"templates/_help.html": "Call us."})).look.theme.templates


def test_our_own_templates_are_a_theme_that_nothing_is_wrong_with(write: Write) -> None:
    ours = {}
    for folder in (ROOT / "app" / each for each in template_folders()):
        for path in folder.rglob("*.html"):
            name = path.relative_to(folder)
            if "templates" not in name.parts:  # which are in a folder of their own
                ours[f"templates/{name}"] = path.read_bytes()
    assert len(settings_with(write(ours)).look.theme.templates) == len(ours) >= 5


# Links


@pytest.mark.parametrize("name", ["terms_url", "privacy_url"])
@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "//www.example.com/terms",
        "/terms",
        "mailto:legal@example.com",
        'https://www.example.com/"><script>',
        "https://user:password@www.example.com/",
        "JaVaScRiPt://www.example.com/%0aalert(1)",
    ],
)
def test_a_link_to_terms_or_privacy_is_a_web_address(name: str, url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        make_settings(**{name: url})
    assert str(refused.value.errors()[0]["ctx"]["error"]) == (
        f"LATCHKEY_{name.upper()} must be the http or https URL of a page, such as "
        "https://www.example.com/terms"
    )
