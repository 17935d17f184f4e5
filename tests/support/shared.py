"""Applications as good as new: their routes are built once, everything that they hold anew."""

from collections import OrderedDict
from dataclasses import replace

import pytest
from fastapi import FastAPI

from app.clock import Clock
from app.feature import Feature
from app.features import load_features
from app.main import create_app
from app.server import Server
from app.settings import Settings
from tests.support.clock import TestClock

KEPT = 12
"""Applications that are kept, those that were used last."""


class Shared:
    """What tests have in common: routes, which take longer than most tests.

    Every test gets another database, another :class:`~app.server.Server` in all but its address,
    and a clock that was not moved yet. A module that adds routes has a ``Shared`` of its own.
    """

    def __init__(self) -> None:
        self._clock = TestClock()
        self._apps: OrderedDict[tuple[str, Clock], FastAPI] = OrderedDict()

    def fresh_clock(self) -> TestClock:
        TestClock.__init__(self._clock)
        return self._clock

    def fresh_app(self, settings: Settings, clock: Clock) -> FastAPI:
        """An application with these settings; that of an earlier test if only its database differs.

        Routes and middleware know the one object that :func:`create_app` made, so that object is
        made anew in its place.
        """
        key = settings.model_dump_json(exclude={"database_url"}), clock
        app = self._apps.get(key)
        if app is None:
            app = self._apps[key] = create_app(settings, clock, quiet_features())
            if len(self._apps) > KEPT:
                self._apps.popitem(last=False)
            return app
        self._apps.move_to_end(key)
        server: Server = app.state.server
        kept = server.features
        vars(server).clear()
        Server.__init__(server, settings, clock, kept)
        return app


def quiet_features() -> list[Feature]:
    """All features, of which nothing goes on beside the requests.

    It would happen now and then, between two lines of a test that has moved its clock.
    """
    return [replace(feature, background=None) for feature in load_features()]


@pytest.fixture(scope="module", name="_shared")
def of_this_module_alone() -> Shared:
    """Import it where a module adds routes, or compares what others may have made."""
    return Shared()
