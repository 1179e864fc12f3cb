"""A system clock that is wrong: nothing is written and no day is run until it agrees with the other readings."""

from datetime import UTC, datetime, timedelta

import pytest

from adapters.postgres.connection import Database, owner_connection
from adapters.store.clock_guard import ClockGuard, ClockNotTrusted
from adapters.store.writer import StoreUnavailable
from adapters.wiring import Books
from schedulers.alarm import Alarm
from tests.store.asking import Asking
from tests.store.forcing import rows

DAYS = timedelta(days=60)


class Clock:
    """A clock that can be set, and the counter that cannot."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.counter = 1_000.0

    def pass_time(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.counter += seconds

    def guard(self, database: Database, until: datetime | None = None) -> ClockGuard:
        return ClockGuard(
            database.writer, until, now=lambda: self.at, elapsed_seconds=lambda: self.counter
        )


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC))


def test_a_clock_that_agrees_is_trusted(database: Database, clock: Clock) -> None:
    guard = clock.guard(database)
    guard.require()
    clock.pass_time(200)
    guard.require()


@pytest.mark.parametrize("slip", [DAYS, -DAYS, timedelta(minutes=6)])
def test_a_clock_that_was_set_is_not_until_it_is_set_back(
    database: Database, clock: Clock, slip: timedelta
) -> None:
    guard = clock.guard(database)
    clock.at += slip
    for check in (guard.require_steady, guard.require):
        with pytest.raises(ClockNotTrusted, match="was set from"):
            check()
    clock.at -= slip
    guard.require()


def test_a_long_sleep_is_no_slip(database: Database, clock: Clock) -> None:
    guard = clock.guard(database)
    clock.pass_time(DAYS.total_seconds())
    guard.require_steady()


@pytest.mark.parametrize("slip", [DAYS, -DAYS])
def test_a_process_that_began_in_a_slip_is_told_by_the_database(
    database: Database, clock: Clock, slip: timedelta
) -> None:
    clock.at += slip
    with pytest.raises(ClockNotTrusted, match="the database's"):
        clock.guard(database).require()


def test_a_log_that_is_ahead_is_told_and_may_be_accepted(database: Database, clock: Clock) -> None:
    ahead = datetime.now(UTC) + DAYS
    with owner_connection(database) as owner:
        owner.execute("UPDATE log_head SET recorded_at = %s", (ahead,))
    with pytest.raises(ClockNotTrusted, match="the log's last event is of"):
        clock.guard(database).require()
    clock.guard(database, ahead).require()
    with pytest.raises(ClockNotTrusted):
        clock.guard(database, ahead - timedelta(seconds=1)).require()


def test_nothing_is_recorded_after_a_log_that_is_ahead(asking: Asking, database: Database) -> None:
    asking.customer()
    before = rows(database, "SELECT count(*) FROM events")
    with owner_connection(database) as owner:
        owner.execute("UPDATE log_head SET recorded_at = %s", (datetime.now(UTC) + DAYS,))
    with pytest.raises(StoreUnavailable, match="the log's last event is of"):
        asking.customer()
    assert rows(database, "SELECT count(*) FROM events") == before
    with Books(database, log_ahead_until=datetime.now(UTC) + 2 * DAYS) as accepting:
        Asking(accepting, asking.tenant_id).customer()


def test_no_command_is_run_while_the_clock_is_set(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking.customer()
    guard = asking.books.guard
    monkeypatch.setattr(guard, "_now", lambda: datetime.now(UTC) + DAYS)
    with pytest.raises(StoreUnavailable, match="was set from"):
        asking.customer()
    monkeypatch.undo()
    asking.customer()


def test_the_alarm_runs_no_day_in_a_slip(asking: Asking, database: Database, clock: Clock) -> None:
    guard = clock.guard(database)
    clock.at += DAYS
    alarm = Alarm(
        asking.books.clock, "here", now=lambda: clock.at, require_trusted_clock=guard.require
    )
    alarm.ring()
    assert rows(database, "SELECT count(*) FROM events WHERE tag LIKE 'business_day.%%'") == [(0,)]
    clock.at -= DAYS
    alarm.ring()
    assert rows(database, "SELECT count(*) > 0 FROM events WHERE tag LIKE 'business_day.%%'") == [
        (True,)
    ]
