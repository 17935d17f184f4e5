"""How a page is made: a template, and a policy that lets nothing else run. And a way elsewhere."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any
from urllib.parse import quote, urlencode

from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.languages.reader import SOURCE, read_by, reader
from app.look import Look
from app.pages.environment import fill

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)

POPUP_HEADERS = {"Cross-Origin-Opener-Policy": "unsafe-none"}
"""For the pages of a login in a popup, which must reach its opener; the same on all of them."""


def render(
    template: str,
    look: Look,
    *,
    status: int = 200,
    form_targets: Sequence[str] = (),
    popup: bool = False,
    for_developers: bool = False,
    **values: Any,
) -> HTMLResponse:
    """The page of ``template`` with ``values``, in that look and in the reader's language.

    What is ``for_developers`` is in English, as the documents are.
    ``form_targets`` are the schemes of where else a form, or the redirects that answer it, may
    lead: Chromium holds ``form-action`` against every one of them.
    """
    policy = " ".join([POLICY, *form_targets])
    with read_by(SOURCE) if for_developers else nullcontext():
        headers = {
            "Content-Security-Policy": policy,
            "Content-Language": reader().language,
            "Vary": "Accept-Language",
            **(POPUP_HEADERS if popup else {}),
        }
        return HTMLResponse(fill(template, look, values), status, headers)


def with_parameters(uri: str, parameters: Mapping[str, str], *, in_fragment: bool = False) -> str:
    """``uri`` with ``parameters`` behind those that it has, or in the fragment that it has not.

    A space becomes ``%20``: everything that reads an address understands it, ``+`` only forms.
    """
    if not parameters:
        return uri
    separator = "#" if in_fragment else "&" if "?" in uri else "?"
    return uri + separator + urlencode(parameters, quote_via=quote)


def redirect(uri: str, parameters: Mapping[str, str], *, in_fragment: bool = False) -> Response:
    """303: whatever the method was, the browser comes with GET, and without the body."""
    target = with_parameters(uri, parameters, in_fragment=in_fragment)
    return RedirectResponse(target, 303, POPUP_HEADERS)
