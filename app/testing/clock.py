"""The time at a server of tests."""

from datetime import datetime, timedelta

from app.clock import Clock
from app.database.recent import MAX_AGE


class MovableClock(Clock):
    """The system's clocks, and how far a test has moved them."""

    def __init__(self) -> None:
        """As the system's."""
        self._ahead = timedelta(0)
        self._monotonic_ahead = 0.0

    def now(self) -> datetime:
        """The current time there, aware, in UTC."""
        return super().now() + self._ahead

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never runs backwards."""
        return super().monotonic() + self._monotonic_ahead

    def advance(self, seconds: float) -> None:
        """Let that much time pass at once."""
        if seconds < 0:
            raise ValueError("time passes forwards alone")
        self._ahead += timedelta(seconds=seconds)
        self._monotonic_ahead += seconds

    def age_what_is_kept(self) -> None:
        """Let be read anew what a worker keeps for a moment: see :mod:`app.database.recent`."""
        self._monotonic_ahead += 2 * MAX_AGE

    def reset(self) -> None:
        """Go back to the system's time."""
        self._ahead = timedelta(0)
