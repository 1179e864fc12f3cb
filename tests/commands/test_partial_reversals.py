"""Parts of payments that are reversed: reversed, as if they had never been, or charged back from a day on."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.adjustments import WriteOffInvoice, write_off
from commands.credit_application import ApplyPayment, apply_payment
from commands.payments import Allocation, CurrencyDiffers, PaymentView
from commands.refunds import (
    FailRefund,
    RequestRefund,
    fail_refund,
    request_refund,
)
from commands.reversals import (
    ChargeBackPayment,
    ReversePayment,
    charge_back_payment,
    reverse_payment,
)
from ledger.money import Money, ZeroAmount
from ledger.payment import AlreadyReversed, OverReversed
from ledger.waterfall import Split
from tests.commands import invariants
from tests.commands.books import Books

DUE = date(2024, 3, 8)
DAY = timedelta(days=1)


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture(autouse=True)
def sound(books: Books) -> Any:
    """After every test here, the invariants hold."""
    yield
    invariants.assert_sound(books)


def brl(amount: str) -> Money:
    return Money(amount, "BRL")


def reverse(books: Books, payment_id: UUID, amount: str | None = None) -> PaymentView:
    command = ReversePayment("bounced", None if amount is None else brl(amount))
    view: PaymentView = books.run(reverse_payment, payment_id, command)
    return view


def charge_back(books: Books, payment_id: UUID, amount: str, on: date | None = None) -> PaymentView:
    command = ChargeBackPayment("recalled", on, brl(amount))
    view: PaymentView = books.run(charge_back_payment, payment_id, command)
    return view


def opened(books: Books, *invoice_ids: UUID) -> list[int]:
    return [books.of_invoice(one).open.total for one in invoice_ids]


class TestReversedInPart:
    def test_it_offers_less_from_its_own_day_on(self, books: Books) -> None:
        """300.00 of 500.00 were open on the first late day: 6.00 of fee, and 1.00 of interest for ten days."""
        invoice_id = books.invoice()
        books.on(DUE)
        payment_id = books.pay("300.00", invoice_id=invoice_id).id
        books.on(DUE + 10 * DAY)
        view = reverse(books, payment_id, "100.00")
        assert (view.status, view.reversed, view.unapplied) == (
            "received",
            brl("100.00"),
            brl("0.00"),
        )
        assert [part.amount for part in view.allocations] == [brl("200.00")]
        assert books.of_invoice(invoice_id).open == Split(0, 600, 100, 30_000)
        with pytest.raises(OverReversed, match=r"200\.00 is left"):
            reverse(books, payment_id, "200.01")
        view = reverse(books, payment_id)
        assert (view.status, view.reversed) == ("reversed", brl("300.00"))
        assert books.of_invoice(invoice_id).open == Split(0, 1_000, 167, 50_000)
        with pytest.raises(AlreadyReversed):
            reverse(books, payment_id, "0.01")

    def test_first_goes_credit_then_the_last_invoice_then_the_one_before(
        self, books: Books
    ) -> None:
        first, second = books.invoice("100.00"), books.invoice("300.00", due_on=DUE + 5 * DAY)
        payment_id = books.pay("600.00", customer_id=books.customer_id).id
        assert books.credit() == {"BRL": 20_000}
        for amount, credit, open_minors in (
            ("150.00", {"BRL": 5_000}, [0, 0]),
            ("100.00", {}, [0, 5_000]),
            ("275.00", {}, [2_500, 30_000]),
        ):
            view = reverse(books, payment_id, amount)
            assert books.credit() == credit
            assert opened(books, first, second) == open_minors
        assert (view.reversed, view.unapplied) == (brl("525.00"), brl("0.00"))

    def test_an_excess_that_another_invoice_took_is_the_last_of_its_offers(
        self, books: Books
    ) -> None:
        named, other = books.invoice("500.00"), books.invoice("100.00")
        payment_id = books.pay("600.00", invoice_id=named).id
        books.run(apply_payment, payment_id, ApplyPayment())
        assert opened(books, named, other) == [0, 0]
        reverse(books, payment_id, "50.00")
        assert opened(books, named, other) == [0, 5_000]
        view = reverse(books, payment_id, "150.00")
        assert opened(books, named, other) == [10_000, 10_000]
        assert (view.unapplied, books.credit()) == (brl("0.00"), {})

    def test_what_was_refunded_of_it_leaves_a_shortfall(self, books: Books) -> None:
        invoice_id = books.invoice("50.00")
        payment_id = books.pay("80.00", invoice_id=invoice_id).id
        books.run(request_refund, RequestRefund(books.customer_id, "asked", brl("30.00")))
        reverse(books, payment_id, "20.00")
        assert opened(books, invoice_id) == [0]
        assert books.state("customer", books.customer_id).shortfall == {"BRL": 2_000}

    def test_amounts_that_are_none_are_refused(self, books: Books) -> None:
        payment_id = books.pay("80.00", customer_id=books.customer_id).id
        for amount, error in ((brl("0.00"), ZeroAmount), (Money("1.00", "EUR"), CurrencyDiffers)):
            for handler, command in (
                (reverse_payment, ReversePayment("bounced", amount)),
                (charge_back_payment, ChargeBackPayment("recalled", None, amount)),
            ):
                with pytest.raises(error) as refused:
                    books.run(handler, payment_id, command)
                assert refused.value.field == "amount"
        with pytest.raises(OverReversed):
            charge_back(books, payment_id, "80.01")


class TestChargedBackInPart:
    def test_it_stood_until_then(self, books: Books) -> None:
        """200.00 are open from the 28th on: 4.00 of fee on the 29th, and 0.67 of interest for ten days."""
        invoice_id = books.invoice()
        books.on(DUE)
        payment_id = books.pay("500.00", invoice_id=invoice_id).id
        books.on(DUE + 30 * DAY)
        view = charge_back(books, payment_id, "200.00", DUE + 20 * DAY)
        assert (view.status, view.charged_back) == ("received", brl("200.00"))
        invoice = books.of_invoice(invoice_id)
        assert (invoice.overdue_on, invoice.open) == (DUE + 21 * DAY, Split(0, 400, 67, 20_000))
        # the rest never was: 300.00 late from the 9th on, 500.00 from the 29th on
        view = reverse(books, payment_id)
        assert (view.status, view.reversed, view.charged_back) == (
            "reversed",
            brl("300.00"),
            brl("200.00"),
        )
        invoice = books.of_invoice(invoice_id)
        assert (invoice.overdue_on, invoice.open) == (DUE + DAY, Split(0, 600, 367, 50_000))

    def test_principal_opens_first_and_no_charge_opens_while_principal_is_paid(
        self, books: Books
    ) -> None:
        invoice_id = books.invoice()
        books.on(DUE + 10 * DAY)
        payment_id = books.pay("211.67", invoice_id=invoice_id).id
        books.on(DUE + 12 * DAY)
        charge_back(books, payment_id, "150.00")
        assert books.of_invoice(invoice_id).paid == Split(0, 1_000, 167, 5_000)
        charge_back(books, payment_id, "61.67")
        assert books.of_invoice(invoice_id).paid == Split()
        # 1.87 of interest: ten days on 500.00, two on 300.00
        assert books.of_invoice(invoice_id).open == Split(0, 1_000, 187, 50_000)

    def test_a_recovery_is_written_off_again_first(self, books: Books) -> None:
        invoice_id = books.invoice()
        books.on(date(2024, 3, 5))
        books.run(write_off, invoice_id, WriteOffInvoice("hopeless", brl("300.00")))
        books.on(date(2024, 3, 6))
        payment_id = books.pay("450.00", invoice_id=invoice_id).id
        assert books.of_invoice(invoice_id).written_off == Split(principal=5_000)
        books.on(date(2024, 3, 7))
        charge_back(books, payment_id, "100.00")
        invoice = books.of_invoice(invoice_id)
        assert (invoice.status, invoice.written_off) == ("written_off", Split(principal=15_000))
        charge_back(books, payment_id, "200.00")
        invoice = books.of_invoice(invoice_id)
        assert (invoice.status, invoice.written_off) == ("sent", Split(principal=30_000))
        assert (invoice.open.total, invoice.paid.total) == (5_000, 15_000)

    def test_over_several_invoices_and_credit(self, books: Books) -> None:
        one, two = books.invoice("100.00"), books.invoice("100.00")
        named = (Allocation(one, brl("100.00")), Allocation(two, brl("70.00")))
        payment_id = books.pay("200.00", allocations=named).id
        assert books.credit() == {"BRL": 3_000}
        books.on(date(2024, 3, 4))
        view = charge_back(books, payment_id, "130.00", date(2024, 3, 3))
        assert opened(books, one, two) == [3_000, 10_000]
        assert [part.amount for part in view.allocations] == [brl("70.00")]
        assert books.credit() == {}

    def test_it_takes_nothing_that_is_left_of_it_and_offered_still(self, books: Books) -> None:
        """80.00 are offered and 50.00 taken; 20.00 are charged back, and later 10.00 more are owed before all that."""
        invoice_id = books.invoice("50.00")
        other = books.invoice("5.00", due_on=DUE + 90 * DAY)
        first = books.pay("10.00", invoice_id=invoice_id)
        books.on(date(2024, 3, 3))
        payment_id = books.pay("80.00", invoice_id=invoice_id).id
        assert books.credit() == {"BRL": 4_000}
        books.on(date(2024, 3, 4))
        charge_back(books, payment_id, "20.00")
        assert books.credit() == {"BRL": 2_000}
        books.run(apply_payment, payment_id, ApplyPayment(other))
        reverse(books, first.id)
        assert opened(books, invoice_id, other) == [0, 0]
        assert books.credit() == {"BRL": 500}


class TestLaterPayments:
    def test_a_late_one_moves_the_excess_of_a_later_one_to_credit_and_back(
        self, books: Books
    ) -> None:
        invoice_id = books.invoice("100.00")
        books.on(date(2024, 3, 5))
        later = books.pay("80.00", invoice_id=invoice_id)
        books.on(date(2024, 3, 6))
        late = books.pay("50.00", invoice_id=invoice_id, received_on=date(2024, 3, 2))
        taken = [one.amount for one in late.allocations]
        assert (taken, late.unapplied) == ([brl("50.00")], brl("0.00"))
        assert books.state("payment", later.id).unapplied_minor == 3_000
        reverse(books, late.id, "20.00")
        assert books.state("payment", later.id).unapplied_minor == 1_000
        reverse(books, late.id)
        assert books.state("payment", later.id).unapplied_minor == 0
        assert (opened(books, invoice_id), books.credit()) == ([2_000], {})

    def test_nothing_is_paid_on_a_void_invoice_by_what_comes_back(self, books: Books) -> None:
        """A payment that the invoice had been offered was refunded; the refund fails after the invoice was voided."""
        invoice_id = books.invoice("50.00")
        first = books.pay("50.00", invoice_id=invoice_id)
        books.on(date(2024, 3, 2))
        second = books.pay("50.00", invoice_id=invoice_id)
        refund = books.run(request_refund, RequestRefund(books.customer_id, "asked", brl("50.00")))
        reverse(books, first.id)
        books.on(date(2024, 3, 3))
        books.void(invoice_id)
        books.run(fail_refund, refund.id, FailRefund("no such account"))
        assert books.credit() == {"BRL": 5_000}
        reverse(books, second.id, "10.00")
        assert books.of_invoice(invoice_id).paid == Split()
        assert books.credit() == {"BRL": 4_000}

    def test_an_invoice_posted_by_the_month_stays_overdue_and_is_charged_one_fee(self) -> None:
        """A partial payment of before the due date is recorded when the invoice is late, and the month is not over."""
        books = Books(accrual="month_end")
        invoice_id = books.invoice()
        books.run_clock(DUE, DUE + 5 * DAY)
        books.on(DUE + 5 * DAY)
        books.pay("100.00", invoice_id=invoice_id, received_on=date(2024, 3, 5))
        assert books.of_invoice(invoice_id).status == "overdue"
        books.run_clock(DUE + 6 * DAY, DUE + 7 * DAY)
        assert books.of_invoice(invoice_id).charged == Split(late_fee=800, principal=50_000)

    def test_within_a_month_a_reversal_takes_the_posted_interest_back(self) -> None:
        """A payment posts interest up to its day; one that never was has posted none."""
        books = Books(accrual="month_end")
        invoice_id = books.invoice()
        books.on(date(2024, 3, 20))
        payment_id = books.pay("110.40", invoice_id=invoice_id).id
        reverse(books, payment_id)
        invoice = books.of_invoice(invoice_id)
        assert (invoice.mora_through, invoice.open) == (
            date(2024, 2, 29),
            Split(late_fee=1_000, principal=50_000),
        )
        invariants.assert_sound(books)

    @pytest.mark.parametrize("told", ["at once", "late"])
    def test_within_a_month_a_charge_back_is_charged_alike_in_every_order(self, told: str) -> None:
        """By the month: 500.00 until the 20th of March, 400.00 then, and 440.00 from the 26th on; 40.00 never were."""
        books = Books(accrual="month_end")
        invoice_id = books.invoice()
        books.on(date(2024, 3, 20))
        payment_id = books.pay("110.40", invoice_id=invoice_id).id
        assert books.of_invoice(invoice_id).paid == Split(0, 1_000, 200, 9_840)
        books.on(date(2024, 3, 25))
        if told == "at once":
            charge_back(books, payment_id, "38.40")
            books.on(date(2024, 4, 2))
        else:
            books.on(date(2024, 4, 2))
            charge_back(books, payment_id, "38.40", date(2024, 3, 25))
        books.run_clock(date(2024, 3, 26), date(2024, 4, 2))
        # 12 days on 500.00, 5 on 401.60, 6 on 440.00 by the 31st: 2.00, 0.67 and 0.88
        assert books.of_invoice(invoice_id).charged.mora == 355
        reverse(books, payment_id)
        # what was charged back had come: 10.00, 2.00 and 26.40 until the 25th; 12 and 6 days on 500.00, 5 on 473.60
        assert books.of_invoice(invoice_id).charged.mora == 379
