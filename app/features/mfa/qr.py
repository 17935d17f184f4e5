"""QR codes, drawn here: no other site learns of the secret in one."""

import segno
from markupsafe import Markup

from app.languages.catalogues import translated
from app.message import Message

TITLE = Message("QR code for an authenticator app")


def draw(text: str) -> Markup:
    """An SVG for the inside of a page, dark on light whatever the page's own colours are."""
    drawn = segno.make_qr(text, error="m")
    svg: str = drawn.svg_inline(
        scale=5, dark="#000", light="#fff", title=translated(TITLE), svgclass="qr", lineclass=None
    )
    svg = svg.replace("<svg ", '<svg role="img" ', 1)  # or its title is not read out everywhere
    return Markup(svg)  # noqa: S704 (made of modules alone; segno escapes the title)
