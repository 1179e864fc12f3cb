"""Money that arrives: over one invoice, several, or whatever is owed; and money that is reversed."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands.payments import (
    AllocatedTwice,
    Allocation,
    AllocationView,
    CurrencyDiffers,
    NoPayer,
    OverAllocated,
    SeveralCustomers,
    TwoTargets,
)
from commands.reversals import ReversePayment, reverse_payment
from commands.tenants import ConfigureTenant, configure_tenant
from commands.unit_of_work import AlreadyExists, Unknown
from ledger.customer import CreditAdded, CreditWithdrawn
from ledger.invoice.events import PaymentReceived
from ledger.invoice.preconditions import ReasonMissing
from ledger.money import (
    MalformedAmount,
    Money,
    NegativeAmount,
    OverPreciseAmount,
    UnknownCurrency,
    ZeroAmount,
)
from ledger.payment import AlreadyReversed, ReceivedInFuture
from ledger.waterfall import Split
from tests.commands.books import Books

DUE = date(2024, 3, 8)
DAY = timedelta(days=1)
WATERFALL = ("other_fees", "late_fee", "mora", "principal")


@pytest.fixture
def books() -> Books:
    return Books()


def brl(amount: str) -> Money:
    return Money(amount, "BRL")


def flags(books: Books) -> list[tuple[int, str]]:
    return [
        (event.amount_minor, event.flag)
        for event in books.events("customer")
        if isinstance(event, CreditAdded)
    ]


class TestOnOneInvoice:
    def test_in_full(self, books: Books) -> None:
        invoice_id = books.invoice()
        books.on(DUE)
        payment = books.pay("500.00", invoice_id=invoice_id, reference="TED 17")
        assert payment.allocations == [AllocationView(invoice_id, brl("500.00"))]
        assert (payment.status, payment.unapplied) == ("received", brl("0.00"))
        assert payment.received_on == DUE
        assert payment.reference.startswith("encrypted:")
        assert books.of_invoice(invoice_id).status == "paid"
        assert books.credit() == {}
        books.assert_money_balances()

    def test_brings_fee_and_interest_up_to_its_date_though_the_clock_never_ran(
        self, books: Books
    ) -> None:
        invoice_id = books.invoice()
        books.on(DUE + 10 * DAY)
        payment = books.pay("600.00", invoice_id=invoice_id)
        assert payment.allocations == [AllocationView(invoice_id, brl("511.67"))]
        assert payment.unapplied == brl("88.33")
        assert books.credit() == {"BRL": 8_833}
        assert flags(books) == [(8_833, "excess")]
        books.assert_money_balances()

    def test_recorded_late_it_counts_from_its_value_date(self, books: Books) -> None:
        invoice_id = books.invoice()
        books.run_clock(DUE, DUE + 30 * DAY)
        books.on(DUE + 30 * DAY)
        payment = books.pay("500.00", invoice_id=invoice_id, received_on=DUE)
        assert payment.unapplied == brl("0.00")
        assert books.of_invoice(invoice_id).charged == Split(principal=50_000)
        assert books.of_invoice(invoice_id).status == "paid"

    def test_dated_long_before_the_issue_it_is_taken(self, books: Books) -> None:
        invoice_id = books.invoice()
        payment = books.pay("100.00", invoice_id=invoice_id, received_on=date(1990, 1, 1))
        assert payment.received_on == date(1990, 1, 1)
        assert books.of_invoice(invoice_id).imputations[0].on == date(2024, 3, 1)
        books.assert_money_balances()

    def test_the_business_date_is_that_of_the_tenants_zone(self, books: Books) -> None:
        invoice_id = books.invoice()
        books.now = books.now.replace(day=9, hour=2)  # 23:00 on the 8th in São Paulo
        payment = books.pay("500.00", invoice_id=invoice_id)
        assert payment.received_on == DUE
        with pytest.raises(ReceivedInFuture):
            books.pay("1.00", invoice_id=invoice_id, received_on=DUE + DAY)


class TestThatAnInvoiceCannotTake:
    """Arrived money is never refused for an invoice's state: it is credit, flagged (ADR 0014)."""

    @pytest.mark.parametrize("status", ["draft", "paid", "void", "cancelled"])
    def test_in_its_state(self, books: Books, status: str) -> None:
        invoice_id = books.draft() if status == "draft" else books.invoice()
        if status == "paid":
            books.pay("500.00", invoice_id=invoice_id)
        if status == "void":
            books.void(invoice_id)
        if status == "cancelled":
            books.cancel(invoice_id)
        before = books.events("invoice", invoice_id)
        payment = books.pay("40.00", invoice_id=invoice_id)
        if status in (
            "paid",
            "cancelled",
        ):  # it may be open again one day, and takes the offer then
            before.append(PaymentReceived(payment.id, Split(), 4_000))
        assert (payment.allocations, payment.unapplied) == ([], brl("40.00"))
        assert books.credit() == {"BRL": 4_000}
        assert flags(books) == [(4_000, f"invoice_{status}")]
        assert books.events("invoice", invoice_id) == before
        books.assert_money_balances()

    def test_in_its_currency(self, books: Books) -> None:
        invoice_id = books.invoice()
        payment = books.pay("1000", "JPY", invoice_id=invoice_id)
        assert payment.unapplied == Money("1000", "JPY")
        assert books.credit() == {"JPY": 1_000}
        assert flags(books) == [(1_000, "other_currency")]

    def test_in_its_currency_though_it_was_named(self, books: Books) -> None:
        in_brl, in_eur = books.invoice("10.00"), books.invoice("10.00", currency="EUR")
        named = (Allocation(in_brl, brl("10.00")), Allocation(in_eur, brl("5.00")))
        payment = books.pay("15.00", allocations=named)
        assert payment.allocations == [AllocationView(in_brl, brl("10.00"))]
        assert flags(books) == [(500, "other_currency")]
        books.assert_money_balances()

    def test_since_nothing_is_open(self, books: Books) -> None:
        books.invoice("10.00", currency="EUR")
        payment = books.pay("7.00", customer_id=books.customer_id)
        assert payment.unapplied == brl("7.00")
        assert flags(books) == [(700, "nothing_open")]


class TestOnSeveralInvoices:
    def test_named_ones_take_no_more_than_was_named_and_owed(self, books: Books) -> None:
        one, two = books.invoice("100.00"), books.invoice("30.00")
        named = (Allocation(one, brl("60.00")), Allocation(two, brl("40.00")))
        payment = books.pay("120.00", allocations=named)
        assert payment.allocations == [
            AllocationView(one, brl("60.00")),
            AllocationView(two, brl("30.00")),
        ]
        assert payment.unapplied == brl("30.00")
        assert books.of_invoice(one).open.total == 4_000
        books.assert_money_balances()

    def test_a_customers_debts_are_met_oldest_due_first(self, books: Books) -> None:
        late, early, middle = (books.invoice("100.00", due_on=DUE + n * DAY) for n in (9, 0, 4))
        payment = books.pay("250.00", customer_id=books.customer_id)
        assert payment.allocations == [
            AllocationView(early, brl("100.00")),
            AllocationView(middle, brl("100.00")),
            AllocationView(late, brl("50.00")),
        ]

    def test_then_by_number(self, books: Books) -> None:
        books.run(configure_tenant, ConfigureTenant(number_format="{n}"))
        sent = [books.invoice("1.00") for _ in range(11)]
        payment = books.pay("11.00", customer_id=books.customer_id)
        assert [part.invoice_id for part in payment.allocations] == sent

    def test_of_other_customers_are_left_alone(self, books: Books) -> None:
        mine = books.invoice("100.00")
        other_customer = books.customer("Jonas")
        theirs = books.invoice("100.00", customer_id=other_customer)
        books.pay("300.00", customer_id=books.customer_id)
        assert books.of_invoice(mine).status == "paid"
        assert books.of_invoice(theirs).open.total == 10_000
        assert books.credit(other_customer) == {}

    def test_of_two_customers_are_refused(self, books: Books) -> None:
        mine = books.invoice("100.00")
        theirs = books.invoice("100.00", customer_id=books.customer("Jonas"))
        named = (Allocation(mine, brl("1.00")), Allocation(theirs, brl("1.00")))
        with pytest.raises(SeveralCustomers) as refused:
            books.pay("2.00", allocations=named)
        assert refused.value.field == "allocations[1].invoice_id"
        with pytest.raises(SeveralCustomers, match="name invoices of one customer"):
            books.pay("2.00", customer_id=books.customer_id, invoice_id=theirs)

    def test_a_customer_beside_an_invoice_is_a_check_and_no_second_target(
        self, books: Books
    ) -> None:
        older, named = books.invoice("100.00"), books.invoice("100.00")
        books.pay("60.00", customer_id=books.customer_id, invoice_id=named)
        allocations = (Allocation(named, brl("40.00")),)
        books.pay("40.00", customer_id=books.customer_id, allocations=allocations)
        assert books.of_invoice(named).status == "paid"
        assert books.of_invoice(older).open.total == 10_000


class TestRefused:
    def test_without_a_payer(self, books: Books) -> None:
        with pytest.raises(NoPayer, match="exactly one of: invoice_id; allocations; customer_id"):
            books.pay("1.00")

    def test_with_two_targets(self, books: Books) -> None:
        invoice_id = books.invoice()
        named = (Allocation(invoice_id, brl("1.00")),)
        for customer in ({}, {"customer_id": books.customer_id}):
            with pytest.raises(TwoTargets, match="leave out invoice_id or allocations"):
                books.pay("1.00", invoice_id=invoice_id, allocations=named, **customer)

    def test_with_more_allocated_than_arrived(self, books: Books) -> None:
        one, two = books.invoice(), books.invoice(currency="EUR")
        named = (Allocation(one, brl("6.00")), Allocation(two, brl("5.00")))
        with pytest.raises(OverAllocated):
            books.pay("10.00", allocations=named)

    def test_with_an_invoice_named_twice(self, books: Books) -> None:
        invoice_id = books.invoice()
        named = (Allocation(invoice_id, brl("1.00")), Allocation(invoice_id, brl("2.00")))
        with pytest.raises(AllocatedTwice):
            books.pay("3.00", allocations=named)

    def test_with_an_allocation_in_another_currency(self, books: Books) -> None:
        named = (Allocation(books.invoice(), Money("1.00", "EUR")),)
        with pytest.raises(CurrencyDiffers) as refused:
            books.pay("3.00", allocations=named)
        assert refused.value.field == "allocations[0].amount"

    @pytest.mark.parametrize(
        ("amount", "currency", "error"),
        [
            ("0.00", "BRL", ZeroAmount),
            ("-1.00", "BRL", NegativeAmount),
            ("1.001", "BRL", OverPreciseAmount),
            ("1,00", "BRL", MalformedAmount),
            ("1.00", "XXX", UnknownCurrency),
        ],
    )
    def test_in_amounts_that_are_none(
        self, books: Books, amount: str, currency: str, error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            books.pay(amount, currency, customer_id=books.customer_id)

    def test_on_what_is_unknown(self, books: Books) -> None:
        nobody = UUID(int=404)
        for target in (
            {"customer_id": nobody},
            {"invoice_id": nobody},
            {"allocations": (Allocation(nobody, brl("1.00")),)},
        ):
            with pytest.raises(Unknown):
                books.pay("1.00", **target)

    def test_under_an_id_that_was_used(self, books: Books) -> None:
        books.pay("1.00", customer_id=books.customer_id)
        books.commands -= 1  # the same idempotency key again, its record purged
        with pytest.raises(AlreadyExists):
            books.pay("1.00", customer_id=books.customer_id)
        assert len(books.events("payment")) == 1

    def test_and_leaves_nothing_behind(self, books: Books) -> None:
        books.invoice()
        before = len(books.log)
        with pytest.raises(ReceivedInFuture):
            books.pay("1.00", customer_id=books.customer_id, received_on=date(2024, 3, 2))
        assert len(books.log) == before


class TestTakenBack:
    def test_from_every_invoice_and_from_credit(self, books: Books) -> None:
        one, two = books.invoice("100.00"), books.invoice("30.00")
        payment = books.pay("150.00", customer_id=books.customer_id)
        assert books.credit() == {"BRL": 2_000}
        view = books.reverse(payment.id)
        assert view.status == "reversed"
        assert books.credit() == {}
        assert [books.of_invoice(one).status, books.of_invoice(two).status] == ["sent", "sent"]
        withdrawn = [e for e in books.events("customer") if isinstance(e, CreditWithdrawn)]
        assert [(e.amount_minor, e.payment_id) for e in withdrawn] == [(2_000, payment.id)]
        books.assert_money_balances()

    def test_with_the_interest_of_the_days_it_had_covered(self, books: Books) -> None:
        invoice_id = books.invoice()
        books.on(DUE)
        payment = books.pay("500.00", invoice_id=invoice_id)
        books.on(DUE + 10 * DAY)
        books.reverse(payment.id)
        invoice = books.of_invoice(invoice_id)
        assert invoice.status == "overdue"
        assert invoice.open == Split(late_fee=1_000, mora=167, principal=50_000)

    def test_from_an_invoice_that_was_cancelled_since(self, books: Books) -> None:
        invoice_id = books.invoice()
        payment = books.pay("200.00", invoice_id=invoice_id)
        books.cancel(invoice_id)
        books.reverse(payment.id)
        assert books.of_invoice(invoice_id).status == "sent"
        assert books.of_invoice(invoice_id).open == Split(principal=20_000)

    def test_though_a_recalculation_had_moved_its_amounts_to_credit(self, books: Books) -> None:
        invoice_id = books.invoice()
        books.on(DUE + 20 * DAY)
        first = books.pay("113.33", invoice_id=invoice_id)
        books.on(DUE + 25 * DAY)
        second = books.pay("400.00", invoice_id=invoice_id, received_on=DUE + 10 * DAY)
        assert second.unapplied == brl("0.00")
        # on the 18th 10.00, 1.67 and 388.33 of principal; on the 28th 0.37 on 111.67, and these: 112.04 of 113.33
        assert books.of_invoice(invoice_id).paid == Split(0, 1_000, 204, 50_000)
        assert books.state("payment", first.id).unapplied_minor == 129
        assert books.credit() == {"BRL": 129}
        assert flags(books) == [(129, "recalculated")]
        books.assert_money_balances()
        books.reverse(first.id)
        assert books.credit() == {}
        # 2.23 of interest by the 2nd of April: ten days on 500.00, fifteen on 111.67
        assert books.of_invoice(invoice_id).open == Split(mora=56, principal=11_167)
        books.assert_money_balances()
        books.reverse(second.id)
        assert books.of_invoice(invoice_id).open == Split(0, 1_000, 417, 50_000)
        books.assert_money_balances()

    def test_once_and_with_a_reason(self, books: Books) -> None:
        payment = books.pay("1.00", customer_id=books.customer_id)
        with pytest.raises(ReasonMissing):
            books.reverse(payment.id, " ")
        books.reverse(payment.id)
        with pytest.raises(AlreadyReversed):
            books.reverse(payment.id)
        with pytest.raises(Unknown):
            books.run(reverse_payment, UUID(int=404), ReversePayment("why"))


@settings(max_examples=60)
@given(data=st.data())
def test_no_money_is_lost_over_several_invoices(data: st.DataObject) -> None:
    books = Books(waterfall=tuple(data.draw(st.permutations(WATERFALL))))
    invoices = [
        books.invoice(f"{data.draw(st.integers(1, 900))}.00", due_on=DUE + n * DAY)
        for n in range(3)
    ]
    today, standing = DUE, list[UUID]()
    for _ in range(data.draw(st.integers(1, 8))):
        today += data.draw(st.integers(0, 15)) * DAY
        books.on(today)
        if data.draw(st.booleans()):
            books.run_clock(today, today)
        if standing and data.draw(st.integers(0, 3)) == 0:
            books.reverse(standing.pop(data.draw(st.integers(0, len(standing) - 1))))
        else:
            target = data.draw(st.sampled_from([None, *invoices]))
            payment = books.pay(
                f"{data.draw(st.integers(1, 1_500))}.{data.draw(st.integers(0, 99)):02}",
                customer_id=books.customer_id,
                invoice_id=target,
                received_on=today - data.draw(st.integers(0, 40)) * DAY,
            )
            standing.append(payment.id)
        books.assert_money_balances()
    for payment_id in standing:
        books.reverse(payment_id)
    assert books.credit() == {}
    books.run_clock(today, today)
    untouched = Books()
    expected = [
        untouched.invoice(_amount(books, invoice_id), due_on=books.of_invoice(invoice_id).due_on)
        for invoice_id in invoices
    ]
    untouched.run_clock(today, today)
    assert [books.of_invoice(one).open for one in invoices] == [
        untouched.of_invoice(one).open for one in expected
    ]


def _amount(books: Books, invoice_id: UUID) -> str:
    return Money.of(books.of_invoice(invoice_id).total_minor, "BRL").amount
