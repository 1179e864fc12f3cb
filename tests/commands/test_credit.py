"""Credit: applied by hand and by itself, reversed after it was spent, and what a charge-back does with it."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.adjustments import CreditInvoice, WriteOffInvoice, credit_invoice, write_off
from commands.credit_application import (
    ApplyCredit,
    ApplyPayment,
    NothingToApply,
    OverApplied,
    apply_credit,
    apply_payment,
)
from commands.invoices import ChangeInvoice, change_invoice
from commands.payments import (
    AllocatedTwice,
    Allocation,
    CurrencyDiffers,
    OverAllocated,
    PaymentView,
    ReceivePayment,
    SeveralCustomers,
    TwoTargets,
    receive_as,
)
from commands.refunds import RequestRefund, request_refund
from commands.reversals import (
    ChargeBackPayment,
    ReallocatePayment,
    charge_back_payment,
    reallocate_payment,
)
from commands.tenants import ConfigureTenant, configure_tenant
from commands.unit_of_work import Unknown
from ledger.customer import CreditApplied
from ledger.invoice.preconditions import NotOpen, ReasonMissing
from ledger.money import Money
from ledger.payment import AlreadyReversed, ChargedBackInFuture, ChargedBackTooEarly
from ledger.waterfall import Split
from tests.commands import invariants
from tests.commands.books import Books
from tests.ledger.bookkeeping import journal

DUE = date(2024, 3, 8)
DAY = timedelta(days=1)
JUNE = date(2024, 6, 1)


@pytest.fixture
def books() -> Books:
    return Books()


def brl(amount: str) -> Money:
    return Money(amount, "BRL")


def apply(books: Books, payment_id: UUID, **fields: Any) -> PaymentView:
    view: PaymentView = books.run(apply_payment, payment_id, ApplyPayment(**fields))
    return view


def charge_back(books: Books, payment_id: UUID, on: date | None = None) -> PaymentView:
    view: PaymentView = books.run(
        charge_back_payment, payment_id, ChargeBackPayment("recalled", on)
    )
    return view


def credit(books: Books, invoice_id: UUID, amount: str | None = None) -> Any:
    wanted = None if amount is None else brl(amount)
    return books.run(credit_invoice, invoice_id, CreditInvoice("returned", wanted))


def left_over(books: Books, amount: str) -> UUID:
    """A payment that no invoice took."""
    return books.pay(amount, customer_id=books.customer_id).id


def refund(books: Books, amount: str) -> None:
    books.run(request_refund, RequestRefund(books.customer_id, "asked for it", brl(amount)))


def automatic(books: Books) -> None:
    books.run(configure_tenant, ConfigureTenant(apply_credit="automatic"))


def shortfall(books: Books) -> dict[str, int]:
    found: dict[str, int] = books.state("customer", books.customer_id).shortfall
    return found


@pytest.fixture(autouse=True)
def sound(books: Books) -> Any:
    """After every test here, the invariants hold."""
    yield
    invariants.assert_sound(books)


class TestAppliedByHand:
    def test_to_one_invoice(self, books: Books) -> None:
        payment_id = left_over(books, "80.00")
        invoice_id = books.invoice("50.00")
        view = apply(books, payment_id, invoice_id=invoice_id)
        assert view.unapplied == brl("30.00")
        assert [part.amount for part in view.allocations] == [brl("50.00")]
        assert books.of_invoice(invoice_id).status == "paid"
        assert books.credit() == {"BRL": 3_000}
        (applied,) = [e for e in books.events("customer") if isinstance(e, CreditApplied)]
        assert applied == CreditApplied("BRL", 5_000, payment_id, invoice_id)

    def test_takes_effect_today_and_covers_the_interest_until_then(self, books: Books) -> None:
        invoice_id = books.invoice()
        payment_id = books.pay("600.00", invoice_id=books.draft("1.00")).id
        books.on(DUE + 10 * DAY)
        apply(books, payment_id, invoice_id=invoice_id)
        assert books.of_invoice(invoice_id).paid == Split(0, 1_000, 167, 50_000)
        assert books.of_invoice(invoice_id).imputations[0].on == DUE + 10 * DAY

    def test_to_what_falls_due_first(self, books: Books) -> None:
        payment_id = left_over(books, "70.00")
        late, early = (books.invoice("50.00", due_on=DUE + n * DAY) for n in (5, 0))
        apply(books, payment_id)
        assert books.of_invoice(early).status == "paid"
        assert books.of_invoice(late).open.total == 3_000

    def test_no_more_than_was_said(self, books: Books) -> None:
        payment_id = left_over(books, "70.00")
        one, two = (books.invoice("50.00") for _ in range(2))
        apply(books, payment_id, amount=brl("10.00"))
        assert books.credit() == {"BRL": 6_000}
        named = (Allocation(one, brl("15.00")), Allocation(two, brl("20.00")))
        view = apply(books, payment_id, allocations=named)
        assert view.unapplied == brl("25.00")
        assert [books.of_invoice(each).open.total for each in (one, two)] == [2_500, 3_000]

    def test_of_several_sources_the_oldest_first(self, books: Books) -> None:
        first, second = (left_over(books, amount) for amount in ("30.00", "40.00"))
        invoice_id = books.invoice("50.00")
        books.run(apply_credit, books.customer_id, ApplyCredit("BRL"))
        assert books.state("payment", first).unapplied_minor == 0
        assert books.state("payment", second).unapplied_minor == 2_000
        assert [one.source_id for one in books.of_invoice(invoice_id).imputations] == [
            first,
            second,
        ]

    def test_to_what_was_written_off_as_a_recovery(self, books: Books) -> None:
        payment_id = left_over(books, "30.00")
        invoice_id = books.invoice("50.00")
        books.run(write_off, invoice_id, WriteOffInvoice("hopeless"))
        apply(books, payment_id, invoice_id=invoice_id)
        assert books.of_invoice(invoice_id).written_off == Split(principal=2_000)

    def test_is_refused_by_name(self, books: Books) -> None:
        payment_id = left_over(books, "30.00")
        mine = books.invoice("50.00")
        theirs = books.invoice("50.00", customer_id=books.customer("Jonas"))
        in_euro = books.invoice("50.00", currency="EUR")
        paid = books.invoice("1.00")
        books.pay("1.00", invoice_id=paid)
        some = (Allocation(mine, brl("10.00")),)
        for error, fields in (
            (OverApplied, {"amount": brl("30.01")}),
            (CurrencyDiffers, {"amount": Money("1.00", "EUR")}),
            (CurrencyDiffers, {"invoice_id": in_euro}),
            (SeveralCustomers, {"invoice_id": theirs}),
            (NotOpen, {"invoice_id": paid}),
            (TwoTargets, {"invoice_id": mine, "allocations": some}),
            (AllocatedTwice, {"allocations": (*some, *some)}),
            (OverAllocated, {"allocations": (Allocation(mine, brl("30.01")),)}),
            (Unknown, {"invoice_id": UUID(int=404)}),
        ):
            before = len(books.log)
            with pytest.raises(error):
                apply(books, payment_id, **fields)
            assert len(books.log) == before
        apply(books, payment_id)
        with pytest.raises(NothingToApply):
            apply(books, payment_id)


class TestAppliedByItself:
    """Where the tenant has it so, nothing waits: what is open takes the customer's credit."""

    def test_when_money_is_left_over_and_when_an_invoice_is_sent(self, books: Books) -> None:
        automatic(books)
        left_over(books, "80.00")
        first, second = (books.invoice("50.00") for _ in range(2))
        assert books.of_invoice(first).status == "paid"
        assert books.of_invoice(second).open.total == 2_000
        books.pay("1.00", invoice_id=first)  # paid already: left over, and applied to the other one
        assert books.of_invoice(second).open.total == 1_900
        assert books.credit() == {}

    def test_when_another_payment_is_reversed(self, books: Books) -> None:
        automatic(books)
        invoice_id = books.invoice("50.00")
        payment_id = books.pay("50.00", invoice_id=invoice_id).id
        left_over(books, "20.00")
        books.reverse(payment_id)
        assert books.of_invoice(invoice_id).open.total == 3_000
        assert books.credit() == {}

    def test_when_a_payment_is_charged_back(self, books: Books) -> None:
        automatic(books)
        invoice_id = books.invoice("50.00")
        payment_id = books.pay("50.00", invoice_id=invoice_id).id
        left_over(books, "20.00")
        charge_back(books, payment_id)
        assert books.of_invoice(invoice_id).open.total == 3_000

    def test_when_a_moved_due_date_gives_a_fee_back(self) -> None:
        books = Books(waterfall=("other_fees", "principal", "late_fee", "mora"))
        automatic(books)
        late, other = books.invoice("500.00"), books.invoice("500.00", due_on=JUNE)
        books.on(DUE + 20 * DAY)
        books.pay("511.00", invoice_id=late)
        books.run(change_invoice, late, ChangeInvoice(JUNE))
        assert books.of_invoice(late).status == "paid"
        assert books.of_invoice(other).open.total == 50_000 - 1_100
        assert books.credit() == {}

    def test_when_a_late_payment_gives_interest_back(self, books: Books) -> None:
        automatic(books)
        late, other = books.invoice("500.00"), books.invoice("500.00", due_on=JUNE)
        books.on(DUE + 20 * DAY)
        books.pay("113.33", invoice_id=late)
        books.on(DUE + 25 * DAY)
        books.pay("400.00", invoice_id=late, received_on=DUE + 10 * DAY)
        assert books.of_invoice(other).open.total == 50_000 - 129
        assert books.credit() == {}

    def test_but_not_of_an_import_whose_days_are_long_over(self, books: Books) -> None:
        automatic(books)
        invoice_id, other = books.invoice("50.00"), books.invoice("50.00")
        books.on(JUNE)
        paid = ReceivePayment(brl("80.00"), invoice_id=invoice_id, received_on=DUE)
        books.run(receive_as, UUID(int=77), paid, DUE)
        assert books.of_invoice(invoice_id).status == "paid"
        assert books.of_invoice(other).open == Split(principal=5_000), "and no clock has run on it"
        assert books.credit() == {"BRL": 3_000}


class TestTakenBackAfterItWasSpent:
    def test_with_the_invoices_that_had_taken_it(self, books: Books) -> None:
        payment_id = left_over(books, "80.00")
        invoice_id = books.invoice("50.00")
        apply(books, payment_id)
        books.reverse(payment_id)
        assert books.of_invoice(invoice_id).status == "sent"
        assert (books.credit(), shortfall(books)) == ({}, {})

    def test_what_another_invoice_took_stays_there(self, books: Books) -> None:
        """1.29 that a late payment freed is spent; then it is reversed, and only 0.29 is left to return."""
        invoice_id = books.invoice()
        books.on(DUE + 20 * DAY)
        first = books.pay("113.33", invoice_id=invoice_id)
        late = books.pay("400.00", invoice_id=invoice_id, received_on=DUE + 10 * DAY)
        assert books.credit() == {"BRL": 129}
        other = books.invoice("1.00", due_on=JUNE)
        books.run(apply_credit, books.customer_id, ApplyCredit("BRL"))
        books.reverse(late.id)
        assert books.of_invoice(other).status == "paid"
        assert (books.credit(), shortfall(books)) == ({}, {})
        # 113.33 would have covered 10.00, 3.33 and 100.00
        assert books.of_invoice(invoice_id).paid == Split(0, 1_000, 333, 9_900)
        assert books.of_invoice(invoice_id).open == Split(principal=40_100)
        # a person can bring it back
        named = (Allocation(invoice_id, brl("113.33")),)
        books.run(reallocate_payment, first.id, ReallocatePayment("where it was", named))
        assert books.of_invoice(invoice_id).open == Split(principal=40_000)
        assert books.of_invoice(other).open == Split(principal=100)

    def test_what_was_refunded_is_a_shortfall_the_debit_balance_of_credit(
        self, books: Books
    ) -> None:
        payment_id = left_over(books, "80.00")
        refund(books, "50.00")
        books.reverse(payment_id)
        assert (books.credit(), shortfall(books)) == ({}, {"BRL": 5_000})
        assert journal(books.log).balances["BRL", "customer_credit"] == 5_000
        later = books.pay("60.00", customer_id=books.customer_id)
        assert (books.credit(), shortfall(books)) == ({"BRL": 1_000}, {})
        assert journal(books.log).balances["BRL", "customer_credit"] == -1_000
        invoice_id = books.invoice("30.00")
        with pytest.raises(OverApplied):  # 60.00 arrived, and 50.00 of it are gone
            apply(books, later.id, invoice_id=invoice_id, amount=brl("10.01"))
        apply(books, later.id, invoice_id=invoice_id)
        assert books.of_invoice(invoice_id).open.total == 2_000
        books.reverse(later.id)
        assert books.of_invoice(invoice_id).open.total == 3_000
        assert (books.credit(), shortfall(books)) == ({}, {"BRL": 5_000})

    def test_what_was_refunded_of_an_excess_is_not_taken_by_the_invoice_again(
        self, books: Books
    ) -> None:
        invoice_id = books.invoice("50.00")
        first = books.pay("50.00", invoice_id=invoice_id)
        books.on(date(2024, 3, 2))
        books.pay("50.00", invoice_id=invoice_id)
        refund(books, "20.00")
        books.reverse(first.id)
        assert books.of_invoice(invoice_id).open.total == 2_000
        assert (books.credit(), shortfall(books)) == ({}, {})


class TestChargeBack:
    def test_reopens_from_its_own_date(self, books: Books) -> None:
        invoice_id = books.invoice()
        books.on(DUE)
        payment_id = books.pay("520.00", invoice_id=invoice_id).id
        books.on(DUE + 30 * DAY)
        view = charge_back(books, payment_id, DUE + 20 * DAY)
        assert view.status == "charged_back"
        assert books.credit() == {}
        invoice = books.of_invoice(invoice_id)
        assert invoice.status == "overdue"
        assert invoice.open == Split(late_fee=1_000, mora=167, principal=50_000)
        days = {
            new.event.TAG: new.effective_on
            for _, _, new in books.log
            if new.event.TAG.endswith("charged_back.v1")
        }
        assert days == dict.fromkeys(
            ("invoice.payment_charged_back.v1", "payment.charged_back.v1"), DUE + 20 * DAY
        )

    def test_once_not_before_it_came_nor_in_the_future_and_with_a_reason(
        self, books: Books
    ) -> None:
        books.on(DUE)
        payment_id = left_over(books, "1.00")
        with pytest.raises(ChargedBackTooEarly):
            charge_back(books, payment_id, DUE - DAY)
        with pytest.raises(ChargedBackInFuture):
            charge_back(books, payment_id, DUE + DAY)
        with pytest.raises(ReasonMissing):
            books.run(charge_back_payment, payment_id, ChargeBackPayment(" "))
        charge_back(books, payment_id)
        with pytest.raises(AlreadyReversed):
            charge_back(books, payment_id)
        with pytest.raises(AlreadyReversed):
            books.reverse(payment_id)
        with pytest.raises(Unknown):
            charge_back(books, UUID(int=404))


class TestCreditNote:
    def test_beyond_what_is_open_covers_fees_first_and_then_is_the_customers(
        self, books: Books
    ) -> None:
        invoice_id = books.invoice()
        books.on(DUE + 10 * DAY)
        books.pay("311.67", invoice_id=invoice_id)
        books.on(DUE + 40 * DAY)
        note = credit(books, invoice_id, "400.00")
        # 200.00 were open, with 2.00 of interest for thirty days
        assert (note.applied, note.credit) == (brl("202.00"), brl("198.00"))
        assert note.total == brl("400.00")
        invoice = books.of_invoice(invoice_id)
        assert invoice.forgiven_of == {"credited": Split(principal=20_000)}
        assert invoice.paid.mora == 367
        assert invoice.status == "paid"
        assert books.credit() == {"BRL": 19_800}

    def test_numbers_come_from_a_series_of_their_own(self, books: Books) -> None:
        invoice_id = books.invoice("10.00")
        assert [credit(books, invoice_id, "1.00").number for _ in range(2)] == [
            "CN-000001",
            "CN-000002",
        ]
        assert books.invoice("10.00") is not None

    @pytest.mark.parametrize("how", ["reversed", "charged back"])
    def test_counts_on_its_own_invoice_first_when_the_payment_is_reversed(
        self, books: Books, how: str
    ) -> None:
        """The invoice had been paid, so that its credit note became credit; now it takes principal off again."""
        invoice_id = books.invoice("50.00")
        payment_id = books.pay("50.00", invoice_id=invoice_id).id
        books.on(date(2024, 3, 2))
        assert credit(books, invoice_id).credit == brl("50.00")
        assert books.credit() == {"BRL": 5_000}
        assert books.of_invoice(invoice_id).forgiven == Split()
        books.on(date(2024, 3, 3))
        if how == "reversed":
            books.reverse(payment_id)
        else:
            charge_back(books, payment_id, date(2024, 3, 2))
        assert books.credit() == {}
        assert books.of_invoice(invoice_id).status == "paid"
        assert books.of_invoice(invoice_id).forgiven_of == {"credited": Split(principal=5_000)}
        assert books.of_invoice(invoice_id).paid == Split()

    def test_in_other_currencies_down_to_their_last_digit(self, books: Books) -> None:
        for day, (currency, price, given) in enumerate(
            (("JPY", "333", "333"), ("KWD", "3.333", "3.333"), ("CLF", "0.3333", "0.3333"))
        ):
            books.on(date(2024, 3, 1 + day))
            invoice_id = books.invoice(price, currency=currency)
            books.pay(price, currency, invoice_id=invoice_id)
            books.on(date(2024, 3, 2 + day))
            note = books.run(credit_invoice, invoice_id, CreditInvoice("returned"))
            assert note.credit == Money(given, currency)
        assert books.credit() == {"JPY": 333, "KWD": 3_333, "CLF": 3_333}
