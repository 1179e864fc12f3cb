"""The past by effective dates: a report of a day says what the ledger's own events say of it, and what facts say."""

import contextlib
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from adapters.wiring import Books
from commands.adjustments import ChargeFee, WaiveComponent, charge_fee, waive
from commands.fee_policies import AddFeePolicy, add_fee_policy
from commands.invoices import (
    CloseInvoice,
    DraftInvoice,
    SendInvoice,
    cancel_invoice,
    draft_invoice,
    send_invoice,
)
from commands.payments import ReceivePayment, receive_payment
from commands.reversals import ChargeBackPayment, charge_back_payment
from ledger.event_registry import decode
from ledger.invoice.as_of import before_effect, effective_by
from ledger.invoice.balance import open_on
from ledger.invoice.events import Drafted, Redrafted
from ledger.invoice.evolve import evolve
from ledger.invoice.state import Invoice
from ledger.money import Money
from ledger.tax import Line
from projections.as_of import AsOf
from projections.engine.runner import Runner
from projections.invoices.explanation import NothingToExplain, explain
from projections.invoices.fold import INVOICES, Folded
from projections.reports.aging import aging
from projections.reports.dashboard import dashboard
from projections.reports.statement import statement
from tests.projections.history import FIRST_DAY, History
from tests.projections.state import snapshots
from tests.projections.test_reports import NOW, last_recorded_at

Histories = Callable[[int], History]

EVENTS = """
SELECT stream_id, tag, effective_on, data
  FROM events
 WHERE tenant_id = %s AND tag LIKE 'invoice.%%'
 ORDER BY stream_id, version
"""
COMPONENTS = {
    "principal": "principal",
    "late_fee": "late_fee",
    "mora": "mora",
    "other_fees": "other",
}


def on_day(connection: psycopg.Connection[Any], tenant_id: UUID, day: date) -> dict[UUID, Invoice]:
    """Each invoice that had begun by a day, folded by the ledger from what is effective by then."""
    found: dict[UUID, Invoice] = {}
    begun: set[UUID] = set()
    for stream_id, tag, on, data in connection.execute(EVENTS, (tenant_id,)).fetchall():
        event: Any = decode(tag, bytes(data))
        if isinstance(event, Drafted | Redrafted) or on <= day:
            event = effective_by(event, day)
        else:
            event = before_effect(event)
        if event is not None:
            found[stream_id] = evolve(found.get(stream_id), event, on)
        if on <= day:
            begun.add(stream_id)
    return {one: invoice for one, invoice in found.items() if one in begun}


def by_component(row: Folded, side: str) -> dict[str, int]:
    return {name: getattr(row, f"{side}_{short}_minor") for name, short in COMPONENTS.items()}


@pytest.mark.parametrize("seed", range(4))
def test_each_day_is_what_the_ledger_says_of_it(
    books: Books, history: Histories, seed: int
) -> None:
    """By the ledger's fold of what is effective by then, and where interest is posted daily, by its facts alone."""
    life = history(seed + 300).run(130)
    by_facts = 0
    with books.database.writer.connection() as connection:
        now = {
            stream: state for (_, stream), (_, state) in snapshots(connection, "invoice").items()
        }
        for ordinal in range(FIRST_DAY.toordinal(), life.today.toordinal() + 1, 3):
            day = date.fromordinal(ordinal)
            folded = on_day(connection, life.tenant_id, day)
            rows = {
                UUID(bytes=row.invoice_id): row
                for row in AsOf(connection, INVOICES, life.tenant_id, day)
            }
            assert {one: _of_row(row) for one, row in rows.items()} == {
                one: _of_invoice(invoice) for one, invoice in folded.items()
            }
            for invoice_id, invoice in folded.items():
                terms = now[invoice_id].terms
                if terms is not None and terms.policy.accrual == "daily" and invoice.terms:
                    assert open_on(now[invoice_id], day) == invoice.open, (day, invoice_id)
                    by_facts += invoice.open.total > 0
    assert by_facts > 10


def _of_row(row: Folded) -> tuple[Any, ...]:
    sides = (by_component(row, side) for side in ("charged", "paid", "forgiven"))
    terms = (row.due_on, row.mora_through, row.status)
    return (*sides, row.open_minor, row.written_off_minor, *terms)


def _of_invoice(one: Invoice) -> tuple[Any, ...]:
    sides = (
        {name: getattr(split, name) for name in COMPONENTS}
        for split in (one.charged, one.paid, one.forgiven)
    )
    terms = (one.due_on, one.mora_through, one.status)
    return (*sides, one.open.total, one.written_off.total, *terms)


@pytest.mark.parametrize("seed", range(2))
def test_what_was_told_then_is_told_again_as_it_was_known(
    books: Books, history: Histories, runner: Runner, seed: int
) -> None:
    """Aging, dashboard, statements and explanations of several days, each asked again when more is known."""
    life = history(seed + 400)
    told: list[tuple[date, datetime, list[Any]]] = []
    for _ in range(5):
        life.run(25)
        runner.catch_up()
        at = last_recorded_at(books)
        for day in {life.today, life.today - timedelta(days=life.choose.randint(1, 25))}:
            if day >= FIRST_DAY:
                told.append((day, at, _told(books, life, day, known_at=at)))
    for day, at, then in told:
        assert _told(books, life, day, known_at=at, customers=len(then[2])) == then


def _told(
    books: Books, life: History, day: date, known_at: datetime, customers: int | None = None
) -> list[Any]:
    """What reports of a day say, as known at an instant, of the customers that there were then."""
    axes: dict[str, Any] = {"as_of": day, "known_at": known_at}
    explained: list[Any] = []
    statements: list[Any] = []
    with books.reading(life.tenant_id) as connection:
        options: dict[str, Any] = {"today": life.today, "now": NOW}
        for customer_id in life.customers[:customers]:
            statements.append(
                statement(
                    connection, life.tenant_id, customer_id, to_on=day, known_at=known_at, **options
                )
            )
        for invoice_id in life.invoices:
            with contextlib.suppress(NothingToExplain):
                explained.append(explain(connection, life.tenant_id, invoice_id, **axes, **options))
        ages = aging(connection, life.tenant_id, **axes, **options).currencies
        board = dashboard(connection, life.tenant_id, **axes, **options).currencies
    return [ages, board, statements, explained]


def test_a_debt_that_was_cancelled_later_was_paid_before(books: Books) -> None:
    """107.00 arrived on the 5th day for 100.00. 30.00 were reversed on the 8th, and the 23.00 that were open by that
    were given up on the 10th. Then a fee of the 3rd is recorded. The payment covers it, too, so that 30.00 open on the
    8th, and 7.00 of them are not given up."""
    life = History(books, 1)
    life.ask(lambda unit: add_fee_policy(unit, AddFeePolicy()))
    first = life.today

    def done(handler: Any, *arguments: Any) -> UUID:
        answer = life.ask(lambda unit: handler(unit, *arguments))
        assert answer is not None
        return UUID(answer["id"])

    lines = (Line("Advice", "1", "100.00"),)
    draft = DraftInvoice(life.customers[0], first + timedelta(days=60), lines, "BRL")
    invoice_id = done(draft_invoice, draft)
    done(send_invoice, invoice_id, SendInvoice())
    life.night(5)
    pay = ReceivePayment(Money("107.00", "BRL"), invoice_id=invoice_id)
    payment_id = done(receive_payment, pay)
    life.night(3)
    recalled = ChargeBackPayment("recalled", amount=Money("30.00", "BRL"))
    done(charge_back_payment, payment_id, recalled)
    life.night(2)
    done(cancel_invoice, invoice_id, CloseInvoice("goodwill"))
    life.night(1)

    def status_on(*days: int) -> list[str]:
        found = []
        with books.database.writer.connection() as connection:
            for one in days:
                day = first + timedelta(days=one)
                rows = AsOf(connection, INVOICES, life.tenant_id, day)
                found += [row.status for row in rows if row.invoice_id == invoice_id.bytes]
        return found

    assert status_on(4, 6, 9, 10) == ["sent", "paid", "sent", "cancelled"]
    fee = ChargeFee(Money("7.00", "BRL"), "a letter", first + timedelta(days=3))
    done(charge_fee, invoice_id, fee)
    assert status_on(4, 6, 9, 10) == ["sent", "paid", "sent", "sent"]
    waived = WaiveComponent(
        "principal", "goodwill", Money("7.00", "BRL"), first + timedelta(days=9)
    )
    done(waive, invoice_id, waived)
    assert status_on(4, 6, 9, 10) == ["sent", "paid", "sent", "cancelled"]
