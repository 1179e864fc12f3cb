"""The alarm: APScheduler rings once a minute. It decides nothing; what is due is in the log."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from schedulers.catch_up import tick
from schedulers.ports import ClockStore

log = logging.getLogger("duebook.clock")


class Alarm:
    """Rings at every full minute, and at once when it is started. Rings never overlap; missed ones are one.

    `require_trusted_clock` raises what keeps business days from being run.
    """

    def __init__(
        self,
        store: ClockStore,
        holder: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        require_trusted_clock: Callable[[], None] = lambda: None,
    ) -> None:
        self._require_trusted_clock = require_trusted_clock
        self._store = store
        self._holder = holder
        self._now = now
        self._stopping = threading.Event()
        self._scheduler = BackgroundScheduler(timezone=UTC)
        self._scheduler.add_job(
            self.ring,
            CronTrigger(second=0, timezone=UTC),
            next_run_time=datetime.now(UTC),
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        """Stops after the day that is running. Does nothing when it was not started."""
        self._stopping.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def ring(self) -> None:
        """Runs what is due. A failure is logged; the next minute tries again."""
        try:
            tick(
                self._store,
                self._holder,
                self._now(),
                self._stopping.is_set,
                require_trusted_clock=self._require_trusted_clock,
                pause=self._stopping.wait,
            )
        except Exception:
            log.exception("the clock failed; it rings again in a minute")
