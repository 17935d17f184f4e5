"""Pages for people: HTML without inline scripts or styles, and nothing from another host."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

HERE = Path(__file__).parent

templates = Environment(
    loader=PackageLoader("app.pages"), autoescape=True, undefined=StrictUndefined
)
"""Escapes whatever is put into a page."""

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
}
