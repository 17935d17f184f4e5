"""``LATCHKEY_THEME_DIR``: read once, at the start, and judged there.

What is served later is what was read. So no request can name a file that is not there, or reach
one that is elsewhere.
"""

import stat
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from app import NAME, PACKAGE
from app.look import Theme

LARGEST = 256 * 1024
"""Bytes of a file, which everybody loads who logs in."""

SHOWN = (".css", ".svg", ".png", ".ico", ".woff2")
"""What is served of it, by the end of its name. All else beside the templates is left alone."""

TEMPLATES = "templates"

ENDINGS = (".html", ".txt")

PART = "_"
"""What the name of a template begins with that takes the place of none of ours."""

FILTERS = ("device", "headings", "time", "translated")
"""Those of our templates, beside Jinja's own: see :mod:`app.pages.environment`."""

_PNG = b"\x89PNG\r\n\x1a\n"


class ThemeError(ValueError):
    """What is wrong with a theme, in words that follow the name of the setting."""


def load_theme(folder: str) -> Theme:
    """The theme in ``folder``. Raises :class:`ThemeError`."""
    try:
        root = Path(folder).resolve(strict=True)
        next(root.iterdir(), None)
    except (OSError, RuntimeError) as error:
        raise ThemeError(f"is no folder that can be read: {_reason(error)}") from None
    shown = {path.name: _read(root, path) for path in _visible(root, "*") if path.suffix in SHOWN}
    for name, content in shown.items():
        _check_form(name, content)
    templates = {
        path.relative_to(root / TEMPLATES).as_posix(): _decode(
            path.relative_to(root).as_posix(), _read(root, path)
        )
        for pattern in (f"{TEMPLATES}/*", f"{TEMPLATES}/*/*")
        for path in _visible(root, pattern)
        if path.name.endswith(ENDINGS)
    }
    if templates:
        _judge(templates)
    return Theme(shown, templates)


def _visible(root: Path, pattern: str) -> Iterator[Path]:
    """Without what editors, and orchestrators that mount a folder, keep beside the files."""
    for path in sorted(root.glob(pattern)):
        if not any(part.startswith(".") for part in path.relative_to(root).parts):
            yield path


def _read(root: Path, path: Path) -> bytes:
    name = path.relative_to(root).as_posix()
    try:
        inside = path.resolve().is_relative_to(root)
        if inside and stat.S_ISREG(path.stat().st_mode):
            with path.open("rb") as file:
                content = file.read(LARGEST + 1)
        else:
            reason = "is no file" if inside else "is a link that leads out of it"
            raise ThemeError(f"has something else in it than files: {name} {reason}")
    except (OSError, RuntimeError) as error:
        raise ThemeError(f"has a file that cannot be read: {name}: {_reason(error)}") from None
    if len(content) > LARGEST:
        raise ThemeError(f"has a file of more than {LARGEST // 1024} KiB: {name}")
    return content


def _reason(error: OSError | RuntimeError) -> str | None:
    """RuntimeError is what links bring that lead round in a circle."""
    return error.strerror if isinstance(error, OSError) else "it is a link to itself"


def _check_form(name: str, content: bytes) -> None:
    if name.endswith(".png") and not content.startswith(_PNG):
        raise ThemeError(f"has a file that is no PNG: {name}")
    if name.endswith(".svg") and "<svg" not in _decode(name, content):
        raise ThemeError(f"has a file that is no SVG: {name}")
    if name.endswith(".css"):
        _decode(name, content)


def _decode(name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ThemeError(f"has a file that is not UTF-8: {name}") from None


def _judge(templates: Mapping[str, str]) -> None:
    """Raise :class:`ThemeError` for what else could only fail when a page is shown."""
    # Imported only now: most deployments have no templates.
    from jinja2 import Environment, TemplateSyntaxError
    from jinja2.meta import find_referenced_templates

    environment = Environment(extensions=["jinja2.ext.i18n"])  # noqa: S701 - it fills in nothing
    environment.filters.update(dict.fromkeys(FILTERS, str))
    for name, source in templates.items():
        if not (_is_ours(name) or name.rpartition("/")[2].startswith(PART)):
            raise ThemeError(
                f"has a template that no page has: {name} (one that others include begins with "
                f"{PART})"
            )
        try:
            environment.compile(source, name)
            referenced = find_referenced_templates(environment.parse(source))
        except TemplateSyntaxError as error:
            raise ThemeError(
                f"has a template that does not compile: {name}, line {error.lineno}: "
                f"{error.message}"
            ) from None
        for other in referenced:
            if other == name:
                raise ThemeError(
                    f"has a template that builds on itself: {name} (ours is {NAME}/{name})"
                )
            if not (other is None or other in templates or _is_ours(other)):
                raise ThemeError(f"has a template that needs one more: {name} needs {other}")


def _is_ours(name: str) -> bool:
    """Whether a page or a mail has it, or one of it builds on it as ``latchkey/…``."""
    parts = name.removeprefix(f"{NAME}/").split("/")
    if ".." in parts or not name.endswith(ENDINGS):
        return False
    return any(
        (files(PACKAGE) / folder).joinpath(*parts).is_file() for folder in template_folders()
    )


def template_folders() -> Sequence[str]:
    """Where our templates are, below the package.

    One of a feature bears the name of its folder, unless it is in the folder ``templates`` there:
    then it is called as those of the core are.
    """
    features = files(PACKAGE) / "features"
    of_features = [each.name for each in features.iterdir() if (each / "templates").is_dir()]
    own = [f"features/{name}/templates" for name in sorted(of_features)]
    return ["pages/templates", "features", *own]
