"""Commands that take effect on an earlier day: the books are those that the command on that day would have made."""

from collections.abc import Callable
from datetime import date, timedelta
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
from commands.credit_application import (
    ApplyCredit,
    ApplyPayment,
    NothingToApply,
    apply_credit,
    apply_payment,
)
from commands.holds import (
    DisputeInvoice,
    PromiseToPay,
    ResolveDispute,
    dispute_invoice,
    promise_to_pay,
    resolve_dispute,
)
from commands.invoices import ChangeInvoice, change_invoice
from commands.payments import Allocation
from commands.tenants import ConfigureTenant, configure_tenant
from ledger.invoice.events import Recalculated
from ledger.invoice.preconditions import EffectiveInFuture, EffectiveTooEarly
from ledger.money import Money
from ledger.waterfall import Split
from tests.commands import invariants
from tests.commands.books import Books

DUE = date(2024, 3, 8)
DAY = timedelta(days=1)
ISSUED = date(2024, 3, 1)


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


def test_a_fee_is_paid_by_the_payment_after_it(books: Books) -> None:
    invoice_id = books.invoice()
    books.on(date(2024, 3, 5))
    books.pay("500.00", invoice_id=invoice_id)
    books.on(date(2024, 3, 7))
    fee = ChargeFee(brl("15.00"), "a letter", date(2024, 3, 4))
    view = books.run(charge_fee, invoice_id, fee)
    assert (view.status, view.open) == ("sent", brl("15.00"))
    assert books.of_invoice(invoice_id).paid == Split(other_fees=1_500, principal=48_500)


def test_a_fee_of_a_later_day_is_not(books: Books) -> None:
    invoice_id = books.invoice()
    books.on(date(2024, 3, 5))
    books.pay("480.00", invoice_id=invoice_id)
    books.on(date(2024, 3, 7))
    books.run(charge_fee, invoice_id, ChargeFee(brl("15.00"), "a letter", date(2024, 3, 6)))
    assert books.of_invoice(invoice_id).open == Split(other_fees=1_500, principal=2_000)


def test_a_waiver_frees_what_a_payment_has_covered_since(books: Books) -> None:
    invoice_id = books.invoice()
    books.on(DUE + 10 * DAY)
    books.pay("511.67", invoice_id=invoice_id)
    books.on(DUE + 12 * DAY)
    waiver = WaiveComponent("late_fee", "kindness", effective_on=DUE + 5 * DAY)
    view = books.run(waive, invoice_id, waiver)
    assert (view.status, view.waived) == ("paid", brl("10.00"))
    assert books.of_invoice(invoice_id).paid == Split(0, 0, 167, 50_000)
    assert books.credit() == {"BRL": 1_000}


def test_a_waiver_is_of_no_more_than_was_open_on_its_day(books: Books) -> None:
    invoice_id = books.invoice()
    books.on(DUE + 10 * DAY)
    books.run_clock(DUE, DUE + 10 * DAY)
    view = books.run(waive, invoice_id, WaiveComponent("mora", "kindness", None, DUE + 5 * DAY))
    assert view.waived == brl("0.83")
    assert view.outstanding.mora == brl("0.84")


def test_what_was_paid_after_a_write_off_is_a_recovery(books: Books) -> None:
    invoice_id = books.invoice()
    books.on(date(2024, 3, 6))
    books.pay("200.00", invoice_id=invoice_id)
    books.on(date(2024, 3, 7))
    view = books.run(write_off, invoice_id, WriteOffInvoice("gone", None, date(2024, 3, 4)))
    assert (view.status, view.written_off) == ("written_off", brl("300.00"))
    books.on(DUE + 10 * DAY)
    books.run_clock(DUE, DUE + 10 * DAY)
    assert books.of_invoice(invoice_id).charged == Split(principal=50_000)


def test_a_part_is_written_off_in_the_order_of_components(books: Books) -> None:
    """On the 13th 10.00 and 0.83 were open of the charges; from the 14th on, interest counts on 410.83."""
    invoice_id = books.invoice()
    books.on(DUE + 10 * DAY)
    books.run_clock(DUE, DUE + 10 * DAY)
    view = books.run(write_off, invoice_id, WriteOffInvoice("gone", brl("100.00"), DUE + 5 * DAY))
    assert (view.status, view.written_off) == ("overdue", brl("100.00"))
    assert books.of_invoice(invoice_id).written_off == Split(0, 1_000, 83, 8_917)
    # 0.83 by the 13th, and 0.69 for five days on 410.83: 1.52 in all
    assert books.of_invoice(invoice_id).open == Split(0, 0, 69, 41_083)


def test_a_credit_note_comes_before_the_payments_after_it(books: Books) -> None:
    invoice_id = books.invoice()
    books.on(date(2024, 3, 6))
    books.pay("500.00", invoice_id=invoice_id)
    books.on(date(2024, 3, 7))
    command = CreditInvoice("returned", brl("100.00"), effective_on=date(2024, 3, 5))
    note = books.run(credit_invoice, invoice_id, command)
    assert (note.applied, note.credit) == (brl("100.00"), brl("0.00"))
    assert books.of_invoice(invoice_id).paid == Split(principal=40_000)
    assert books.credit() == {"BRL": 10_000}


class TestDisputes:
    @pytest.fixture(autouse=True)
    def holds(self, books: Books) -> None:
        books.run(configure_tenant, ConfigureTenant(dispute_holds_interest=True))

    def test_one_holds_interest_from_the_day_after_it_was_raised(self, books: Books) -> None:
        """Four days on 500.00, six on 300.00: 0.67 and 0.60."""
        invoice_id = books.invoice()
        books.on(DUE + 10 * DAY)
        command = DisputeInvoice("never ordered", brl("200.00"), DUE + 4 * DAY)
        books.run(dispute_invoice, invoice_id, command)
        assert books.of_invoice(invoice_id).charged.mora == 127

    def test_it_holds_no_more_from_the_day_after_it_was_resolved(self, books: Books) -> None:
        """Twenty days on 500.00, six of them without 200.00: 2.93."""
        invoice_id = books.invoice()
        books.on(DUE + 4 * DAY)
        command = DisputeInvoice("never ordered", brl("200.00"))
        books.run(dispute_invoice, invoice_id, command)
        books.on(DUE + 20 * DAY)
        resolved = ResolveDispute("accepted", "ours", DUE + 10 * DAY)
        books.run(resolve_dispute, invoice_id, resolved)
        assert books.of_invoice(invoice_id).charged.mora == 293

    def test_a_void_invoice_owes_nothing_however_its_dispute_ends(self, books: Books) -> None:
        invoice_id = books.invoice()
        books.on(DUE + 4 * DAY)
        books.run(dispute_invoice, invoice_id, DisputeInvoice("never ordered"))
        books.on(DUE + 10 * DAY)
        books.void(invoice_id)
        resolved = ResolveDispute("accepted", "ours", DUE + 6 * DAY)
        view = books.run(resolve_dispute, invoice_id, resolved)
        assert (view.status, view.open) == ("void", brl("0.00"))

    def test_credit_that_is_freed_is_applied_where_the_tenant_has_it_so(self, books: Books) -> None:
        """0.60 of interest less, once 200.00 are disputed for nine of the ten days."""
        books.run(configure_tenant, ConfigureTenant(apply_credit="automatic"))
        invoice_id, other = books.invoice(), books.invoice("50.00", due_on=DUE + 90 * DAY)
        books.on(DUE + 10 * DAY)
        books.pay("511.67", invoice_id=invoice_id)
        books.on(DUE + 11 * DAY)
        command = DisputeInvoice("never ordered", brl("200.00"), DUE + DAY)
        books.run(dispute_invoice, invoice_id, command)
        assert books.of_invoice(invoice_id).charged.mora == 107
        assert books.of_invoice(other).open.total == 4_940
        assert books.credit() == {}


def test_a_promise_of_an_earlier_day_is_judged_at_once(books: Books) -> None:
    invoice_id = books.invoice()
    books.on(date(2024, 3, 4))
    books.pay("200.00", invoice_id=invoice_id)
    books.on(date(2024, 3, 7))
    for amount, kept in (("200.00", True), ("200.01", False)):
        command = PromiseToPay(date(2024, 3, 5), brl(amount), "by phone", date(2024, 3, 2))
        view = books.run(promise_to_pay, invoice_id, command)
        assert view.promise.kept is kept


def test_of_two_moved_due_dates_the_later_day_counts(books: Books) -> None:
    invoice_id = books.invoice()
    books.on(DUE + 20 * DAY)
    books.run_clock(DUE, DUE + 20 * DAY)
    for due_on, on in ((DUE + 10 * DAY, DUE - DAY), (DUE + 3 * DAY, DUE - 2 * DAY)):
        change = ChangeInvoice(due_on, reason="agreed", effective_on=on)
        books.run(change_invoice, invoice_id, change)
    invoice = books.of_invoice(invoice_id)
    assert (invoice.due_on, invoice.overdue_on) == (DUE + 10 * DAY, DUE + 11 * DAY)
    assert invoice.charged == Split(0, 1_000, 167, 50_000)


class TestAppliedCredit:
    @pytest.mark.parametrize("what", ["a payment", "credit"])
    def test_in_time_leaves_no_charge(self, books: Books, what: str) -> None:
        payment_id = books.pay("600.00", customer_id=books.customer_id).id
        invoice_id = books.invoice()
        books.on(DUE + 10 * DAY)
        books.run_clock(DUE, DUE + 10 * DAY)
        if what == "credit":
            command = ApplyCredit("BRL", invoice_id, effective_on=DUE)
            view = books.run(apply_credit, books.customer_id, command)
            assert (view.applied, view.credit) == (brl("500.00"), brl("100.00"))
        else:
            books.run(apply_payment, payment_id, ApplyPayment(invoice_id, effective_on=DUE))
        assert books.of_invoice(invoice_id).charged == Split(principal=50_000)
        assert books.of_invoice(invoice_id).status == "paid"
        assert books.credit() == {"BRL": 10_000}

    def test_before_the_issue_counts_from_there(self, books: Books) -> None:
        payment_id = books.pay("50.00", customer_id=books.customer_id).id
        books.on(date(2024, 3, 3))
        invoice_id = books.invoice("50.00")
        command = ApplyPayment(invoice_id, effective_on=date(2024, 3, 2))
        books.run(apply_payment, payment_id, command)
        assert books.of_invoice(invoice_id).imputations[0].on == date(2024, 3, 3)

    def test_not_before_the_payment_came(self, books: Books) -> None:
        invoice_id = books.invoice()
        books.on(DUE + 10 * DAY)
        named = (Allocation(invoice_id, brl("111.67")),)
        payment_id = books.pay("1100.00", allocations=named).id
        with pytest.raises(NothingToApply, match="was there on 2024-03-08"):
            books.run(apply_payment, payment_id, ApplyPayment(invoice_id, effective_on=DUE))
        credit_back = ApplyCredit("BRL", invoice_id, effective_on=DUE)
        with pytest.raises(NothingToApply):
            books.run(apply_credit, books.customer_id, credit_back)


class TestAutomatically:
    """What an earlier day opens or frees does not wait where the tenant has credit applied automatically."""

    @pytest.fixture(autouse=True)
    def automatic(self, books: Books) -> None:
        books.run(configure_tenant, ConfigureTenant(apply_credit="automatic"))

    def test_a_fee_on_a_paid_invoice_takes_credit(self, books: Books) -> None:
        invoice_id = books.invoice()
        books.on(date(2024, 3, 5))
        books.pay("500.00", invoice_id=invoice_id)
        books.on(date(2024, 3, 6))
        books.pay("40.00", customer_id=books.customer_id)
        assert books.credit() == {"BRL": 4_000}
        books.run(charge_fee, invoice_id, ChargeFee(brl("15.00"), "a letter", date(2024, 3, 4)))
        assert books.of_invoice(invoice_id).status == "paid"
        assert books.credit() == {"BRL": 2_500}

    @pytest.mark.parametrize("how", ["waived", "written off"])
    def test_what_is_freed_goes_to_what_is_open(self, books: Books, how: str) -> None:
        invoice_id, other = books.invoice(), books.invoice("50.00", due_on=DUE + 90 * DAY)
        books.on(DUE + 10 * DAY)
        books.pay("511.67", invoice_id=invoice_id)
        books.on(DUE + 12 * DAY)
        if how == "waived":
            waiver = WaiveComponent("late_fee", "kindness", brl("4.00"), DUE + 5 * DAY)
            books.run(waive, invoice_id, waiver)
            assert books.of_invoice(other).open.total == 4_600
        else:
            # what was written off is recovered, but five days of interest on 50.00 are not owed: 1.58, not 1.67
            books.run(write_off, invoice_id, WriteOffInvoice("gone", brl("60.83"), DUE + 5 * DAY))
            assert books.of_invoice(invoice_id).written_off == Split()
            assert books.of_invoice(other).open.total == 4_991
        assert books.credit() == {}


def test_the_day_on_which_nothing_was_open_any_more(books: Books) -> None:
    """10.00 that were told late pay the rest on the 1st; a fee of the 4th is paid on the 6th."""
    invoice_id = books.invoice()
    books.on(date(2024, 3, 2))
    books.pay("490.00", invoice_id=invoice_id)
    books.on(date(2024, 3, 4))
    books.run(charge_fee, invoice_id, ChargeFee(brl("10.00"), "a letter"))
    books.on(date(2024, 3, 6))
    books.pay("20.00", invoice_id=invoice_id)
    books.on(DUE)
    books.pay("10.00", invoice_id=invoice_id, received_on=ISSUED)
    (*_, last) = [one for one in books.events("invoice") if isinstance(one, Recalculated)]
    assert last.settled_on == date(2024, 3, 6)
    assert books.credit() == {"BRL": 1_000}


WRITES: list[tuple[Callable[..., Any], Callable[[date], Any]]] = [
    (charge_fee, lambda on: ChargeFee(brl("1.00"), "a letter", on)),
    (waive, lambda on: WaiveComponent("principal", "kindness", brl("1.00"), on)),
    (write_off, lambda on: WriteOffInvoice("gone", brl("1.00"), on)),
    (credit_invoice, lambda on: CreditInvoice("returned", brl("1.00"), effective_on=on)),
    (dispute_invoice, lambda on: DisputeInvoice("never ordered", brl("1.00"), on)),
    (promise_to_pay, lambda on: PromiseToPay(DUE, brl("1.00"), effective_on=on)),
    (
        change_invoice,
        lambda on: ChangeInvoice(DUE + 30 * DAY, reason="agreed", effective_on=on),
    ),
]


@pytest.mark.parametrize(
    ("handler", "command"), WRITES, ids=lambda one: getattr(one, "__name__", "")
)
def test_no_day_to_come_and_none_before_the_issue(
    books: Books, handler: Callable[..., Any], command: Callable[[date], Any]
) -> None:
    invoice_id = books.invoice()
    books.on(date(2024, 3, 5))
    before = len(books.log)
    for on, error in (
        (date(2024, 3, 6), EffectiveInFuture),
        (ISSUED - DAY, EffectiveTooEarly),
    ):
        with pytest.raises(error) as refused:
            books.run(handler, invoice_id, command(on))
        assert refused.value.field == "effective_on"
    assert len(books.log) == before
    books.run(handler, invoice_id, command(ISSUED))
    new = [new for _, one, new in books.log[before:] if one == invoice_id]
    assert new[0].effective_on == ISSUED


def test_credit_of_a_day_to_come_is_refused(books: Books) -> None:
    payment_id: UUID = books.pay("50.00", customer_id=books.customer_id).id
    books.invoice("50.00")
    with pytest.raises(EffectiveInFuture):
        books.run(apply_payment, payment_id, ApplyPayment(effective_on=ISSUED + DAY))
    command = ApplyCredit("BRL", effective_on=ISSUED + DAY)
    with pytest.raises(EffectiveInFuture):
        books.run(apply_credit, books.customer_id, command)
