"""What running a day asks of the store, and in which order."""

from datetime import date
from uuid import UUID

import pytest

from ledger.business_day import Tally
from ledger.tenant import Settings
from schedulers import catch_up as catch_up_module
from schedulers import chunks
from schedulers.business_day import (
    BeforeClockStart,
    DayNotCome,
    DayResult,
    EarlierDayOpen,
    require_runnable,
    run_day,
    run_step,
)
from schedulers.catch_up import catch_up, tick
from schedulers.ports import Fenced, Lease, Run
from tests.schedulers.fake import FakeClockStore, names
from tests.schedulers.nights import NOON, STARTS_ON, day

TENANT, OTHER, THIRD = (UUID(int=n) for n in (7, 8, 9))
LEASE = Lease("test", 1)
WHOLE_DAY = ["open", "begin overdue", "commit overdue", "begin mora", "commit mora", "close"]


def settings(starts_on: date = STARTS_ON, zone: str = "Etc/UTC") -> Settings:
    return Settings("BRL", zone, clock_starts_on=starts_on)


@pytest.fixture
def store() -> FakeClockStore:
    return FakeClockStore({TENANT: settings()})


def run(store: FakeClockStore, on: date = STARTS_ON, **options: object) -> DayResult:
    return run_day(store, Run(TENANT, on, LEASE), **options)  # type: ignore[arg-type]


def test_a_day_is_opened_run_step_by_step_and_closed(store: FakeClockStore) -> None:
    store.due = 5
    result = run(store)
    assert store.calls == WHOLE_DAY
    assert result == DayResult(STARTS_ON, True, {"overdue": Tally(5), "mora": Tally(5)})


def test_a_closed_day_is_left_alone(store: FakeClockStore) -> None:
    first = run(store)
    store.calls.clear()
    again = run(store)
    assert store.calls == []
    assert (again.ran, again.steps) == (False, first.steps)


def test_the_points_between_two_transactions_have_names(store: FakeClockStore) -> None:
    points: list[str] = []
    run(store, pause=points.append)
    assert points == [
        "before opening",
        "before overdue",
        "before a chunk of overdue",
        "before mora",
        "before a chunk of mora",
        "before closing",
    ]


class Stopped(Exception):
    pass


@pytest.mark.parametrize("at", range(6))
def test_a_stopped_run_resumes_where_it_was(at: int) -> None:
    store = FakeClockStore({TENANT: settings()}, due=5)
    left = [at]

    def stop(point: str) -> None:
        if left[0] == 0:
            raise Stopped
        left[0] -= 1

    with pytest.raises(Stopped):
        run(store, pause=stop)
    run(store)

    # A step may be begun again; nothing else is asked twice.
    done = [call for call in store.calls if not call.startswith("begin")]
    assert done == [call for call in WHOLE_DAY if not call.startswith("begin")]


def test_a_step_of_many_chunks(store: FakeClockStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, streams in (("FEWEST", 10), ("FIRST", 20), ("MOST", 40)):
        monkeypatch.setattr(chunks, name, streams)
    store.due = 100
    told: list[int] = []
    run(store, progress=lambda step, tally: told.append(tally.looked_at))
    assert told == [20, 40, 70, 100] * 2
    assert store.days[TENANT, STARTS_ON].steps == {"overdue": Tally(100), "mora": Tally(100)}


def test_chunks_shrink_while_commands_wait(
    store: FakeClockStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, streams in (("FEWEST", 10), ("FIRST", 40), ("MOST", 80)):
        monkeypatch.setattr(chunks, name, streams)
    store.due = 170
    store.waits = [1, 1, 1, 1]
    run(store)
    # One chunk is read ahead, so that what is learnt after a commit holds for the one after the next.
    assert store.limits[:6] == [40, 40, 20, 10, 10, 10]


def test_a_stale_chunk_is_decided_again_under_the_lock(store: FakeClockStore) -> None:
    store.due, store.stale = 5, {0}
    run(store)
    assert store.calls[:5] == [
        "open",
        "begin overdue",
        "commit overdue",
        "commit overdue locked",
        "begin mora",
    ]


def test_an_import_closes_its_days_out_of_turn(store: FakeClockStore) -> None:
    run(store, in_turn=False)
    assert store.calls[-1] == "close out of turn"
    assert store.last_closed(TENANT) is None


def test_days_are_caught_up_in_order(store: FakeClockStore) -> None:
    results = list(catch_up(store, TENANT, LEASE, day(3)))
    assert [result.day for result in results] == [day(n) for n in range(4)]
    assert store.calls == WHOLE_DAY * 4
    assert list(catch_up(store, TENANT, LEASE, day(3))) == []
    assert [result.day for result in catch_up(store, TENANT, LEASE, day(4))] == [day(4)]


def test_catching_up_stops_between_two_days(store: FakeClockStore) -> None:
    stops = iter([False, False, True])
    results = list(catch_up(store, TENANT, LEASE, day(9), stopped=lambda: next(stops)))
    assert [result.day for result in results] == [day(0), day(1)]


def test_a_step_is_run_again_from_its_beginning(store: FakeClockStore) -> None:
    run(store)
    store.calls.clear()
    result = run_step(store, Run(TENANT, STARTS_ON, LEASE), "mora", today=STARTS_ON)
    assert store.calls == ["begin mora", "begin mora again", "commit mora"]
    assert (result.ran, result.closed) == (True, True)


def test_which_day_may_be_run(store: FakeClockStore) -> None:
    today = day(5)
    with pytest.raises(DayNotCome, match=f"{day(6)} has not come"):
        require_runnable(store, TENANT, day(6), today)
    with pytest.raises(BeforeClockStart, match=f"starts on {STARTS_ON}"):
        require_runnable(store, TENANT, day(-1), today)
    with pytest.raises(EarlierDayOpen, match=f"{day(0)} has not been closed"):
        require_runnable(store, TENANT, day(1), today)
    require_runnable(store, TENANT, day(0), today)
    store.closed[TENANT] = day(2)
    require_runnable(store, TENANT, day(3), today)
    require_runnable(store, TENANT, day(1), today)
    with pytest.raises(EarlierDayOpen, match=f"{day(3)} has not been closed"):
        require_runnable(store, TENANT, day(4), today)


def test_a_tick_runs_what_is_due_under_one_lease(store: FakeClockStore) -> None:
    store.tenants[OTHER] = settings(day(20), "Pacific/Kiritimati")
    assert tick(store, "here", NOON) == 16
    assert store.calls[0] == "acquire"
    assert store.calls[-1] == "release"
    assert names(store.calls) == WHOLE_DAY * 16
    assert store.closed == {TENANT: day(15)}


def test_a_tick_without_work_takes_no_lease(store: FakeClockStore) -> None:
    store.closed[TENANT] = day(15)
    assert tick(store, "here", NOON) == 0
    assert store.calls == []


def test_a_tick_beside_another_runner_does_nothing(store: FakeClockStore) -> None:
    store.acquire("there")
    assert tick(store, "here", NOON) == 0
    assert names(store.calls) == []
    assert store.holder == "there"


def test_a_tenant_that_fails_leaves_the_others_running(store: FakeClockStore) -> None:
    store.tenants = {OTHER: settings(), TENANT: settings(), THIRD: settings()}
    store.broken = {OTHER}
    assert tick(store, "here", NOON) == 32
    assert store.closed == {TENANT: day(15), THIRD: day(15)}
    store.broken = set()
    assert tick(store, "here", NOON) == 16


def test_tenants_take_turns_a_day_each(store: FakeClockStore) -> None:
    """One that has years to catch up keeps no other waiting for its night."""
    store.tenants = {OTHER: settings(day(-1_000)), TENANT: settings(day(15))}
    ran: list[UUID] = []
    closing = store.close_day

    def close_day(run: Run, *, in_turn: bool) -> None:
        ran.append(run.tenant_id)
        closing(run, in_turn=in_turn)

    store.close_day = close_day  # type: ignore[method-assign]
    assert tick(store, "here", NOON) == 1_016 + 1
    assert ran[:3] == [OTHER, TENANT, OTHER]


def test_a_long_catch_up_gives_the_clock_up_now_and_then(
    store: FakeClockStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up_module, "MAX_HELD_SECONDS", -1.0)
    pauses: list[float] = []
    assert tick(store, "here", NOON, pause=pauses.append) == 16
    assert store.calls.count("acquire") == store.calls.count("release") == 16
    assert len(pauses) == 15


def test_whoever_takes_the_clock_in_a_pause_keeps_it(
    store: FakeClockStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up_module, "MAX_HELD_SECONDS", -1.0)
    assert tick(store, "here", NOON, pause=lambda _: store.acquire("there")) == 1
    assert store.holder == "there"


def test_no_day_is_run_once_the_clock_is_not_trusted(store: FakeClockStore) -> None:
    trusted = [True] * 3

    def require_trusted_clock() -> None:
        if not trusted:
            raise RuntimeError("the clock was set")
        trusted.pop()

    with pytest.raises(RuntimeError, match="was set"):
        tick(store, "here", NOON, require_trusted_clock=require_trusted_clock)
    assert store.closed == {TENANT: day(2)}
    assert store.holder == "", "the clock is forgiven"


def test_a_tenant_in_a_zone_nobody_knows_leaves_the_others_running(store: FakeClockStore) -> None:
    """As on a machine with an older zone database."""
    store.tenants = {OTHER: settings(zone="Mars/Olympus"), TENANT: settings()}
    assert tick(store, "here", NOON) == 16
    assert store.closed == {TENANT: day(15)}


def test_a_fenced_tick_stops_everything(store: FakeClockStore) -> None:
    store.tenants[OTHER] = settings()
    store.fenced_at = "begin mora"
    assert tick(store, "here", NOON) == 0
    assert names(store.calls) == WHOLE_DAY[:4]
    assert "release" not in store.calls, "the lease is another's"


def test_a_fenced_day_is_not_closed(store: FakeClockStore) -> None:
    store.fenced_at = "commit overdue"
    with pytest.raises(Fenced):
        run(store)
    assert store.days[TENANT, STARTS_ON].status == "open"
