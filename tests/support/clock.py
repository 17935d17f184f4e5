"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

from app.clock import Clock


class TestClock(Clock):
    __test__ = False

    def __init__(self) -> None:
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass: for tokens, and for what workers remember."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
