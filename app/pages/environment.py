"""The templates of pages and mails: ours, and those of a theme before them.

A theme's template takes the place of ours of the same name, and can build on it: ours are also
found below ``latchkey/``, so that a theme's ``page.html`` may begin with
``{% extends "latchkey/page.html" %}``. All of them run in a sandbox. It lets them read what a page
was given, and nothing that is behind that.

What stands between ``{% trans %}`` and ``{% endtrans %}``, and every
:class:`~app.message.Message` and time, is said in the language of whoever reads the page.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files
from traceback import extract_tb
from typing import Any

from jinja2 import (
    ChoiceLoader,
    DictLoader,
    Environment,
    PackageLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateNotFound,
    pass_context,
)
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from app import NAME, PACKAGE
from app.languages.catalogues import (
    direction,
    filled,
    gettext,
    in_words,
    ngettext,
    told,
    translated,
)
from app.languages.reader import reader
from app.log import get_logger
from app.look import NO_THEME, Look, Theme
from app.pages.devices import describe_device
from app.settings.theme import template_folders

log = get_logger(NAME)

_ASSET = re.compile(r"[a-z-]+\.[a-z]+")

_FEATURE = re.compile(r"[a-z_]*")

FROM_MEMORY = "<template>"
"""What Jinja calls the file of a template that has none, as those of a theme."""


def fill(template: str, look: Look, values: Mapping[str, Any]) -> str:
    """What ``template`` makes of ``values``, in that look.

    Where the theme's fails, ours is shown and the log says so: a theme must lock nobody out.
    """
    given = {**values, **look.values(), "language": reader().language, "direction": direction()}
    if look.theme.templates:
        try:
            return _environment(look.theme).get_template(template).render(given)
        except Exception as error:
            # Its text may repeat what was put into the page.
            log.error(
                "a template of the theme failed, ours was shown",
                template=template,
                kind=type(error).__name__,
                lines=[
                    frame.lineno
                    for frame in extract_tb(error.__traceback__)
                    if frame.filename == FROM_MEMORY
                ],
            )
    return _environment(NO_THEME).get_template(template).render(given)


class _Templates(PackageLoader):
    """Those of a package, and nothing else that is in the same folders."""

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str, Callable[[], bool] | None]:
        if not template.endswith((".html", ".txt")):
            raise TemplateNotFound(template)
        return super().get_source(environment, template)


@cache
def _environment(theme: Theme) -> ImmutableSandboxedEnvironment:
    ours = ChoiceLoader([_Templates(PACKAGE, folder) for folder in template_folders()])
    environment = ImmutableSandboxedEnvironment(
        loader=ChoiceLoader([DictLoader(theme.templates), ours, PrefixLoader({NAME: ours})]),
        autoescape=lambda name: not (name or "").endswith(".txt"),  # whatever is put into a page
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        finalize=told,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.newstyle_gettext = True  # type: ignore[attr-defined]
    environment.globals |= {"_": _said, "gettext": _said, "ngettext": _said_of_a_number}
    environment.globals["asset"] = _asset
    environment.filters["time"] = _time
    environment.filters["translated"] = translated
    environment.filters["device"] = describe_device
    environment.filters["headings"] = _headings
    return environment


@pass_context
def _said(context: Context, sentence: str, /, **values: object) -> str:
    return _filled(context, gettext(sentence), values, sentence)


@pass_context
def _said_of_a_number(
    context: Context, one: str, many: str, number: int, /, **values: object
) -> str:
    english = one if number == 1 else many
    return _filled(context, ngettext(one, many, number), values, english)


def _filled(context: Context, said: str, values: Mapping[str, object], english: str) -> str:
    """A sentence of a catalogue is markup, which its values are not."""
    kind = Markup if context.eval_ctx.autoescape else str
    in_words = {name: told(value) for name, value in values.items()}
    return filled(kind(said).__mod__, in_words, kind(english).__mod__)


@cache
def _asset(name: str, feature: str = "") -> str:
    """The path of a file of the pages, another one for each content: none is older than its page.

    It is in the folder ``static``, of a ``feature`` or of the pages of the core. Raises
    :class:`TemplateNotFound` for a name that would lead elsewhere.
    """
    if not (_ASSET.fullmatch(name) and _FEATURE.fullmatch(feature)):
        raise TemplateNotFound(name)
    package = f"app.features.{feature}" if feature else "app.pages"
    content = (files(package) / "static" / name).read_bytes()
    return f"assets/{name}?{sha256(content).hexdigest()[:8]}"


def _headings(page: Markup) -> Sequence[tuple[str, Markup]]:
    """Anchor and text of each heading of a section, for whoever wants to go there at once."""
    found = re.findall(r'<h2 id="([\w-]+)">(.+?)</h2>', page)
    return [(anchor, Markup(text)) for anchor, text in found]  # noqa: S704 - it is on the page


def _time(at: datetime) -> Markup:
    """A time in UTC, which ``static/times.js`` says in the zone of whoever reads it."""
    element = Markup('<time datetime="{}" title="{}">{}</time>')
    return element.format(at.strftime("%Y-%m-%dT%H:%M:%SZ"), in_words(at), in_words(at))
