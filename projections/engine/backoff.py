"""Trying again: how long to wait after one failure and after many in a row. Every loop that retries asks here."""

from typing import Final

FIRST_SECONDS: Final = 0.05
MAX_SECONDS: Final = 5.0


def pause_seconds(failures: int, max_seconds: float = MAX_SECONDS) -> float:
    """How long to wait after so many failures in a row, from 1: twice as long each time, up to a limit."""
    return min(FIRST_SECONDS * 2.0 ** min(failures - 1, 30), max_seconds)


class Backoff:
    """Counts failures in a row of something that is tried until it succeeds."""

    def __init__(self, max_seconds: float = MAX_SECONDS) -> None:
        self._max_seconds = max_seconds
        self._failures = 0

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    def failed(self) -> float:
        """Counts a failure; the seconds to wait before the next attempt."""
        self._failures += 1
        return pause_seconds(self._failures, self._max_seconds)

    def succeeded(self) -> None:
        self._failures = 0
