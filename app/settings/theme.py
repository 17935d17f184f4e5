"""``LATCHKEY_THEME_DIR``: read once, at the start, and judged there.

What is served later is what was read. So no request can name a file that is not there, or reach
one that is elsewhere.
"""

import stat
from collections.abc import Iterator
from pathlib import Path

from app.look import Theme

LARGEST = 256 * 1024
"""Bytes of a file, which everybody loads who logs in."""

SHOWN = (".css", ".svg", ".png", ".ico", ".woff2")
"""What is served of it, by the end of its name. All else beside the templates is left alone."""

TEMPLATES = "templates"

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
    files = {path.name: _read(root, path) for path in _visible(root, "*") if path.suffix in SHOWN}
    for name, content in files.items():
        _check_form(name, content)
    templates = {
        path.relative_to(root / TEMPLATES).as_posix(): _decode(
            path.relative_to(root).as_posix(), _read(root, path)
        )
        for pattern in (f"{TEMPLATES}/*", f"{TEMPLATES}/*/*")
        for path in _visible(root, pattern)
        if path.suffix in (".html", ".txt")
    }
    return Theme(files, templates)


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
