"""Every route of an application, as the application has it."""

import re
from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

NOBODYS = "00000000-0000-4000-8000-000000000000"


def every_route(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and path of each, with the names of its parameters in braces."""
    for context in iter_route_contexts(app.routes):
        for method in sorted(context.methods or ()):
            yield method, (context.path or "").replace(":path}", "}")


def filled(path: str, value: str = NOBODYS) -> str:
    """``path`` with ``value`` in the place of each parameter."""
    return re.sub(r"{\w+}", value, path)
