"""Reports: today's from the sums and any day's from the log agree, and the past is told as it was known then."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from adapters.store import snapshots
from adapters.wiring import Books
from commands.adjustments import (
    ChargeFee,
    CreditInvoice,
    WaiveComponent,
    WriteOffInvoice,
    charge_fee,
    credit_invoice,
    waive,
    write_off,
)
from commands.holds import DisputeInvoice, ResolveDispute, dispute_invoice, resolve_dispute
from commands.invoices import (
    DraftInvoice,
    SendInvoice,
    draft_invoice,
    send_invoice,
)
from commands.payments import ReceivePayment, receive_payment
from commands.tenants import ConfigureTenant, configure_tenant
from ledger.invoice.state import Invoice
from ledger.money import Money, parse_minor
from ledger.tax import Line
from projections.engine.runner import Runner
from projections.invoices.explanation import Explanation, NothingToExplain, explain
from projections.reports.aging import BUCKETS, Aging, aging, bucket_of
from projections.reports.dashboard import Dashboard, dashboard
from projections.reports.statement import Statement, statement
from tests.projections.conftest import tampering
from tests.projections.history import POLICIES, History

Histories = Callable[[int], History]
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def aged(books: Books, life: History, **axes: Any) -> Aging:
    with books.reading(life.tenant_id) as connection:
        return aging(connection, life.tenant_id, today=life.today, now=NOW, **axes)


def boarded(books: Books, life: History, **axes: Any) -> Dashboard:
    with books.reading(life.tenant_id) as connection:
        return dashboard(connection, life.tenant_id, today=life.today, now=NOW, **axes)


def stated(books: Books, life: History, at: int, **axes: Any) -> Statement:
    with books.reading(life.tenant_id) as connection:
        customer_id = life.customers[at]
        return statement(connection, life.tenant_id, customer_id, today=life.today, now=NOW, **axes)


def explained(books: Books, life: History, at: int, **axes: Any) -> Explanation:
    with books.reading(life.tenant_id) as connection:
        invoice_id = life.invoices[at]
        return explain(connection, life.tenant_id, invoice_id, today=life.today, now=NOW, **axes)


def last_recorded_at(books: Books) -> datetime:
    with books.database.writer.connection() as connection:
        row = connection.execute("SELECT recorded_at FROM log_head").fetchone()
    assert row is not None
    found: datetime = row[0]
    return found


@pytest.mark.parametrize("seed", range(2))
def test_the_sums_of_today_are_what_the_log_says(
    books: Books, history: Histories, runner: Runner, seed: int
) -> None:
    life = history(seed)
    history(seed + 50).run(20)
    for _ in range(6):
        life.run(12)
        runner.catch_up()
        known_at = last_recorded_at(books)
        current, folded = aged(books, life), aged(books, life, known_at=known_at)
        assert current.currencies == folded.currencies
        board, board_folded = boarded(books, life), boarded(books, life, known_at=known_at)
        assert board.currencies == board_folded.currencies
    assert current.currencies
    assert {one.count for one in current.currencies[0].buckets} != {0}


@pytest.mark.parametrize("seed", range(2))
def test_the_past_is_told_as_it_was_known_then(
    books: Books, history: Histories, runner: Runner, seed: int
) -> None:
    life = history(seed)
    told: list[tuple[date, datetime, Aging, Dashboard]] = []
    for _ in range(8):
        life.run(9)
        runner.catch_up()
        at = last_recorded_at(books)
        told.append((life.today, at, aged(books, life), boarded(books, life)))
    for day, known_at, then, board in told:
        again = aged(books, life, as_of=day, known_at=known_at)
        assert (again.as_of, again.known_at) == (day, known_at)
        assert again.currencies == then.currencies
        board_again = boarded(books, life, as_of=day, known_at=known_at)
        assert board_again.currencies == board.currencies


def test_what_became_known_later_changes_what_was_owed_then_only_for_those_who_know(
    books: Books, history: Histories
) -> None:
    life = history(1)
    day = life.today
    life.night(5)
    before = last_recorded_at(books)
    assert life.ask(_paying(life, day)) is not None
    known = aged(books, life, as_of=day)
    unknown = aged(books, life, as_of=day, known_at=before)
    assert _total(known) == _total(unknown) - 1


def _paying(life: History, day: date) -> Any:
    """One minor unit for an invoice, of an earlier value date."""
    currency = life.currencies[life.invoices[0]]
    command = ReceivePayment(Money.of(1, currency), invoice_id=life.invoices[0], received_on=day)
    return lambda unit: receive_payment(unit, command)


def _total(found: Aging) -> int:
    return sum(
        parse_minor(one.total.amount, one.currency) if one.total.count else 0
        for one in found.currencies
    )


def test_buckets_are_days_past_the_due_date_as_written() -> None:
    day = date(2024, 6, 30)
    days = {0: 0, 1: 1, 30: 1, 31: 2, 60: 2, 61: 3, 90: 3, 91: 4, 4000: 4, -1: 0, -400: 0}
    for late, bucket in days.items():
        assert bucket_of(day - timedelta(days=late), day) == bucket
    assert BUCKETS == ("current", "1-30", "31-60", "61-90", "90+")


def test_an_invoice_drafted_after_its_issue_date_counts_from_that_date(
    books: Books, history: Histories
) -> None:
    life = history(2)
    life.today = issued_on = life.today + timedelta(days=20)
    life.today += timedelta(days=10)
    draft = DraftInvoice(life.customers[0], life.today, (Line("Service", "1", "7"),), "JPY")
    answer = life.ask(lambda unit: draft_invoice(unit, draft))
    assert answer is not None
    send = SendInvoice(issued_on=issued_on)
    assert life.ask(lambda unit: send_invoice(unit, UUID(answer["id"]), send)) is not None
    before = _total(aged(books, life, as_of=issued_on - timedelta(days=1)))
    assert _total(aged(books, life, as_of=issued_on)) == before + 7


@pytest.mark.parametrize("seed", range(2))
def test_statements_add_up_to_the_ageing(
    books: Books, history: Histories, runner: Runner, seed: int
) -> None:
    life = history(seed).run(60)
    middle = life.today
    life.run(30)
    runner.catch_up()
    for day in (middle, life.today):
        open_by_currency: Counter[str] = Counter()
        for at in range(len(life.customers)):
            found = stated(books, life, at, to_on=day)
            for one in found.currencies:
                _assert_adds_up(one)
                open_by_currency[one.currency] += parse_minor(one.closing, one.currency)
        aging = {
            one.currency: parse_minor(one.total.amount, one.currency)
            for one in aged(books, life, as_of=day, known_at=last_recorded_at(books)).currencies
        }
        assert {code: minor for code, minor in open_by_currency.items() if minor} == aging


def _assert_adds_up(one: Any) -> None:
    def minor(text: str) -> int:
        return parse_minor(text, one.currency)

    moved = sum(map(minor, (one.invoiced, one.charges, one.payments, one.forgiven)))
    assert minor(one.opening) + moved == minor(one.closing)
    assert moved == sum(minor(entry.amount) for entry in one.entries)
    if one.entries:
        assert one.entries[-1].balance == one.closing
    assert [entry.on for entry in one.entries] == sorted(entry.on for entry in one.entries)


def test_a_statement_goes_on_where_the_one_before_it_ended(
    books: Books, history: Histories, runner: Runner
) -> None:
    life = history(4).run(50)
    middle = life.today
    life.run(30)
    runner.catch_up()
    for at in range(len(life.customers)):
        whole = stated(books, life, at)
        first = {one.currency: one for one in stated(books, life, at, to_on=middle).currencies}
        for one in stated(books, life, at, from_on=middle + timedelta(days=1)).currencies:
            _assert_adds_up(one)
            assert one.opening == (
                first[one.currency].closing if one.currency in first else one.opening
            )
            closing = next(w.closing for w in whole.currencies if w.currency == one.currency)
            assert one.closing == closing


def test_statements_show_interest_by_month(
    books: Books, history: Histories, runner: Runner
) -> None:
    life = History(books, 5, POLICIES[0])
    life.night(75)
    runner.catch_up()
    entries = [
        entry
        for at in range(3)
        for one in stated(books, life, at).currencies
        for entry in one.entries
        if entry.kind == "interest"
    ]
    assert entries
    assert max(entry.events for entry in entries) > 20
    months = Counter((entry.invoice_id, entry.on.year, entry.on.month) for entry in entries)
    assert set(months.values()) == {1}


@pytest.mark.parametrize("seed", range(2))
def test_explanations_add_up_to_every_cent(books: Books, history: Histories, seed: int) -> None:
    life = history(seed).run(80)
    with books.reading(life.tenant_id) as connection:
        for at, invoice_id in enumerate(life.invoices):
            found = explained(books, life, at)
            snapshot = snapshots.read(connection, life.tenant_id, "invoice", invoice_id)
            assert snapshot is not None
            invoice: Invoice = snapshot[1]
            assert found.open.minor == invoice.open.total
            for component in found.components:
                _assert_component(component)
            assert sum(one.open.minor for one in found.components) == found.open.minor
            by_rule = {one.component: one for one in found.components}
            if invoice.status == "overdue" and invoice.mora_through:
                assert by_rule["mora"].calculated == by_rule["mora"].charged
                assert by_rule["late_fee"].calculated == by_rule["late_fee"].charged
            fees = by_rule["other_fees"]
            assert fees.calculated == fees.charged
            disputes = [one for one in found.disputes if one.resolved_on is None]
            assert [one.amount.minor for one in disputes] == (
                [invoice.dispute.minor] if invoice.dispute else []
            )
    with pytest.raises(NothingToExplain):
        explained(books, life, 0, as_of=date(2000, 1, 1))


def _assert_component(component: Any) -> None:
    for side in ("charged", "paid", "forgiven"):
        changed_minor = sum(getattr(change, side).minor for change in component.changes)
        assert changed_minor == getattr(component, side).minor
    assert sum(one.amount.minor for one in component.forgiveness) == component.forgiven.minor
    left_minor = component.charged.minor - component.paid.minor - component.forgiven.minor
    assert left_minor == component.open.minor


def test_reports_say_how_many_streams_are_parked(
    books: Books, history: Histories, runner: Runner
) -> None:
    life = history(6).run(20)
    with tampering(books.database) as connection:
        connection.execute(
            "UPDATE events SET data = 'nothing' WHERE stream_id = %s AND version = 1",
            (life.invoices[0],),
        )
    runner.catch_up()
    assert aged(books, life).parked == 1
    assert boarded(books, life).parked == 1
    assert aged(books, life, as_of=life.today - timedelta(days=1)).parked == 1


def test_reports_of_one_tenant_show_nothing_of_another(
    books: Books, history: Histories, runner: Runner
) -> None:
    life, other = history(7).run(20), history(8).run(20)
    runner.catch_up()
    with books.reading(other.tenant_id) as connection:
        asked = {"today": life.today, "now": NOW}
        for axes in ({}, {"as_of": life.today - timedelta(days=1)}):
            assert aging(connection, life.tenant_id, **asked, **axes).currencies == []  # type: ignore[arg-type]
            assert dashboard(connection, life.tenant_id, **asked, **axes).currencies == []  # type: ignore[arg-type]
        found = statement(connection, life.tenant_id, life.customers[0], **asked)  # type: ignore[arg-type]
        assert found.currencies == []
        with pytest.raises(NothingToExplain):
            explain(connection, life.tenant_id, life.invoices[0], **asked)  # type: ignore[arg-type]


def one_invoice(books: Books) -> History:
    """A life of one invoice of 1,000.00, due on its first day, at 2% and 1% a month, disputes holding interest."""
    life = History(books, 1, POLICIES[0])
    life.invoices.clear()
    settings = ConfigureTenant(dispute_holds_interest=True, calendar="none")
    life.ask(lambda unit: configure_tenant(unit, settings))
    line = Line("Advice", "1", "1000.00")
    draft = DraftInvoice(life.customers[0], life.today, (line,), "BRL")
    answer = life.ask(lambda unit: draft_invoice(unit, draft))
    assert answer is not None
    life.invoices.append(UUID(answer["id"]))
    life.ask(lambda unit: send_invoice(unit, life.invoices[0], SendInvoice()))
    return life


def test_an_explanation_shows_what_a_dispute_held_and_what_was_forgiven(books: Books) -> None:
    life = one_invoice(books)
    invoice_id = life.invoices[0]
    first = life.today

    def done(handler: Any, command: Any) -> None:
        assert life.ask(lambda unit: handler(unit, invoice_id, command)) is not None

    life.night(10)
    done(dispute_invoice, DisputeInvoice("half is missing", Money("400.00", "BRL")))
    life.night(5)
    done(resolve_dispute, ResolveDispute("accepted", "it was"))
    done(credit_invoice, CreditInvoice("what was missing", Money("400.00", "BRL")))
    done(charge_fee, ChargeFee(Money("8.50", "BRL"), "a letter"))
    done(waive, WaiveComponent("late_fee", "goodwill", Money("5.00", "BRL")))
    life.night(3)
    done(write_off, WriteOffInvoice("insolvent"))
    pay = ReceivePayment(Money("100.00", "BRL"), invoice_id=invoice_id)
    life.ask(lambda unit: receive_payment(unit, pay))
    found = explained(books, life, 0)
    by_rule = {one.component: one for one in found.components}
    assert (found.status, found.open.minor) == ("written_off", 0)
    mora = by_rule["mora"]
    assert [
        (one.first_on, one.days, one.base.amount, one.held.amount) for one in mora.stretches
    ] == [
        (first + timedelta(days=1), 10, "1000.00", "0.00"),
        (first + timedelta(days=11), 5, "600.00", "400.00"),
        (first + timedelta(days=16), 3, "600.00", "0.00"),
    ]
    assert mora.calculated == mora.charged == Money("4.93", "BRL")
    assert mora.rule.startswith(
        "1%/month simple, by 30 days a month, on the principal open of each"
    )
    assert "less what a dispute held" in mora.rule
    assert by_rule["late_fee"].rule.startswith(
        f"2% once of 1000.00, the principal open on {first + timedelta(days=1)}"
    )
    fees = by_rule["other_fees"]
    assert fees.charged == fees.calculated == Money("8.50", "BRL")
    (dispute,) = found.disputes
    assert (dispute.amount.amount, dispute.outcome) == ("400.00", "accepted")
    assert dispute.resolved_on == first + timedelta(days=15)
    ways = {
        one.component: {given.kind: given.amount.amount for given in one.forgiveness}
        for one in found.components
    }
    # The payment of 100.00 brought back the fee by hand, the late fee and the interest, and 71.57 of principal.
    assert ways == {
        "principal": {"credited": "400.00", "written_off": "528.43"},
        "late_fee": {"waived": "5.00"},
        "mora": {},
        "other_fees": {},
    }
    assert fees.changes[-1].tag == "invoice.payment_received.v1"
    because = [change.because for change in by_rule["principal"].changes]
    assert because[1].startswith("credit note CN-000001: ")


def test_a_statement_shows_a_recovery_and_a_credit_note_twice(books: Books, runner: Runner) -> None:
    """Each is two entries, so that the columns tell of it and the balance stays what is open."""
    life = one_invoice(books)
    invoice_id = life.invoices[0]
    life.ask(lambda unit: write_off(unit, invoice_id, WriteOffInvoice("insolvent")))
    life.night()
    pay = ReceivePayment(Money("1000.00", "BRL"), invoice_id=invoice_id)
    life.ask(lambda unit: receive_payment(unit, pay))
    life.night()
    note = CreditInvoice("it never came", Money("300.00", "BRL"))
    assert life.ask(lambda unit: credit_invoice(unit, invoice_id, note)) is not None
    runner.catch_up()
    (found,) = (one for one in stated(books, life, 0).currencies if one.currency == "BRL")
    _assert_adds_up(found)
    assert [(one.kind, one.amount) for one in found.entries if one.invoice_id == invoice_id] == [
        ("invoice", "1000.00"),
        ("written_off", "-1000.00"),
        ("written_off", "1000.00"),
        ("recovery", "-1000.00"),
        ("to_credit", "300.00"),
        ("credit_note", "-300.00"),
    ]
    assert (found.unapplied_credit, found.shortfall) == ("300.00", "0.00")


def test_a_statement_of_a_payment_that_counts_before_what_was_recorded_first(
    books: Books, runner: Runner
) -> None:
    """On one day a payment comes before a credit note: it pays 1,000.00, and the note gives 300.00 of them back,
    though 300.00 were open when it was recorded."""
    life = one_invoice(books)
    invoice_id = life.invoices[0]
    note = CreditInvoice("it never came", Money("300.00", "BRL"))
    assert life.ask(lambda unit: credit_invoice(unit, invoice_id, note)) is not None
    pay = ReceivePayment(Money("1000.00", "BRL"), invoice_id=invoice_id)
    life.ask(lambda unit: receive_payment(unit, pay))
    runner.catch_up()
    (found,) = (one for one in stated(books, life, 0).currencies if one.currency == "BRL")
    _assert_adds_up(found)
    sums: Counter[str] = Counter()
    for one in found.entries:
        if one.invoice_id == invoice_id:
            sums[one.kind] += parse_minor(one.amount, "BRL")
    assert sums == {
        "invoice": 100_000,
        "credit_note": -30_000,
        "to_credit": 30_000,
        "payment": -100_000,
    }
    assert (found.unapplied_credit, found.shortfall) == ("300.00", "0.00")
