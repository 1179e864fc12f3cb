"""Whether the system clock can be trusted: what it says is charged for and recorded for good.

Three readings are compared with it: the time since the process began, by a counter that nobody sets; the database's
clock; and the time of the log's last event. Where one differs by more than five minutes, nothing is written and no
business day is run until they agree again.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from adapters.postgres.connection import Pool
from adapters.store.requests import StoreUnavailable

TOLERANCE: Final = timedelta(minutes=5)

SELECT_TIMES = """
SELECT clock_timestamp(), (SELECT recorded_at FROM log_head WHERE shard = 1)
"""


class ClockNotTrusted(StoreUnavailable):
    """The system clock differs from another reading of the time. Nothing was written."""


def since_boot() -> float:
    """Seconds that nobody can set, the time of a suspended machine included where the system counts it."""
    counter = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(counter)


class ClockGuard:
    """Compares the system clock with other readings.

    log_ahead_until  up to this instant, the log's last event may lie after now: set after a wrong clock has written
    """

    def __init__(
        self,
        pool: Pool,
        log_ahead_until: datetime | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        elapsed_seconds: Callable[[], float] = since_boot,
    ) -> None:
        self._pool = pool
        self._log_ahead_until = log_ahead_until
        self._now = now
        self._elapsed_seconds = elapsed_seconds
        self._began = now() - timedelta(seconds=elapsed_seconds())

    def require(self) -> None:
        """Compares all three. Raises ClockNotTrusted, and psycopg's errors."""
        self.require_steady()
        with self._pool.connection() as connection:
            row = connection.execute(SELECT_TIMES).fetchone()
        assert row is not None
        database_now, recorded_at = row
        now = self._now()
        if abs(now - database_now) > TOLERANCE:
            raise ClockNotTrusted(
                f"the system clock says {_shown(now)} and the database's {_shown(database_now)}; "
                "set the wrong one right"
            )
        self.require_log_behind(recorded_at)

    def require_steady(self) -> None:
        """The clock has not been set since the process began. Raises ClockNotTrusted."""
        now = self._now()
        expected = self._began + timedelta(seconds=self._elapsed_seconds())
        if abs(now - expected) > TOLERANCE:
            raise ClockNotTrusted(
                f"the system clock was set from {_shown(expected)} to {_shown(now)}; "
                "set it right, or restart Duebook if it is right now"
            )

    def require_log_behind(self, recorded_at: datetime) -> None:
        """The log's last event does not lie after now. Raises ClockNotTrusted."""
        now = self._now()
        if recorded_at - now <= TOLERANCE:
            return
        if self._log_ahead_until is not None and recorded_at <= self._log_ahead_until:
            return
        raise ClockNotTrusted(
            f"the log's last event is of {_shown(recorded_at)}, after the system clock's {_shown(now)}; "
            "set the clock right, or see the how-to on a wrong system clock"
        )


def _shown(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
