"""Which days are due, and running them: one date at a time, in order, for every tenant of the shard."""

import logging
from collections.abc import Callable, Iterator
from datetime import date, datetime
from uuid import UUID

from ledger.errors import LedgerError
from ledger.tenant import Settings
from ledger.time_zones import business_date, instant_of
from schedulers.business_day import DayResult, next_day, run_day
from schedulers.business_day_steps import EARLIEST
from schedulers.ports import ClockStore, ClockTaken, Fenced, Lease, Run

log = logging.getLogger("duebook.clock")


def due_days(settings: Settings, last_closed: date | None, now: datetime) -> list[date]:
    """The tenant's days that are due at `now` and not closed, oldest first."""
    day = next_day(last_closed, settings.clock_starts_on)
    today = business_date(now, settings.timezone)
    days: list[date] = []
    while day <= today and now >= instant_of(day, EARLIEST["overdue"], settings.timezone):
        days.append(day)
        day = date.fromordinal(day.toordinal() + 1)
    return days


def catch_up(
    store: ClockStore,
    tenant_id: UUID,
    lease: Lease,
    through: date,
    *,
    actor: str = "clock",
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[DayResult]:
    """Runs every day of a tenant that is not closed, up to and including `through`."""
    settings = store.settings(tenant_id)
    day = next_day(store.last_closed(tenant_id), settings.clock_starts_on)
    while day <= through and not stopped():
        yield run_day(store, Run(tenant_id, day, lease, actor))
        day = date.fromordinal(day.toordinal() + 1)


def tick(
    store: ClockStore, holder: str, now: datetime, stopped: Callable[[], bool] = lambda: False
) -> int:
    """Runs every due day of every tenant; returns how many. Nothing when another runner has the clock.

    One tenant's failure is logged and does not keep the others waiting; its day is tried again at the next tick.
    """
    due = _due(store, now)
    if not due:
        return 0
    try:
        lease = store.acquire(holder)
    except ClockTaken as taken:
        log.debug("%s", taken)
        return 0
    ran = 0
    try:
        for tenant_id, days in due.items():
            try:
                for result in catch_up(store, tenant_id, lease, days[-1], stopped=stopped):
                    ran += result.ran
            except Fenced:
                raise
            except Exception:
                log.exception("the days of tenant %s failed; they are tried again", tenant_id)
    except Fenced as fenced:
        log.warning("%s", fenced)
        return ran
    store.release(lease)
    return ran


def _due(store: ClockStore, now: datetime) -> dict[UUID, list[date]]:
    """The due days of each tenant that has any. One whose zone this machine does not know is left out, and logged."""
    due: dict[UUID, list[date]] = {}
    for tenant_id, settings, last_closed in store.standing():
        try:
            days = due_days(settings, last_closed, now)
        except LedgerError:
            log.exception("the days of tenant %s cannot be told; its clock stands still", tenant_id)
            continue
        if days:
            due[tenant_id] = days
    return due
