"""Credit as of any day is what the journal has on its account, and today what the customers' own events say."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from adapters.wiring import Books
from commands.credit_application import ApplyPayment, apply_payment
from commands.invoices import DraftInvoice, SendInvoice, draft_invoice, send_invoice
from commands.payments import ReceivePayment, receive_payment
from commands.refunds import RequestRefund, request_refund
from commands.reversals import ChargeBackPayment, charge_back_payment
from ledger.event_registry import decode
from ledger.journal.facts import Facts
from ledger.journal.posting import POSTING, entries
from ledger.money import Money
from ledger.tax import Line
from projections.customers.credit import _ACCOUNTS, _BEGINNING, _MOVING, CreditAsOf
from projections.engine.runner import Runner
from projections.reports.dashboard import dashboard
from projections.reports.statement import statement
from tests.ledger.test_event_registry import golden
from tests.projections.history import History
from tests.projections.state import snapshots
from tests.store.asking import Asking

Histories = Callable[[int], History]
ON = date(2024, 3, 31)


def test_it_reads_every_event_that_moves_the_account() -> None:
    facts = Facts("EUR", is_sent=True, net_minor=30_000, tax_minor=3_000, amount_minor=500)
    moving = {
        kind
        for kind in POSTING
        for entry in entries(facts, decode(kind.TAG, golden(kind.TAG)), ON)
        if any(posting.account in _ACCOUNTS for posting in entry.postings)
    }
    assert moving <= {*_BEGINNING, *_MOVING}


NET = """
SELECT currency, -sum(debit_minor - credit_minor) FROM journal_totals
 WHERE tenant_id = %s AND account = 'customer_credit' AND posted_on <= %s
 GROUP BY currency HAVING sum(debit_minor - credit_minor) <> 0
"""


@pytest.mark.parametrize("seed", range(3))
def test_on_every_day_it_is_what_the_journal_says(
    books: Books, history: Histories, runner: Runner, seed: int
) -> None:
    life = history(seed).run(150)
    runner.catch_up()
    with books.reading(life.tenant_id) as connection:
        rows = connection.execute("SELECT DISTINCT effective_on FROM events ORDER BY 1").fetchall()
        for (day,) in rows:
            held = CreditAsOf(connection, life.tenant_id, day)
            net = dict(held.credit())
            for currency, minor in held.shortfall().items():
                net[currency] = net.get(currency, 0) - minor
            said = {
                code: int(minor) for code, minor in connection.execute(NET, (life.tenant_id, day))
            }
            assert {code: minor for code, minor in net.items() if minor} == said, day


@pytest.mark.parametrize("seed", range(3))
def test_today_it_is_what_the_customers_own_events_say(
    books: Books, history: Histories, runner: Runner, seed: int
) -> None:
    life = history(seed + 5).run(120)
    runner.catch_up()
    with books.database.writer.connection() as connection:
        customers = snapshots(connection, "customer")
    with books.reading(life.tenant_id) as connection:
        for customer_id in life.customers:
            held = CreditAsOf(connection, life.tenant_id, life.today, customer_id=customer_id)
            _, customer = customers[life.tenant_id, customer_id]
            credit = {code: minor for code, minor in customer.credit.items() if minor}
            assert (held.credit(), held.shortfall()) == (credit, customer.shortfall)


def test_a_payment_that_was_reversed_left_no_credit_on_the_days_before(
    books: Books, runner: Runner
) -> None:
    """150.00 came on a debt of 100.00; twenty days later its excess paid another debt, and then all was reversed."""
    now = datetime.now(UTC)
    then = now - timedelta(days=20)
    asking = Asking.new_tenant(books, "acme", fees=False)
    customer_id = asking.customer()

    def invoice(amount: str) -> UUID:
        lines = (Line("Service", "1", amount),)
        draft = DraftInvoice(customer_id, asking.today() + timedelta(days=10), lines)
        made = UUID(asking.ask(lambda unit: draft_invoice(unit, draft), now=then)["id"])
        asking.ask(lambda unit: send_invoice(unit, made, SendInvoice()), now=then)
        return made

    first, second = invoice("100.00"), invoice("50.00")
    payment = ReceivePayment(Money("150.00", "BRL"), invoice_id=first)
    paid = UUID(asking.ask(lambda unit: receive_payment(unit, payment), now=then)["id"])
    asking.ask(lambda unit: apply_payment(unit, paid, ApplyPayment(invoice_id=second)))
    runner.catch_up()

    def credit_on(day: date) -> set[str]:
        with books.reading(asking.tenant_id) as connection:
            options = {"today": asking.today(), "now": now}
            told = statement(connection, asking.tenant_id, customer_id, to_on=day, **options)
            shown = dashboard(connection, asking.tenant_id, as_of=day, **options)
        return {one.currencies[0].unapplied_credit for one in (told, shown)}

    between = asking.today() - timedelta(days=5)
    assert (credit_on(between), credit_on(asking.today())) == ({"50.00"}, {"0.00"})
    asking.reverse(paid)
    runner.catch_up()
    assert (credit_on(between), credit_on(asking.today())) == ({"0.00"}, {"0.00"})


def test_credit_that_was_paid_back_before_its_payment_was_reversed_is_a_shortfall(
    books: Books, runner: Runner
) -> None:
    """150.00 came on a debt of 100.00, and 50.00 of it went back; the bank took 120.00 of the payment back."""
    asking = Asking.new_tenant(books, "acme", fees=False)
    customer_id = asking.customer()
    lines = (Line("Service", "1", "100.00"),)
    draft = DraftInvoice(customer_id, asking.today() + timedelta(days=10), lines)
    owed = UUID(asking.ask(lambda unit: draft_invoice(unit, draft))["id"])
    asking.ask(lambda unit: send_invoice(unit, owed, SendInvoice()))
    payment = ReceivePayment(Money("150.00", "BRL"), invoice_id=owed)
    paid = UUID(asking.ask(lambda unit: receive_payment(unit, payment))["id"])
    refund = RequestRefund(customer_id, "asked", None, "BRL")
    asking.ask(lambda unit: request_refund(unit, refund))
    recalled = ChargeBackPayment("recalled", amount=Money("120.00", "BRL"))
    asking.ask(lambda unit: charge_back_payment(unit, paid, recalled))
    runner.catch_up()
    with books.reading(asking.tenant_id) as connection:
        options = {"today": asking.today(), "now": datetime.now(UTC)}
        told = statement(connection, asking.tenant_id, customer_id, **options).currencies[0]
        held = CreditAsOf(connection, asking.tenant_id, asking.today())
    # 50.00 is what it offers to no invoice: that goes first, though it was paid back; then 70.00 of the debt is open.
    assert (told.closing, told.unapplied_credit, told.shortfall) == ("70.00", "0.00", "50.00")
    assert (held.credit(), held.shortfall()) == ({}, {"BRL": 5_000})
