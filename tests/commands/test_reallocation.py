"""A person says which invoices a payment is for: it counts there from its own value date, as if it had always been."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.payments import (
    AllocatedTwice,
    Allocation,
    CurrencyDiffers,
    OverAllocated,
    PaymentView,
    SeveralCustomers,
    payment_view,
)
from commands.refunds import RequestRefund, request_refund
from commands.reversals import (
    ChargeBackPayment,
    ReallocatePayment,
    charge_back_payment,
    reallocate_payment,
)
from commands.unit_of_work import Unknown
from ledger.invoice import events as e
from ledger.invoice.preconditions import NotOpen, ReasonMissing
from ledger.money import Money, ZeroAmount
from ledger.payment import AlreadyReversed, OverReallocated, Reallocated
from ledger.waterfall import Split
from tests.commands import invariants
from tests.commands.books import Books

DUE = date(2024, 3, 8)
DAY = timedelta(days=1)
SAID_ON = date(2024, 3, 4)


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


def reallocate(books: Books, payment_id: UUID, *parts: tuple[UUID, str]) -> PaymentView:
    named = tuple(Allocation(invoice_id, brl(amount)) for invoice_id, amount in parts)
    command = ReallocatePayment("meant for another", named)
    view: PaymentView = books.run(reallocate_payment, payment_id, command)
    return view


def opened(books: Books, *invoice_ids: UUID) -> list[int]:
    return [books.of_invoice(one).open.total for one in invoice_ids]


def allocated(view: PaymentView) -> dict[UUID, str]:
    return {part.invoice_id: part.amount.amount for part in view.allocations}


class TestReallocated:
    def test_to_another_invoice_on_the_same_dates(self, books: Books) -> None:
        wrong, right = books.invoice("100.00"), books.invoice("100.00")
        payment_id = books.pay("100.00", invoice_id=wrong, received_on=date(2024, 3, 1)).id
        books.on(SAID_ON)
        view = reallocate(books, payment_id, (right, "100.00"))
        assert (allocated(view), view.unapplied) == ({right: "100.00"}, brl("0.00"))
        assert opened(books, wrong, right) == [10_000, 0]
        told = [(new.event, new.effective_on) for _, _, new in books.log]
        on = {type(event): effective_on for event, effective_on in told}
        assert on[e.PaymentReallocated] == on[e.PaymentReceived] == date(2024, 3, 1)
        assert on[Reallocated] == SAID_ON
        (said,) = [event for event, _ in told if isinstance(event, Reallocated)]
        assert said.reason.startswith("encrypted:")

    def test_fee_and_interest_follow(self, books: Books) -> None:
        wrong, right = books.invoice(), books.invoice()
        books.on(DUE)
        payment_id = books.pay("500.00", invoice_id=wrong).id
        books.run_clock(DUE, DUE + 10 * DAY)
        assert books.of_invoice(right).open == Split(0, 1_000, 167, 50_000)
        books.on(DUE + 10 * DAY)
        reallocate(books, payment_id, (right, "500.00"))
        assert (books.of_invoice(right).status, books.of_invoice(right).overdue_on) == (
            "paid",
            None,
        )
        assert books.of_invoice(right).charged == Split(principal=50_000)
        assert books.of_invoice(wrong).open == Split(0, 1_000, 167, 50_000)

    def test_in_other_amounts(self, books: Books) -> None:
        one, two = books.invoice("100.00"), books.invoice("100.00")
        payment_id = books.pay("100.00", invoice_id=one).id
        view = reallocate(books, payment_id, (one, "60.00"))
        assert (view.unapplied, books.credit()) == (brl("40.00"), {"BRL": 4_000})
        view = reallocate(books, payment_id, (one, "70.00"), (two, "30.00"))
        assert allocated(view) == {one: "70.00", two: "30.00"}
        assert (opened(books, one, two), books.credit()) == ([3_000, 7_000], {})
        # more of it in its own place: no second offer, on no other day
        (offer,) = books.of_invoice(one).imputations
        assert (offer.kind, offer.asked_minor) == ("payment", 7_000)

    def test_to_none_it_is_credit(self, books: Books) -> None:
        invoice_id = books.invoice("100.00")
        payment_id = books.pay("80.00", invoice_id=invoice_id).id
        view = reallocate(books, payment_id)
        assert (view.allocations, view.unapplied) == ([], brl("80.00"))
        assert (opened(books, invoice_id), books.credit()) == ([10_000], {"BRL": 8_000})

    def test_where_it_is_already_nothing_changes(self, books: Books) -> None:
        invoice_id = books.invoice("100.00")
        payment_id = books.pay("80.00", invoice_id=invoice_id).id
        before = books.events("invoice"), books.events("customer")
        view = reallocate(books, payment_id, (invoice_id, "80.00"))
        assert allocated(view) == {invoice_id: "80.00"}
        assert (books.events("invoice"), books.events("customer")) == before

    def test_to_more_than_is_open_it_stays_offered(self, books: Books) -> None:
        """50.00 of 80.00 are taken; when another payment is reallocated away, the rest of what was open, too."""
        one, two = books.invoice("70.00"), books.invoice("100.00")
        first = books.pay("20.00", invoice_id=one).id
        second = books.pay("80.00", invoice_id=two).id
        view = reallocate(books, second, (one, "80.00"))
        assert (allocated(view), view.unapplied) == ({one: "50.00"}, brl("30.00"))
        reallocate(books, first, (two, "20.00"))
        assert opened(books, one, two) == [0, 8_000]
        assert books.credit() == {"BRL": 1_000}

    def test_before_a_later_payment_that_gives_way(self, books: Books) -> None:
        one, two = books.invoice("100.00"), books.invoice("100.00")
        payment_id = books.pay("100.00", invoice_id=one).id
        books.on(date(2024, 3, 3))
        later = books.pay("60.00", invoice_id=two).id
        books.on(SAID_ON)
        reallocate(books, payment_id, (two, "100.00"))
        assert opened(books, one, two) == [10_000, 0]
        assert books.state("payment", later).unapplied_minor == 6_000
        assert books.credit() == {"BRL": 6_000}

    def test_after_a_part_was_charged_back_what_is_left(self, books: Books) -> None:
        one, two = books.invoice("100.00"), books.invoice("100.00")
        payment_id = books.pay("100.00", invoice_id=one).id
        books.on(SAID_ON)
        command = ChargeBackPayment("recalled", date(2024, 3, 3), brl("30.00"))
        books.run(charge_back_payment, payment_id, command)
        with pytest.raises(OverAllocated):
            reallocate(books, payment_id, (two, "70.01"))
        reallocate(books, payment_id, (two, "70.00"))
        assert opened(books, one, two) == [10_000, 3_000]

    @pytest.mark.parametrize("is_late", [False, True])
    def test_it_comes_after_the_days_payments_whenever_those_were_recorded(
        self, books: Books, is_late: bool
    ) -> None:
        """The other payment of the day covers the invoice; which is recorded first changes nothing."""
        wrong, right = books.invoice("100.00"), books.invoice("100.00")
        on = date(2024, 3, 1)
        payment_id = books.pay("100.00", invoice_id=wrong, received_on=on).id
        books.on(SAID_ON)
        if not is_late:
            other = books.pay("70.00", invoice_id=right, received_on=on)
        view = reallocate(books, payment_id, (right, "100.00"))
        if is_late:
            other = books.pay("70.00", invoice_id=right, received_on=on)
            view = payment_view(payment_id, books.state("payment", payment_id))
        assert books.state("payment", other.id).unapplied_minor == 0
        assert (allocated(view), view.unapplied) == ({right: "30.00"}, brl("70.00"))
        assert books.credit() == {"BRL": 7_000}


class TestRefused:
    def test_beyond_what_is_left_after_a_refund(self, books: Books) -> None:
        one, two = books.invoice("50.00"), books.invoice("100.00")
        payment_id = books.pay("100.00", invoice_id=one).id
        books.run(request_refund, RequestRefund(books.customer_id, "asked", brl("30.00")))
        before = len(books.log)
        with pytest.raises(OverReallocated, match=r"70\.00 of the payment can be allocated"):
            reallocate(books, payment_id, (two, "70.01"))
        assert len(books.log) == before
        reallocate(books, payment_id, (two, "70.00"))
        assert (opened(books, one, two), books.credit()) == ([5_000, 3_000], {})

    def test_beyond_what_a_shortfall_has_taken(self, books: Books) -> None:
        """30.00 of an earlier payment were refunded, and it never was: what came later makes up for that."""
        earlier = books.pay("30.00", customer_id=books.customer_id).id
        books.run(request_refund, RequestRefund(books.customer_id, "asked", brl("30.00")))
        books.reverse(earlier)
        payment_id = books.pay("100.00", customer_id=books.customer_id).id
        invoice_id = books.invoice("100.00")
        with pytest.raises(OverReallocated):
            reallocate(books, payment_id, (invoice_id, "70.01"))
        reallocate(books, payment_id, (invoice_id, "70.00"))
        assert opened(books, invoice_id) == [3_000]

    def test_by_name(self, books: Books) -> None:
        mine = books.invoice("100.00")
        theirs = books.invoice("100.00", customer_id=books.customer("Jonas"))
        in_euro, draft, void = books.invoice(currency="EUR"), books.draft(), books.invoice()
        books.void(void)
        payment_id = books.pay("100.00", invoice_id=mine).id
        before = len(books.log)
        for error, parts in (
            (OverAllocated, [(mine, "100.01")]),
            (AllocatedTwice, [(mine, "1.00"), (mine, "1.00")]),
            (SeveralCustomers, [(theirs, "1.00")]),
            (CurrencyDiffers, [(in_euro, "1.00")]),
            (NotOpen, [(draft, "1.00")]),
            (NotOpen, [(void, "1.00")]),
            (ZeroAmount, [(mine, "0.00")]),
            (Unknown, [(UUID(int=404), "1.00")]),
        ):
            with pytest.raises(error):
                reallocate(books, payment_id, *parts)
        with pytest.raises(ReasonMissing):
            books.run(reallocate_payment, payment_id, ReallocatePayment(" ", ()))
        with pytest.raises(Unknown):
            reallocate(books, UUID(int=404))
        assert len(books.log) == before
        books.reverse(payment_id)
        with pytest.raises(AlreadyReversed):
            reallocate(books, payment_id, (mine, "1.00"))
