"""How a page is made: a template, and a policy that lets nothing else run. And a way elsewhere."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from app.oauth2.redirect_uris import with_parameters
from app.pages.devices import describe_device

_templates = Environment(
    loader=ChoiceLoader([PackageLoader("app.pages"), PackageLoader("app", "features")]),
    autoescape=True,  # whatever is put into a page
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _moment(at: datetime) -> str:
    return at.strftime("%-d %B %Y, %H:%M UTC")


_templates.filters["moment"] = _moment
_templates.filters["device"] = describe_device

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)

POPUP_HEADERS = {"Cross-Origin-Opener-Policy": "unsafe-none"}
"""For the pages of a login in a popup, which must reach its opener; the same on all of them."""


def render(
    template: str,
    service_name: str,
    *,
    status: int = 200,
    form_targets: Sequence[str] = (),
    popup: bool = False,
    **values: Any,
) -> HTMLResponse:
    """The page of ``template`` with ``values`` and the name of the service.

    ``form_targets`` are the schemes of where else a form, or the redirects that answer it, may
    lead: Chromium holds ``form-action`` against every one of them.
    """
    policy = " ".join([POLICY, *form_targets])
    headers = {"Content-Security-Policy": policy, **(POPUP_HEADERS if popup else {})}
    page = _templates.get_template(template).render(values, service_name=service_name)
    return HTMLResponse(page, status, headers)


def redirect(uri: str, parameters: Mapping[str, str], *, in_fragment: bool = False) -> Response:
    """303: whatever the method was, the browser comes with GET, and without the body."""
    target = with_parameters(uri, parameters, in_fragment=in_fragment)
    return RedirectResponse(target, 303, POPUP_HEADERS)
