"""Giving up what is owed, where credit notes, spent credit, refunds, agreements or late rates are about."""

from datetime import date, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest

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
from commands.credit_application import ApplyPayment, apply_payment
from commands.invoices import CloseInvoice, cancel_invoice, void_invoice
from commands.payments import Allocation, PaymentView
from commands.refunds import FailRefund, RequestRefund, fail_refund, request_refund
from commands.reversals import (
    ChargeBackPayment,
    ReversePayment,
    charge_back_payment,
    reverse_payment,
)
from ledger.calendars import Calendar
from ledger.invoice import issuing, recording, settling
from ledger.invoice.adjusting import NotVoidable
from ledger.invoice.credit_notes import CreditedSince
from ledger.invoice.evolve import evolve
from ledger.invoice.state import Invoice, taken_by_source
from ledger.money import Money
from ledger.policy import FeePolicy
from ledger.rates import YearlyRate, parse_rate
from ledger.reference_rates import ReferenceRate
from ledger.tax import Line, price_lines
from tests.commands import invariants
from tests.commands.lending import Lending

DAY = timedelta(days=1)
MONDAY = date(2024, 3, 4)


def brl(amount: str) -> Money:
    return Money(amount, "BRL")


@pytest.fixture
def books() -> Lending:
    return Lending()


@pytest.fixture(autouse=True)
def sound(books: Lending) -> Any:
    """After every test here, the invariants hold."""
    yield
    invariants.assert_sound(books)


def refund_all(books: Lending) -> UUID:
    command = RequestRefund(books.customer_id, reason="asked for it", currency="BRL")
    found: UUID = books.run(request_refund, command).id
    return found


class TestPrincipalThatWasCredited:
    """What nobody paid and a credit note credited does not become credit when it is forgiven on an earlier day."""

    @pytest.mark.parametrize("paid", [False, True])
    @pytest.mark.parametrize("way", ["waived", "written off"])
    def test_is_not_given_up_before(self, books: Lending, way: str, paid: bool) -> None:
        invoice_id = books.invoice("100.00")
        books.on(MONDAY + DAY)
        if paid:
            books.pay("100.00", invoice_id=invoice_id)
        books.on(MONDAY + 2 * DAY)
        books.run(credit_invoice, invoice_id, CreditInvoice("returned", brl("100.00")))
        credit = books.credit()
        gives_up, command = {
            "waived": (waive, WaiveComponent("principal", "kind", brl("100.00"), MONDAY)),
            "written off": (write_off, WriteOffInvoice("lost", brl("100.00"), MONDAY)),
        }[way]
        with pytest.raises(CreditedSince, match=r"0\.00 of it can be forgiven"):
            books.run(gives_up, invoice_id, command)
        assert books.credit() == credit == ({"BRL": 10_000} if paid else {})

    def test_leaves_the_rest_to_be_forgiven(self, books: Lending) -> None:
        invoice_id = books.invoice("100.00")
        books.on(MONDAY + 2 * DAY)
        books.run(credit_invoice, invoice_id, CreditInvoice("returned", brl("60.00")))
        books.run(waive, invoice_id, WaiveComponent("principal", "kindness", brl("40.00"), MONDAY))
        assert (books.of_invoice(invoice_id).status, books.credit()) == ("paid", {})

    def test_is_not_voided_with_what_was_given_back(self, books: Lending) -> None:
        invoice_id = books.invoice("100.00")
        payment = books.pay("100.00", invoice_id=invoice_id)
        books.run(credit_invoice, invoice_id, CreditInvoice("returned", brl("60.00")))
        books.on(MONDAY)
        books.run(charge_back_payment, payment.id, ChargeBackPayment("the bank did"))
        assert (books.of_invoice(invoice_id).open.total, books.credit()) == (10_000, {"BRL": 6_000})
        with pytest.raises(NotVoidable, match=r"60\.00 back"):
            books.run(void_invoice, invoice_id, CloseInvoice("wrong"))

    def test_of_the_day_goes_before_the_void(self, books: Lending) -> None:
        invoice_id = books.invoice("100.00")
        books.run(credit_invoice, invoice_id, CreditInvoice("returned", brl("60.00")))
        books.run(void_invoice, invoice_id, CloseInvoice("wrong"))
        forgiven = books.of_invoice(invoice_id).forgiven_of
        assert {way: split.total for way, split in forgiven.items()} == {
            "credited": 6_000,
            "void": 4_000,
        }
        assert books.credit() == {}


class TestOfOneDay:
    def test_a_part_paid_and_the_rest_cancelled_is_cancelled(self, books: Lending) -> None:
        invoice_id = books.invoice("100.00")
        books.pay("40.00", invoice_id=invoice_id)
        books.run(cancel_invoice, invoice_id, CloseInvoice("agreed"))
        invoice = books.of_invoice(invoice_id)
        assert (invoice.status, invoice.paid.total, invoice.forgiven.total) == (
            "cancelled",
            4_000,
            6_000,
        )

    def test_what_was_paid_is_given_back_by_the_credit_note(self, books: Lending) -> None:
        invoice_id = books.invoice("100.00")
        books.pay("100.00", invoice_id=invoice_id)
        note = books.run(credit_invoice, invoice_id, CreditInvoice("returned", brl("30.00")))
        assert (note.applied, note.credit) == (brl("0.00"), brl("30.00"))
        assert books.of_invoice(invoice_id).paid.total == 10_000

    @pytest.mark.parametrize("days", [0, 1])
    def test_a_cancellation_takes_no_credit_that_was_refunded(
        self, books: Lending, days: int
    ) -> None:
        invoice_id = books.invoice("100.00")
        payment = books.pay("100.00", invoice_id=invoice_id)
        books.on(MONDAY)
        books.run(credit_invoice, invoice_id, CreditInvoice("returned", brl("50.00")))
        refund_all(books)
        books.run(reverse_payment, payment.id, ReversePayment("never came"))
        books.on(MONDAY + DAY)
        books.pay("10.00", invoice_id=invoice_id)
        books.on(MONDAY + (1 + days) * DAY)
        books.run(cancel_invoice, invoice_id, CloseInvoice("agreed"))
        invoice = books.of_invoice(invoice_id)
        assert (invoice.paid.total, invoice.forgiven_of["cancelled"].total) == (1_000, 9_000)
        assert books.credit() == {}


def excess_that_an_earlier_fee_opens(books: Lending) -> tuple[UUID, PaymentView, UUID]:
    """(invoice, payment, refund) of an invoice with 30.00 open, while 50.00 of its payment are on their way back."""
    invoice_id = books.invoice("100.00")
    books.on(MONDAY)
    payment = books.pay("150.00", invoice_id=invoice_id)
    refund_id = refund_all(books)
    books.run(charge_fee, invoice_id, ChargeFee(brl("30.00"), "a visit", MONDAY - DAY))
    assert books.of_invoice(invoice_id).open.total == 3_000
    return invoice_id, payment, refund_id


def test_credit_of_a_refund_that_failed_pays_what_it_was_offered_to(books: Lending) -> None:
    invoice_id, _, refund_id = excess_that_an_earlier_fee_opens(books)
    books.run(fail_refund, refund_id, FailRefund("closed account"))
    assert books.of_invoice(invoice_id).status == "paid"
    assert books.credit() == {"BRL": 2_000}


def test_freed_credit_of_a_note_pays_its_own_invoice_again(books: Lending) -> None:
    """The note gave back what a payment had paid, and that was used elsewhere until another payment took its place."""
    invoice_id = books.invoice("100.00")
    payment = books.pay("100.00", invoice_id=invoice_id)
    books.on(MONDAY)
    books.run(credit_invoice, invoice_id, CreditInvoice("returned", brl("100.00")))
    refund_id = refund_all(books)
    books.run(reverse_payment, payment.id, ReversePayment("never came"))
    assert books.of_invoice(invoice_id).open.total == 10_000
    books.run(fail_refund, refund_id, FailRefund("closed account"))
    invoice = books.of_invoice(invoice_id)
    assert (invoice.status, invoice.forgiven_of["credited"].total) == ("paid", 10_000)
    assert books.credit() == {}


def test_an_agreement_that_took_over_keeps_no_money_from_arriving(books: Lending) -> None:
    """A takes no more of its payment's credit, once an agreement took over what was open on it."""
    invoice_id, other_id = books.invoice("100.00"), books.invoice("50.00")
    books.on(MONDAY + DAY)
    named = (Allocation(invoice_id, brl("150.00")),)
    payment = books.pay("150.00", allocations=named)
    books.run(apply_payment, payment.id, ApplyPayment(other_id))
    books.run(charge_fee, invoice_id, ChargeFee(brl("30.00"), "a visit", MONDAY))
    books.on(MONDAY + 2 * DAY)
    books.lend(invoice_ids=(invoice_id,))
    assert books.of_invoice(invoice_id).status == "renegotiated"
    books.on(MONDAY + 3 * DAY)
    late = books.pay("50.00", invoice_id=other_id, received_on=MONDAY)
    assert late.unapplied == brl("0.00")
    assert books.of_invoice(invoice_id).forgiven_of["renegotiated"].total == 3_000
    assert books.credit() == {"BRL": 5_000}


def test_a_late_reference_rate_leaves_what_was_paid() -> None:
    """Where a lower rate would set money free, it counts from the first day that is not charged yet."""
    known = {"ecb": (ReferenceRate(date(2024, 1, 1), YearlyRate(1, 10)),)}
    invoice = overdue_at(FeePolicy(mora=parse_rate("2%/year"), mora_reference="ecb"))
    today = date(2024, 3, 25)
    invoice = recording.learn_rates(invoice, known, today).invoice
    invoice = settling.receive(invoice, UUID(int=9), 10_030_00, today, today)[0].invoice
    assert (taken_by_source(invoice), invoice.open.total > 0) == ({UUID(int=9): 10_030_00}, True)
    lower = ReferenceRate(date(2024, 3, 10), YearlyRate(1, 100))
    later = {"ecb": (*known["ecb"], lower)}
    assert recording.learn_rates(invoice, later, today).new == []
    night = recording.learn_rates(invoice, later, today + DAY).invoice
    assert taken_by_source(night) == {UUID(int=9): 10_030_00}
    assert [(rate.from_on, rate.rate.fraction) for rate in night.rates] == [
        (date(2024, 1, 1), Fraction(1, 10)),
        (today + DAY, Fraction(1, 100)),
    ]


def overdue_at(policy: FeePolicy) -> Invoice:
    due_on, lines = date(2024, 3, 8), [Line("Work", "1", "10000.00")]
    draft = issuing.draft(UUID(int=1), "BRL", due_on, lines, price_lines(lines, "BRL"), notes="")
    invoice = evolve(None, draft, date(2024, 3, 1))

    sent = issuing.send(invoice, "INV-1", date(2024, 3, 1), policy, Calendar("none", "1"))
    return evolve(invoice, *sent)
