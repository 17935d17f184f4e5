"""What a deployment makes of the pages: name, links, theme. And what it cannot make of them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import httpx2
import pytest

from app.database.schema import ROOT
from app.main import create_app
from app.settings import Settings
from tests.conftest import ISSUER, make_settings
from tests.features import brought
from tests.support.clock import TestClock
from tests.support.on_sqlite import backend as backend

THEME = ROOT / "examples" / "theme"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)

HEADING = "<h1>Running for development</h1>"

NAME = "</title><script>alert(1)</script>"


@pytest.fixture
def changes(tmp_path: Path) -> dict[str, object]:
    return {
        "theme_dir": str(THEME),
        "terms_url": "https://www.example.com/terms?a=1&b=2",
        "privacy_url": "https://www.example.com/privacy",
    }


@pytest.fixture
def settings(database_url: str, changes: dict[str, object]) -> Settings:
    return make_settings(database_url=database_url, **changes)


@asynccontextmanager
async def serving(settings: Settings, **changes: object) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of a server of its own."""
    app = create_app(make_settings(database_url=settings.database_url, **changes), TestClock())
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=ISSUER) as client,
    ):
        yield client


@asynccontextmanager
async def themed(
    settings: Settings, folder: Path, **templates: str
) -> AsyncGenerator[httpx2.AsyncClient]:
    """The same whose theme has ``templates``."""
    (folder / "templates").mkdir()
    for name, source in templates.items():
        (folder / "templates" / f"{name}.html").write_text(source)
    async with serving(settings, theme_dir=str(folder)) as client:
        yield client


# The example theme


async def test_every_page_has_the_logo_the_style_sheet_and_the_links(
    http: httpx2.AsyncClient, settings: Settings
) -> None:
    base = f"theme/{settings.look.theme.digest}"
    for path in ("/", *brought("SHOWN")):
        page = await http.get(path)
        for part in (
            f'<img src="{base}/logo.svg" alt="Latchkey">',
            f'<source srcset="{base}/logo-dark.svg" media="(prefers-color-scheme: dark)">',
            f'<link rel="icon" href="{base}/favicon.svg">',
            f'<link rel="stylesheet" href="{base}/theme.css">',
            '<a href="https://www.example.com/terms?a=1&amp;b=2">Terms</a>',
            '<a href="https://www.example.com/privacy">Privacy</a>',
            "Harbour Coffee Ltd",
        ):
            assert part in page.text, (path, part)
        assert page.headers["content-security-policy"] == POLICY


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("logo.svg", "image/svg+xml"), ("theme.css", "text/css; charset=utf-8")],
)
async def test_the_files_of_a_theme_are_kept_by_browsers_for_as_long_as_they_are_the_same(
    http: httpx2.AsyncClient, settings: Settings, name: str, media_type: str
) -> None:
    known = await http.get(f"/theme/{settings.look.theme.digest}/{name}")
    assert known.content == (THEME / name).read_bytes()
    assert known.headers["content-type"] == media_type
    assert known.headers["cache-control"] == "public, max-age=31536000, immutable"
    outdated = await http.get(f"/theme/0123456789abcdef/{name}")
    assert (outdated.content, outdated.headers["cache-control"]) == (known.content, "no-store")


async def test_a_drawing_that_is_opened_by_itself_runs_nothing(
    http: httpx2.AsyncClient, settings: Settings
) -> None:
    drawing = await http.get(f"/theme/{settings.look.theme.digest}/logo.svg")
    assert drawing.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
    )


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "../templates/page.html",
        "templates/page.html",
        "%2e%2e%2ftemplates%2fpage.html",
        "..%2f..%2f..%2fpyproject.toml",
        "....//logo.svg",
        "/etc/passwd",
        "logo.svg%00.css",
    ],
)
async def test_nothing_else_is_served(
    http: httpx2.AsyncClient, settings: Settings, name: str
) -> None:
    response = await http.get(f"/theme/{settings.look.theme.digest}/{name}")
    assert response.status_code == 404


async def test_our_own_files_are_asked_for_anew_when_they_have_changed(
    http: httpx2.AsyncClient,
) -> None:
    digest = sha256((ROOT / "app/pages/static/page.css").read_bytes()).hexdigest()[:8]
    assert f'href="assets/page.css?{digest}"' in (await http.get("/")).text


# Templates of a theme


async def test_a_template_that_fails_is_replaced_with_ours(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with themed(settings, tmp_path, landing="{{ nothing_of_that_name }}") as http:
        page = await http.get("/")
    assert (page.status_code, HEADING in page.text) == (200, True)


@pytest.mark.parametrize(
    "hostile",
    [
        "{{ settings.secret_key }}",
        "{{ server.settings }}",
        "{{ request.app.state.server }}",
        "{{ config }}",
        "{{ self._TemplateReference__context }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ lipsum.__globals__['os'].environ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ users.__class__ }}",
        "{{ issuer.format.__globals__ }}",
        "{{ '{0.__class__.__mro__}'.format(issuer) }}",
        "{{ users.append('more') }}",
        "{% for each in range(10000000) %}.{% endfor %}",
        '{% include "../../../app/settings/" ~ "model.py" %}',
        '{% include "items/" ~ "__init__.py" %}',
        '{% set itself = "landing.html" %}{% extends itself %}',
        '{{ asset("../../settings/model.py") }}',
    ],
)
async def test_a_template_reaches_nothing_but_what_its_page_was_given(
    settings: Settings, tmp_path: Path, hostile: str
) -> None:
    async with themed(settings, tmp_path, landing="HOSTILE " + hostile) as http:
        page = await http.get("/")
    assert page.status_code == 200
    assert "HOSTILE" not in page.text
    assert HEADING in page.text


async def test_a_template_is_told_no_more_of_the_deployment_than_names_and_addresses(
    settings: Settings,
) -> None:
    assert set(settings.look.values()) == {
        *("service_name", "terms_url", "privacy_url", "root"),
        *("icon", "logo", "dark_logo", "style_sheet"),
    }


async def test_a_script_in_a_template_does_not_change_what_may_run(
    settings: Settings, tmp_path: Path
) -> None:
    script = (
        "{% extends 'latchkey/page.html' %}{% block head %}<script>alert(1)</script>{% endblock %}"
    )
    async with themed(settings, tmp_path, page=script) as http:
        page = await http.get("/")
    assert "<script>alert(1)</script>" in page.text
    assert page.headers["content-security-policy"] == POLICY


# Names


async def test_a_name_is_text_wherever_it_is_shown(settings: Settings) -> None:
    async with serving(settings, service_name=NAME) as http:
        for path in ("/", "/docs", *brought("SHOWN")):
            page = await http.get(path)
            assert "<script>alert" not in page.text, path
            assert "&lt;script&gt;alert(1)" in page.text, path
