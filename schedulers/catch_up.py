"""Which days are due, and running them: one date at a time, in order, for every tenant of the shard."""

import logging
import time
from collections import deque
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

MAX_HELD_SECONDS = 4.0
GIVEN_UP_SECONDS = 0.3
"""Long enough for who waits for the clock to take it: the API asks four times a second, for five seconds."""


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
    today: date | None = None,
    actor: str = "clock",
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[DayResult]:
    """Runs every day of a tenant that is not closed, up to and including `through`. Customers are contacted on `today`
    alone, the business date in the tenant's zone."""
    settings = store.settings(tenant_id)
    day = next_day(store.last_closed(tenant_id), settings.clock_starts_on)
    while day <= through and not stopped():
        yield run_day(store, Run(tenant_id, day, lease, actor), today=today)
        day = date.fromordinal(day.toordinal() + 1)


def tick(
    store: ClockStore,
    holder: str,
    now: datetime,
    stopped: Callable[[], bool] = lambda: False,
    *,
    require_trusted_clock: Callable[[], None] = lambda: None,
    pause: Callable[[float], object] = time.sleep,
) -> int:
    """Runs every due day of every tenant; returns how many. Nothing when another runner has the clock.

    Tenants take turns, a day each, and now and then the clock is given up for a moment. One tenant's failure is logged
    and keeps no other waiting; its day is tried again at the next tick. Before each day `require_trusted_clock` raises
    what keeps the clock from going on.
    """
    due = _due(store, now)
    if not due:
        return 0
    ran = 0
    lease: Lease | None = None
    try:
        turns = deque((tenant_id, deque(days)) for tenant_id, days in due.items())
        while turns and not stopped():
            require_trusted_clock()
            if lease is None:
                lease, held_since = store.acquire(holder), time.monotonic()
            tenant_id, days = turns.popleft()
            day = days.popleft()
            try:
                ran += _run_due(store, Run(tenant_id, day, lease), now)
            except (Fenced, ClockTaken):
                raise
            except Exception:
                log.exception("the days of tenant %s failed; they are tried again", tenant_id)
            else:
                if days:
                    turns.append((tenant_id, days))
            if turns and time.monotonic() - held_since > MAX_HELD_SECONDS:
                store.release(lease)
                lease = None
                pause(GIVEN_UP_SECONDS)
    except ClockTaken as taken:
        log.debug("%s", taken)
    except Fenced as fenced:
        log.warning("%s", fenced)
        lease = None
    finally:
        if lease is not None:
            store.release(lease)
    return ran


def _run_due(store: ClockStore, run: Run, now: datetime) -> bool:
    """Runs the steps of a day whose local time has come. Whether the day is closed by that."""
    timezone = store.settings(run.tenant_id).timezone
    return run_day(
        store,
        run,
        today=business_date(now, timezone),
        may_begin=lambda step: now >= instant_of(run.day, EARLIEST[step], timezone),
    ).ran


def _due(store: ClockStore, now: datetime) -> dict[UUID, list[date]]:
    """The due days of each tenant that has any. One whose zone this machine does not know is left out, and logged."""
    due: dict[UUID, list[date]] = {}
    for tenant_id, settings, last_closed in store.clock_states():
        try:
            days = due_days(settings, last_closed, now)
        except LedgerError:
            log.exception("the days of tenant %s cannot be told; its clock stands still", tenant_id)
            continue
        if days:
            due[tenant_id] = days
    return due
