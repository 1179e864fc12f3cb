"""Commands beside the clock: a payment that lands between a chunk's decision and its commit."""

import threading
from uuid import UUID

import pytest

from adapters.postgres.connection import Database
from adapters.store.clock import PostgresClock
from adapters.store.writer import Request
from commands.payments import ReceivePayment, receive_payment
from ledger import business_day
from ledger.money import Money
from schedulers.ports import StaleChunk
from tests.schedulers.nights import NOON, Nights, day
from tests.store.forcing import assert_log_is_whole, gate, rows, until

pytestmark = pytest.mark.usefixtures("small_chunks")


class Watched(PostgresClock):
    """A clock that counts the chunks that were stale, and lets something happen before each commit."""

    stale = 0

    def commit(self, *arguments: object) -> object:  # type: ignore[override]
        try:
            return super().commit(*arguments)  # type: ignore[arg-type]
        except StaleChunk:
            self.stale += 1
            raise


@pytest.fixture
def clock(nights: Nights, database: Database) -> Watched:
    nights.books.clock = Watched(database.writer)
    return nights.books.clock


@pytest.mark.parametrize("step", ["overdue", "mora"])
def test_a_payment_between_decision_and_commit(
    nights: Nights, clock: Watched, database: Database, step: str
) -> None:
    """The chunk is decided again, under the lock: what was paid off meanwhile gets nothing more."""
    invoices = sorted(nights.invoices(5), key=lambda one: nights.state("invoice", one).due_on)
    paid_off, paid_partly = invoices[0], invoices[1]
    paid = [False]

    def pay(point: str) -> None:
        if point == f"before a chunk of {step}" and not paid[0]:
            paid[0] = True
            nights.pay(paid_off, "1000.00", day(3))
            nights.pay(paid_partly, "50.00", day(3))

    result = nights.run(day(3), pause=pay)

    assert clock.stale >= 1
    assert nights.state("invoice", paid_off).status == "paid"
    for invoice in invoices[1:]:
        state = nights.state("invoice", invoice)
        assert (state.status, state.mora_through) == ("overdue", day(3))
    mora = [event for event in nights.events("invoice.mora_posted.v1") if event.actor == "clock"]
    assert result.steps["mora"].posted == len(mora)
    assert_log_is_whole(database)


def test_a_payment_on_hold_in_its_commit_is_waited_for(
    nights: Nights, clock: Watched, database: Database
) -> None:
    """A payment is in the middle of its COMMIT when the clock reads the snapshot: the chunk queues, and is decided
    anew.
    """
    invoices = nights.invoices(3)
    with gate(database) as held:
        command = ReceivePayment(
            Money("1000.00", "BRL"), invoice_id=invoices[0], received_on=day(3)
        )
        paying = nights.books.writer.submit(
            Request(
                tenant_id=nights.tenant_id,
                actor="delayed",
                handler=lambda unit: receive_payment(unit, command),
                now=NOON,
            )
        )
        until(held.held_up)
        runner = threading.Thread(target=nights.run, args=(day(3),))
        runner.start()
        until(held.queued)
        assert rows(database, "SELECT count(*) FROM events WHERE actor = 'clock'") == [(0,)]
        held.open()
        runner.join(20)
        paying.result(20)

    assert nights.state("invoice", invoices[0]).status == "paid"
    assert nights.state("business_day", _day_stream(nights)).status == "closed"
    assert_log_is_whole(database)


def _day_stream(nights: Nights) -> UUID:
    return business_day.stream_id(nights.tenant_id, day(3))


def test_payments_all_through_the_nights(
    nights: Nights, clock: Watched, database: Database
) -> None:
    """Two threads pay while five nights are caught up: no lost update, and the books balance."""
    invoices = nights.invoices(12)
    stop = threading.Event()
    paid: list[UUID] = []

    def pay(mine: list[UUID]) -> None:
        n = 0
        while not stop.is_set():
            invoice = mine[n % len(mine)]
            nights.pay(invoice, "1.00", day(8))
            paid.append(invoice)
            n += 1

    threads = [threading.Thread(target=pay, args=(invoices[k::2],)) for k in range(2)]
    for thread in threads:
        thread.start()
    for n in range(9):
        nights.run(day(n))
    stop.set()
    for thread in threads:
        thread.join()

    for invoice in invoices:
        state = nights.state("invoice", invoice)
        assert state.paid.total == 100 * paid.count(invoice)
        assert state.charged.total == state.paid.total + state.open.total
        assert state.mora_through == day(8)
    assert_log_is_whole(database)
