"""The names of the grants that a client can be registered for (RFC 6749, section 1.3).

The grants themselves are in the layers above, which pass their names down with :func:`offer_grants`
when they are imported: :mod:`app.oauth2.grants` those of the core, and a feature its own. A feature
does so in its ``__init__.py``, and has the noun ``clients`` in its line of
:mod:`app.features`, so that the command line imports it before ``latchkey clients``. A grant with
``goes_with`` is not offered: clients are registered for the one that it goes with.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

_names: dict[str, None] = {}


def offer_grants(names: Iterable[str]) -> None:
    """Let clients be registered for these grants as well; a name is listed once."""
    _names.update(dict.fromkeys(names))


def grant_types() -> Sequence[str]:
    """Every grant that a client can be registered for."""
    return tuple(_names)


def _check(name: str) -> str:
    if name not in _names:
        others, _, last = ", ".join(map(repr, _names)).rpartition(", ")
        raise PydanticCustomError("grant_type", f"Input should be {others} or {last}")
    return name


def _describe(schema: dict[str, Any]) -> None:
    schema["enum"] = list(_names)


GrantType = Annotated[str, AfterValidator(_check), Field(json_schema_extra=_describe)]
"""One of :func:`grant_types`."""
