"""Bringing the database to what a file declares: ``latchkey apply``.

What the file names is brought to what it says, and nothing else is touched. All of it is one
transaction of the operator, so that a file which is refused at its last line changes nothing; and a
rehearsal is the same transaction, which is then rolled back, so that it shows just what would
happen.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from app.errors import InvalidError
from app.features.apply.clients import Clients
from app.features.apply.documents import Once, naming
from app.features.apply.scopes import Scopes
from app.features.apply.secrets import FOLDER, OPEN_SECRETS
from app.features.apply.users import Users
from app.identity.definition import STRICT
from app.management.administration import find_administered, require_administered
from app.management.authority import Actor, operating
from app.management.kinds import Kind, Record
from app.server import Server

Verb = Literal["created", "changed", "deleted"]


@dataclass(frozen=True)
class Change:
    """What became of one thing."""

    kind: str
    name: str
    verb: Verb
    fields: Mapping[str, tuple[Any, Any]]
    """Before and after, by the name of the field; nothing for what was deleted."""


@dataclass(frozen=True)
class _Entry:
    """One thing that the file names."""

    kind: Kind[Any]
    place: str
    name: str
    value: BaseModel


class _Absent(BaseModel):
    """What an entry is that says ``absent: true``, beside the name."""

    model_config = STRICT

    absent: Annotated[Literal[True], Field(description="Delete it, if it is there.")]


class _RehearsalError(Exception):
    """Rolls a transaction back."""


def kinds_of(server: Server) -> Sequence[Kind[Any]]:
    """What a file can declare here, in the order in which it is brought about."""

    def hash_password(password: str, username: str) -> str:
        server.password_rules.check(password, username)
        return server.passwords.hash_now(password)

    return [
        Scopes(server.built_in_scopes, server.scope_holders),
        Users(hash_password, server.at_password_reset),
        Clients(),
        *(kind for feature in server.features for kind in feature.kinds),
    ]


async def apply(
    server: Server,
    document: object,
    *,
    folder: Path,
    rehearse: bool = False,
    open_secrets: bool = False,
) -> Sequence[Change]:
    """Bring the database to what ``document`` says; return what was different.

    Files that it refers to are found from ``folder``. With ``rehearse`` nothing stays, and with
    ``open_secrets`` the document may hold secrets itself. Raises a :class:`~app.errors.Problem`.
    """
    kinds = kinds_of(server)
    declared, absent = _read(kinds, document, {FOLDER: folder, OPEN_SECRETS: open_secrets})
    async with server.database.read() as connection:
        for each in declared:
            with naming(each.place):
                await each.kind.prepare(connection, each.value)
    with suppress(_RehearsalError):
        async with operating(server.database, server.clock) as operator:
            administered = await find_administered(operator.connection)
            changes = [await _bring(operator, each) for each in declared]
            # What refers to something goes before it.
            changes += [await _remove(operator, each) for each in reversed(absent)]
            await require_administered(operator.connection, administered)
            different = [change for change in changes if change is not None]
            if different:
                counts: dict[str, Any] = Counter(change.verb for change in different)
                await operator.record("records.applied", **counts)
            if rehearse:
                raise _RehearsalError
    return different


async def _bring(operator: Actor, entry: _Entry) -> Change | None:
    kind, name = entry.kind, entry.name
    with naming(entry.place):
        before = await kind.find(operator.connection, name)
        bring = kind.create if before is None else kind.change
        await bring(operator, entry.value)
        after = await kind.find(operator.connection, name)
    verb: Verb = "created" if before is None else "changed"
    fields = _difference(before or {}, after or {})
    return Change(kind.noun, name, verb, fields) if before is None or fields else None


async def _remove(operator: Actor, entry: _Entry) -> Change | None:
    with naming(entry.place):
        if await entry.kind.find(operator.connection, entry.name) is None:
            return None
        await entry.kind.delete(operator, entry.name)
    return Change(entry.kind.noun, entry.name, "deleted", {})


def _difference(before: Record, after: Record) -> Mapping[str, tuple[Any, Any]]:
    return {
        name: (before.get(name), value)
        for name, value in after.items()
        if value != before.get(name) and (before or value not in (None, [], False))
    }


def _read(
    kinds: Sequence[Kind[Any]], document: object, context: Mapping[str, Any]
) -> tuple[list[_Entry], list[_Entry]]:
    """What the document declares, and what it says is not to be there."""
    sections = {kind.section: kind for kind in kinds}
    if not isinstance(document, Mapping):
        raise InvalidError(told=f"the document must have sections: {', '.join(sections)}")
    for section in document:
        if section not in sections:
            raise InvalidError(told=f"{section}: this section must be one of {', '.join(sections)}")
    declared: list[_Entry] = []
    absent: list[_Entry] = []
    for section, kind in sections.items():
        seen = Once()
        entries = document.get(section) or []
        if not isinstance(entries, list):
            raise InvalidError(told=f"{section}: this must be a list")
        for index, values in enumerate(entries):
            place = f"{section}.{index}"
            if not isinstance(values, Mapping) or not isinstance(values.get(kind.key), str):
                raise InvalidError(told=f"{place}: this must have a {kind.key}")
            name = values[kind.key]
            place = f"{place} {name!r}"
            with naming(place):
                seen.add(kind.same(name))
                if "absent" in values:
                    rest = {key: value for key, value in values.items() if key != kind.key}
                    absent.append(_Entry(kind, place, name, _valid(_Absent, rest, context)))
                else:
                    declared.append(_Entry(kind, place, name, _valid(kind.model, values, context)))
    return declared, absent


def _valid(
    model: type[BaseModel], values: Mapping[Any, Any], context: Mapping[str, Any]
) -> BaseModel:
    try:
        return model.model_validate(dict(values), context=context)
    except ValidationError as invalid:
        first = invalid.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidError(told=f"{field}: {first['msg']}" if field else first["msg"]) from None
