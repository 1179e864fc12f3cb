"""Invoices that an agreement took over, and what becomes known of them later.

The takeover takes what the agreement was made over, and no more: what opens beside it is owed on the invoice.
"""

from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from commands.adjustments import (
    ChargeFee,
    WaiveComponent,
    WriteOffInvoice,
    charge_fee,
    waive,
    write_off,
)
from commands.invoices import ChangeInvoice, CloseInvoice, change_invoice, void_invoice
from commands.payments import Allocation
from commands.reversals import (
    ChargeBackPayment,
    ReallocatePayment,
    ReversePayment,
    charge_back_payment,
    reallocate_payment,
    reverse_payment,
)
from ledger.chart_of_accounts import Account
from ledger.invoice.preconditions import EffectiveTooEarly, TakenOver
from ledger.money import Money
from ledger.waterfall import Split
from tests.commands import invariants
from tests.commands.lending import Lending, brl
from tests.ledger.bookkeeping import assert_agree, journal

TAKEN_OVER_ON, TODAY = date(2024, 3, 10), date(2024, 3, 15)


class Taken(NamedTuple):
    """500.00, of which 100.00 were paid in time; 400.00 with 8.00 of fee and 0.27 of interest were taken over."""

    books: Lending
    invoice_id: UUID
    payment_id: UUID
    agreement_id: UUID

    def pay_everything(self) -> None:
        """Until nothing is open any more, on the invoice, on others, and on the instalments."""
        while payable := self.books.payable(self.books.customer_id):
            owed = sum(invoice.open.total for _, invoice in payable)
            self.books.pay(Money.of(owed, "BRL").amount, customer_id=self.books.customer_id)

    def balance(self, account: Account) -> int:
        return journal(self.books.log).balances["BRL", account]


@pytest.fixture
def taken() -> Taken:
    books = Lending()
    invoice_id = books.invoice()
    payment_id = books.pay("100.00", invoice_id=invoice_id).id
    books.on(TAKEN_OVER_ON)
    agreement = books.lend(invoice_ids=(invoice_id,))
    assert agreement.principal == brl("408.27")
    assert books.of_invoice(invoice_id).status == "renegotiated"
    books.on(TODAY)
    return Taken(books, invoice_id, payment_id, agreement.id)


@pytest.fixture(autouse=True)
def sound(taken: Taken) -> Any:
    """After every test here, the invariants hold, and the journal agrees with the states."""
    yield
    invariants.assert_sound(taken.books)
    states = [(kind, state) for _, kind, state in invariants.states(taken.books)]
    assert_agree(journal(taken.books.log).balances, states)


def reversal(taken: Taken) -> None:
    taken.books.run(reverse_payment, taken.payment_id, ReversePayment("bounced"))


def reversal_in_part(taken: Taken) -> None:
    taken.books.run(reverse_payment, taken.payment_id, ReversePayment("bounced", brl("30.00")))


def charge_back(taken: Taken) -> None:
    taken.books.run(charge_back_payment, taken.payment_id, ChargeBackPayment("recalled"))


def charge_back_of_before(taken: Taken) -> None:
    command = ChargeBackPayment("recalled", date(2024, 3, 9), brl("60.00"))
    taken.books.run(charge_back_payment, taken.payment_id, command)


def late_payment(taken: Taken) -> None:
    taken.books.pay("50.00", invoice_id=taken.invoice_id, received_on=date(2024, 3, 5))


def reversal_and_late_payment(taken: Taken) -> None:
    reversal(taken)
    late_payment(taken)


def reallocation_away(taken: Taken) -> None:
    other = taken.books.invoice("100.00", due_on=date(2024, 6, 1))
    named = (Allocation(other, brl("100.00")),)
    command = ReallocatePayment("meant for another", named)
    taken.books.run(reallocate_payment, taken.payment_id, command)


def reallocation_to_it(taken: Taken) -> None:
    reversal(taken)
    other = taken.books.invoice("40.00", due_on=date(2024, 6, 1))
    payment_id = taken.books.pay("40.00", invoice_id=other).id
    named = (Allocation(taken.invoice_id, brl("40.00")),)
    taken.books.run(reallocate_payment, payment_id, ReallocatePayment("meant for it", named))


def waiver_beside_it(taken: Taken) -> None:
    reversal(taken)
    command = WaiveComponent("principal", "kindness", brl("2.06"))
    taken.books.run(waive, taken.invoice_id, command)


def write_off_beside_it(taken: Taken) -> None:
    reversal(taken)
    taken.books.run(write_off, taken.invoice_id, WriteOffInvoice("gone"))


def fee_beside_it(taken: Taken) -> None:
    reversal(taken)
    fee = ChargeFee(brl("9.00"), "a letter", date(2024, 3, 12))
    taken.books.run(charge_fee, taken.invoice_id, fee)


@pytest.mark.parametrize(
    "happens",
    [
        reversal,
        reversal_in_part,
        charge_back,
        charge_back_of_before,
        late_payment,
        reversal_and_late_payment,
        reallocation_away,
        reallocation_to_it,
        waiver_beside_it,
        write_off_beside_it,
        fee_beside_it,
    ],
    ids=lambda one: one.__name__,
)
def test_when_everything_is_paid_nothing_is_receivable(
    taken: Taken, happens: Callable[[Taken], None]
) -> None:
    assert taken.balance("loans_receivable") == 40_827
    happens(taken)
    assert taken.balance("loans_receivable") == 40_827
    taken.pay_everything()
    assert taken.books.status(taken.agreement_id) == "paid"
    for account in (
        "loans_receivable",
        "receivable_principal",
        "receivable_late_fee",
        "receivable_mora",
        "receivable_other_fees",
    ):
        assert taken.balance(account) == 0, account


class TestReopened:
    def test_by_a_reversal_it_owes_what_the_payment_had_covered(self, taken: Taken) -> None:
        """Late on the 9th 500.00 were open: 10.00 of fee and 0.33 of interest by the 10th. 408.27 of that were taken
        over, so that 102.06 of principal stay, and bear 0.17 in the five days since."""
        reversal(taken)
        invoice = taken.books.of_invoice(taken.invoice_id)
        assert (invoice.status, invoice.open) == ("overdue", Split(0, 0, 17, 10_206))
        assert invoice.forgiven_of == {"renegotiated": Split(0, 1_000, 33, 39_794)}

    def test_by_a_charge_back_too(self, taken: Taken) -> None:
        """It stood until the 15th: the takeover took what it did."""
        charge_back(taken)
        invoice = taken.books.of_invoice(taken.invoice_id)
        assert (invoice.status, invoice.open) == ("overdue", Split(principal=10_000))
        assert invoice.forgiven_of == {"renegotiated": Split(0, 800, 27, 40_000)}

    @pytest.mark.parametrize("how", [reversal, charge_back], ids=lambda one: one.__name__)
    def test_it_is_neither_void_nor_due_on_another_day(
        self, taken: Taken, how: Callable[[Taken], None]
    ) -> None:
        how(taken)
        before = len(taken.books.log)
        for handler, command in (
            (void_invoice, CloseInvoice("a slip")),
            (change_invoice, ChangeInvoice(date(2024, 6, 1), reason="agreed")),
        ):
            with pytest.raises(TakenOver, match="waive or write off what is open beside"):
                taken.books.run(handler, taken.invoice_id, command)
        assert len(taken.books.log) == before

    def test_nothing_is_changed_of_what_was_open_before(self, taken: Taken) -> None:
        reversal(taken)
        fee = ChargeFee(brl("1.00"), "a letter", date(2024, 3, 9))
        with pytest.raises(EffectiveTooEarly, match="when an agreement took over"):
            taken.books.run(charge_fee, taken.invoice_id, fee)

    def test_a_payment_of_before_counts_after_the_takeover(self, taken: Taken) -> None:
        late_payment(taken)
        assert taken.books.of_invoice(taken.invoice_id).status == "renegotiated"
        assert taken.books.credit() == {"BRL": 5_000}
        reversal(taken)
        invoice = taken.books.of_invoice(taken.invoice_id)
        # 102.06 of principal, less 50.00 on the 10th; 0.09 of interest in five days
        assert (invoice.status, invoice.open) == ("overdue", Split(0, 0, 9, 5_206))
        assert taken.books.credit() == {}
