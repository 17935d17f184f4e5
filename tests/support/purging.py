"""Purging as tests do it."""

from collections.abc import Mapping

from app.operations.purge import purge
from app.server import Server
from tests.support.clock import TestClock

MARGIN = 24 * 3600


"""Seconds for which what guards against a return is kept after it is over."""


AHEAD = 16 * 60


"""Seconds by which a clock is wrong: more than an access token lives."""


async def purged(server: Server) -> Mapping[str, int]:
    """How many rows of each kind a purge deleted, where there were any."""
    return {kind: count for kind, count in (await purge(server)).items() if count}


async def purged_ahead(server: Server, clock: TestClock) -> Mapping[str, int]:
    """The same by a clock that is wrong, and right again when everything else is asked."""
    clock.advance(AHEAD)
    deleted = await purged(server)
    clock.advance(-AHEAD)
    return deleted
