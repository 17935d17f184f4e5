"""The resources of a request, which decide the audience of its tokens: RFC 8707.

A client that is registered for no resource may send what it likes, as before there were any: its
tokens are for ``LATCHKEY_AUDIENCE``. That is this server itself, which any client may name too, by
its issuer. A client that registered itself has nothing here but what is about the user.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.errors import InvalidTargetError
from app.identity.clients import RegisteredClient
from app.identity.resources import Resource, Resources, normal_form
from app.identity.scopes import ABOUT_THE_USER, SPEAK_OF_A_USER
from app.settings import Settings

MAX_RESOURCES = 10


@dataclass(frozen=True)
class Target:
    """What a token is for, and the scopes that are understood there."""

    audience: str | list[str]
    """The ``aud``; one value is no list, as most verifiers have it."""
    scopes: frozenset[str] | None
    """None for any."""

    def narrow(self, scopes: Iterable[str]) -> list[str]:
        """Those of ``scopes`` that are of use in such a token."""
        understood = self.scopes
        if understood is None:
            return list(scopes)
        return [name for name in scopes if name in understood]


@dataclass(frozen=True)
class Targets:
    """What a client's tokens may be for, as of a moment ago."""

    settings: Settings
    known: Mapping[str, Resource]
    """The client's resources by :func:`normal_form`."""
    self_registered: bool
    """Whether the client is one that registered itself."""

    def requested(self, parameter: str) -> list[str]:
        """The resources that a request names, each once; empty if the client has none.

        They are separated by spaces, of which a URI has none. Raises :class:`InvalidTargetError`
        for one that the client is not registered for.
        """
        if not self.known:
            return []
        names = parameter.split()
        if len(names) > MAX_RESOURCES:
            raise InvalidTargetError(told=f"A request can name {MAX_RESOURCES} resources at most.")
        return list(dict.fromkeys(map(self._identifier, names)))

    def _identifier(self, name: str) -> str:
        form = normal_form(name) or ""
        if form in self.known:
            return self.known[form].identifier
        if form == normal_form(self.settings.issuer) or name == self.settings.audience:
            return self.settings.issuer
        raise InvalidTargetError(reason="a resource that the client is not registered for")

    def within(self, requested: Sequence[str], granted: Sequence[str]) -> Sequence[str]:
        """What a request for ``requested`` resources gets of those that were ``granted`` at login.

        Without a request, all of them (section 2.2); a login that named none is for this server.
        Raises :class:`InvalidTargetError` for more: the user was not asked about it.
        """
        if not set(granted or [self.settings.issuer]).issuperset(requested):
            raise InvalidTargetError(told="A requested resource was not granted at login.")
        return requested or granted

    def of(self, resources: Collection[str]) -> Target:
        """What tokens for ``resources`` are for, which this request or an earlier one named.

        Raises :class:`InvalidTargetError` if the client may have them no longer, or not together.
        """
        if self.self_registered and self._are_here(resources):
            # What open resources understand is for those resources, not for the routes of this
            # server that ask for a scope of the same name.
            return Target(self.settings.audience, frozenset(ABOUT_THE_USER))
        if not resources:
            return Target(self.settings.audience, None)
        by_identifier = {each.identifier: each for each in self.known.values()}
        audience: list[str] = []
        understood: set[str] = set()
        anything = False
        for name in resources:
            resource = by_identifier.get(name)
            if resource is None and name != self.settings.issuer:
                raise InvalidTargetError(reason="the client has lost a resource")
            audience.append(self.settings.audience if name == self.settings.issuer else name)
            if resource is None or not resource.scopes:
                anything = True
            else:
                understood |= resource.scopes
        scopes = None if anything else frozenset(understood.union(SPEAK_OF_A_USER))
        return Target(audience[0] if len(audience) == 1 else audience, scopes)

    def _are_here(self, resources: Collection[str]) -> bool:
        """Whether they are this server alone. Raises :class:`InvalidTargetError` if one of many is.

        A token for both would open routes here with the scopes of the other.
        """
        here = [name for name in resources if is_this_server(self.settings, name)]
        if here and len(here) < len(resources):
            raise InvalidTargetError(told="This client gets no token for this server and others.")
        return len(here) == len(resources)


async def find_targets(
    settings: Settings, resources: Resources, client: RegisteredClient
) -> Targets:
    """What the tokens of ``client`` may be for."""
    return Targets(settings, await resources.of_client(client), client.self_registered)


def is_this_server(settings: Settings, identifier: str) -> bool:
    """Whether it is the issuer or the audience of this server, in any spelling."""
    if identifier in (settings.issuer, settings.audience):
        return True
    form = normal_form(identifier)
    return form is not None and form in map(normal_form, (settings.issuer, settings.audience))
