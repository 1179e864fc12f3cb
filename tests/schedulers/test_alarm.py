"""The alarm: APScheduler rings at once and every minute, survives what fails, and stops gracefully."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from adapters.store.clock import PostgresClock
from ledger.tenant import Settings
from schedulers import alarm as alarm_module
from schedulers.alarm import Alarm
from schedulers.ports import Run
from tests.schedulers.fake import FakeClockStore
from tests.schedulers.nights import TENANT, Nights, day
from tests.store.forcing import rows, until

NOW = datetime(2026, 1, 8, 12, tzinfo=UTC)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute of 50 ms."""

    class Often(alarm_module.CronTrigger):
        def get_next_fire_time(self, previous: object, now: datetime) -> datetime:
            return now + timedelta(milliseconds=50)

    monkeypatch.setattr(alarm_module, "CronTrigger", Often)


@pytest.fixture
def store() -> FakeClockStore:
    return FakeClockStore({TENANT: Settings("BRL", "Etc/UTC", clock_starts_on=day(0))})


def test_it_rings_when_it_is_started_and_runs_what_is_due(nights: Nights) -> None:
    nights.invoices(3)
    alarm = Alarm(nights.books.clock, "here", now=lambda: NOW)
    alarm.start()
    until(lambda: nights.books.clock.last_closed(TENANT) == day(3))
    alarm.stop()
    assert len(list(nights.events("business_day.closed.v1"))) == 4
    # The lease was given back.
    nights.books.clock.acquire("another")


@pytest.mark.usefixtures("often")
def test_it_rings_again_and_again(store: FakeClockStore) -> None:
    now = [NOW]
    alarm = Alarm(store, "here", now=lambda: now[0])
    alarm.start()
    until(lambda: store.closed.get(TENANT) == day(3))
    now[0] = datetime(2026, 1, 9, 12, tzinfo=UTC)
    until(lambda: store.closed.get(TENANT) == day(4))
    alarm.stop()


@pytest.mark.usefixtures("often")
def test_a_failure_does_not_silence_it(store: FakeClockStore) -> None:
    states, failures = store.clock_states, [3]

    def failing() -> list[tuple[UUID, Settings, date | None]]:
        if failures[0]:
            failures[0] -= 1
            raise RuntimeError("the database is away")
        return states()

    store.clock_states = failing  # type: ignore[method-assign]
    alarm = Alarm(store, "here", now=lambda: NOW)
    alarm.start()
    until(lambda: store.closed.get(TENANT) == day(3))
    alarm.stop()
    assert failures == [0]


class Slow(FakeClockStore):
    """Each day takes until the test lets it go on."""

    def __init__(self, settings: Settings) -> None:
        super().__init__({TENANT: settings})
        self.entered, self.go_on = threading.Semaphore(0), threading.Semaphore(0)
        self.inside = self.most_inside = 0

    def open_day(self, run: Run) -> None:
        self.inside += 1
        self.most_inside = max(self.inside, self.most_inside)
        self.entered.release()
        assert self.go_on.acquire(timeout=10)
        super().open_day(run)
        self.inside -= 1


@pytest.fixture
def slow() -> Iterator[Slow]:
    store = Slow(Settings("BRL", "Etc/UTC", clock_starts_on=day(0)))
    yield store
    store.go_on.release(100)


@pytest.mark.usefixtures("often")
def test_rings_never_overlap(slow: Slow) -> None:
    alarm = Alarm(slow, "here", now=lambda: NOW)
    alarm.start()
    assert slow.entered.acquire(timeout=10)
    time.sleep(0.3)  # several minutes of this alarm
    assert slow.most_inside == 1
    slow.go_on.release(100)
    until(lambda: slow.closed.get(TENANT) == day(3))
    alarm.stop()
    assert slow.most_inside == 1


def test_it_stops_after_the_day_that_is_running(slow: Slow) -> None:
    alarm = Alarm(slow, "here", now=lambda: NOW)
    alarm.start()
    assert slow.entered.acquire(timeout=10)
    stopping = threading.Thread(target=alarm.stop)
    stopping.start()
    time.sleep(0.1)
    assert stopping.is_alive(), "it waits for the day"
    slow.go_on.release()
    stopping.join(10)
    assert not stopping.is_alive()
    assert slow.closed == {TENANT: day(0)}, "a whole day, and none after it"
    assert slow.holder == "", "the lease is given back"


def test_it_can_be_stopped_before_it_was_started(store: FakeClockStore) -> None:
    Alarm(store, "here").stop()
    assert store.calls == []


def test_a_standby_takes_over_when_the_lease_runs_out(nights: Nights) -> None:
    """Two alarms on one shard: the second waits for the first one's lease, not for its goodbye."""
    nights.invoices(3)
    clock = nights.books.clock
    lost = clock.acquire("killed")
    alarm = Alarm(PostgresClock(nights.books.database.writer), "standby", now=lambda: NOW)
    alarm.ring()
    assert clock.last_closed(TENANT) is None
    with nights.books.database.writer.connection() as connection:
        connection.execute("UPDATE leases SET expires_at = '2000-01-01'")
    alarm.ring()
    assert clock.last_closed(TENANT) == day(3)
    assert rows(nights.books.database, "SELECT holder, fence FROM leases") == [
        ("standby", lost.fence + 1)
    ]
