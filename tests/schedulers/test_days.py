"""Business days on PostgreSQL: what they post, once, in whose name, however late."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from adapters.wiring import Books
from ledger import business_day
from ledger.business_day import Tally
from ledger.ids import derived_id
from schedulers.business_day import (
    BeforeClockStart,
    DayNotCome,
    EarlierDayOpen,
    require_runnable,
    run_day,
)
from schedulers.catch_up import tick
from schedulers.ports import ClockTaken, Run
from tests.schedulers.nights import STARTS_ON, Nights, day

MORA, FEE, OVERDUE = (
    "invoice.mora_posted.v1",
    "invoice.late_fee_charged.v1",
    "invoice.became_overdue.v1",
)

pytestmark = pytest.mark.usefixtures("small_chunks")


def noon(n: int) -> datetime:
    return datetime(2026, 1, 5, 12, tzinfo=UTC) + timedelta(days=n)


def test_a_day_posts_overdue_fee_and_interest(nights: Nights) -> None:
    invoice = nights.invoice(nights.customer(), "I", "100.00", due_on=day(-1))

    first = nights.run(day(0))
    second = nights.run(day(1))

    assert first.steps == {
        "overdue": Tally(1, 2, 0, {"BRL": 200}),
        "mora": Tally(1, 1, 0, {"BRL": 3}),
    }
    assert second.steps == {"overdue": Tally(), "mora": Tally(1, 1, 0, {"BRL": 4})}
    posted = [
        (event.tag, event.effective_on, event.version)
        for event in nights.events(OVERDUE, FEE, MORA)
    ]
    assert posted == [(OVERDUE, day(0), 3), (FEE, day(0), 4), (MORA, day(0), 5), (MORA, day(1), 6)]
    state = nights.state("invoice", invoice)
    assert (state.status, state.open.late_fee, state.open.mora) == ("overdue", 200, 7)


def test_the_days_stream_tells_what_was_done(nights: Nights) -> None:
    nights.invoices(7)
    result = nights.run(day(3))
    stream = business_day.stream_id(nights.tenant_id, day(3))
    events = [event for event in nights.events() if event.stream_id == stream]

    assert [event.tag.split(".")[1] for event in events] == [
        "opened",
        "step_completed",
        "step_completed",
        "closed",
    ]
    state = nights.state("business_day", stream)
    assert (state.status, state.steps) == ("closed", result.steps)
    assert result.steps["overdue"] == Tally(7, 14, 0, result.steps["overdue"].amounts)


def test_a_day_run_again_does_nothing(nights: Nights) -> None:
    nights.invoices(10)
    first = nights.run(day(0))
    before = nights.count()

    again = nights.run(day(0))

    assert (first.ran, again.ran) == (True, False)
    assert again.steps == first.steps
    assert nights.count() == before


def test_clock_events_say_who_and_why(nights: Nights) -> None:
    nights.invoices(4)
    nights.run(day(2))
    found = [event for event in nights.events() if event.actor == "clock"]

    assert len(found) > 8
    assert {event.correlation_id for event in found} == {f"day-{day(2)}"}
    assert {event.causation_id for event in found} == {None}

    def command(what: str) -> UUID:
        return derived_id(day(2), nights.tenant_id, "clock", what)

    by_tag = {
        tag: {event.command_id for event in found if event.tag == tag}
        for tag in (OVERDUE, FEE, MORA)
    }
    assert by_tag == {
        OVERDUE: {command("overdue")},
        FEE: {command("overdue")},
        MORA: {command("mora")},
    }
    days = {event.command_id for event in found if event.tag.startswith("business_day.")}
    assert days == {command("day")}


def test_the_actor_of_a_manual_run_is_named(nights: Nights) -> None:
    nights.invoices(1)
    clock = nights.books.clock
    run_day(clock, Run(nights.tenant_id, day(0), clock.acquire("cli"), "ana@example.com"))
    assert {event.actor for event in nights.events(OVERDUE, MORA)} == {"ana@example.com"}


def test_missed_nights_are_caught_up_one_by_one(nights: Nights) -> None:
    invoice = nights.invoice(nights.customer(), "I", "3000.00", due_on=day(-1))

    assert tick(nights.books.clock, "here", noon(6)) == 7

    interest = [(event.effective_on, event.event) for event in nights.events(MORA)]
    assert [on for on, _ in interest] == [day(n) for n in range(7)]
    assert all(event.through == on and event.amount_minor == 100 for on, event in interest)  # type: ignore[attr-defined]
    assert len(list(nights.events(FEE))) == 1
    assert nights.state("invoice", invoice).open.mora == 700
    assert nights.books.clock.last_closed(nights.tenant_id) == day(6)
    assert tick(nights.books.clock, "here", noon(6)) == 0


def test_however_late_the_clock_runs_the_result_is_the_same(books: Books) -> None:
    """Every night in time, twice with gaps, or all of it at last: the same events, day by day."""
    runs = [range(9), (0, 3, 8), (8,)]
    found = []
    for n, instants in enumerate(runs):
        nights = Nights.begin(books, f"nights {n}", UUID(int=70 + n))
        nights.invoices(8)
        for instant in instants:
            tick(books.clock, "here", noon(instant))
        numbers = {
            event.stream_id: nights.state("invoice", event.stream_id).number
            for event in nights.events(MORA)
        }
        found.append(
            sorted(
                (numbers[event.stream_id], event.version, event.tag, event.effective_on, event.data)
                for event in nights.events(OVERDUE, FEE, MORA)
            )
        )
    assert found[0] == found[1] == found[2]
    assert len(found[0]) > 8 * 7


def test_a_payment_between_the_nights_gives_the_same_balance_as_after_a_late_clock(
    books: Books,
) -> None:
    """Decision 5: a command first brings its invoice up to date, so results never depend on when the clock ran."""
    balances = []
    for n, before in enumerate((True, False)):
        nights = Nights.begin(books, f"nights {n}", UUID(int=70 + n))
        invoice = nights.invoice(nights.customer(), "I", "1000.00", due_on=day(-1))
        if before:
            tick(books.clock, "here", noon(4))
        nights.pay(invoice, "300.00", day(4))
        tick(books.clock, "here", noon(9))
        state = nights.state("invoice", invoice)
        balances.append((state.open, state.charged, state.mora_through))
    assert balances[0] == balances[1]


def test_interest_at_month_ends(books: Books) -> None:
    nights = Nights.begin(books, starts_on=date(2026, 1, 28), accrual="month_end")
    invoice = nights.invoice(nights.customer(), "I", "3000.00", due_on=date(2026, 1, 20))
    for on in (date(2026, 1, 28) + timedelta(days=n) for n in range(5)):
        nights.run(on)
    posted = [(event.effective_on, event.event.amount_minor) for event in nights.events(MORA)]  # type: ignore[attr-defined]
    assert posted == [(date(2026, 1, 31), 1100)]
    assert nights.state("invoice", invoice).mora_through == date(2026, 1, 31)


def test_two_tenants_in_two_zones(books: Books) -> None:
    east = Nights.begin(books, "east", UUID(int=1), zone="Pacific/Kiritimati")
    west = Nights.begin(books, "west", UUID(int=2), zone="Pacific/Pago_Pago")
    for nights in (east, west):
        nights.invoice(nights.customer(), "I", "3000.00", due_on=day(-2))
    clock = books.clock

    # 05:00 on the first day at Kiritimati is 04:00 on the day before at Pago Pago.
    assert tick(clock, "here", datetime(2026, 1, 4, 14, 59, tzinfo=UTC)) == 0
    assert tick(clock, "here", datetime(2026, 1, 4, 15, 0, tzinfo=UTC)) == 1
    assert (clock.last_closed(east.tenant_id), clock.last_closed(west.tenant_id)) == (day(0), None)
    assert tick(clock, "here", datetime(2026, 1, 5, 15, 59, tzinfo=UTC)) == 1
    assert (clock.last_closed(east.tenant_id), clock.last_closed(west.tenant_id)) == (day(1), None)
    assert tick(clock, "here", datetime(2026, 1, 5, 16, 0, tzinfo=UTC)) == 1
    assert (clock.last_closed(east.tenant_id), clock.last_closed(west.tenant_id)) == (
        day(1),
        day(0),
    )
    assert [event.effective_on for event in west.events(MORA)] == [day(-1), day(0)]


def test_which_day_may_be_run(nights: Nights) -> None:
    clock, tenant = nights.books.clock, nights.tenant_id
    today = day(4)
    with pytest.raises(DayNotCome):
        require_runnable(clock, tenant, day(5), today)
    with pytest.raises(BeforeClockStart):
        require_runnable(clock, tenant, STARTS_ON - timedelta(days=1), today)
    with pytest.raises(EarlierDayOpen):
        require_runnable(clock, tenant, day(1), today)
    require_runnable(clock, tenant, day(0), today)
    nights.run(day(0))
    require_runnable(clock, tenant, day(1), today)


def test_an_imports_days_do_not_count_as_run_in_turn(nights: Nights) -> None:
    nights.invoices(2)
    nights.run(day(0), in_turn=False)
    assert nights.books.clock.last_closed(nights.tenant_id) is None
    assert not nights.run(day(0)).ran


def test_one_runner_at_a_time(nights: Nights) -> None:
    clock = nights.books.clock
    lease = clock.acquire("first")
    with pytest.raises(ClockTaken, match="first has the clock"):
        clock.acquire("second")
    with pytest.raises(ClockTaken):
        clock.acquire("first")
    assert tick(clock, "second", noon(3)) == 0
    clock.release(lease)
    after = clock.acquire("second")
    assert after.fence == lease.fence + 1
    clock.release(lease)  # no longer his to give
    with pytest.raises(ClockTaken, match="second"):
        clock.acquire("first")


def test_a_day_with_nothing_due(nights: Nights) -> None:
    result = nights.run(day(0))
    assert result.steps == {"overdue": Tally(), "mora": Tally()}
    assert nights.books.clock.last_closed(nights.tenant_id) == day(0)


@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_chunks_that_end_with_the_last_stream(nights: Nights, count: int) -> None:
    """Three to a chunk: the last chunk may be partly filled, full, or empty."""
    invoices = nights.invoices(count)
    result = nights.run(day(3))
    assert [tally.looked_at for tally in result.steps.values()] == [count, count]
    posted = Counter(event.stream_id for event in nights.events(MORA))
    # the n-th is late from the n-th day on, and each day has its interest
    assert [posted[invoice_id] for invoice_id in invoices] == [4 - n % 4 for n in range(count)]
