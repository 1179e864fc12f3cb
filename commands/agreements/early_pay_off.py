"""Paying an agreement off early: interest of the time to come is given back, and one payment settles the rest."""

from uuid import UUID

import msgspec

from commands.agreements.lifecycle import agreement_view_of
from commands.agreements.pay_off_quote import contract_of, open_instalments
from commands.agreements.view import AgreementView
from commands.credit import post, room_of
from commands.payments import (
    Allocation,
    CurrencyDiffers,
    PaymentView,
    ReceivePayment,
    receive_payment,
)
from commands.tenants import today
from commands.unit_of_work import Unit, load
from ledger.agreement import pay_off
from ledger.agreement.decisions import require_payable_off
from ledger.agreement.state import Agreement
from ledger.errors import Rejected
from ledger.invoice import adjusting
from ledger.invoice.state import Invoice
from ledger.money import Money, format_minor, positive_minor


class PayOffTooLow(Rejected):
    """The payment is less than what pays the agreement off today."""


class NothingToPayOff(Rejected):
    """Nothing is open on the agreement: each instalment was paid, waived or written off."""


class PayOffAgreement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payment that pays the agreement off today. What it is more than that becomes the customer's credit."""

    amount: Money
    reference: str = ""


class PaidOffView(msgspec.Struct, frozen=True):
    """The agreement, its payment, and the interest that was given back."""

    agreement: AgreementView
    payment: PaymentView
    interest_returned: Money


def pay_off_agreement(unit: Unit, agreement_id: UUID, command: PayOffAgreement) -> PaidOffView:
    """Pays an agreement in force off, today.

    Raises Unknown, NotActive, NothingToPayOff, PayOffTooLow, CurrencyDiffers, AlreadyExists, and the refusals of a
    malformed amount.
    """
    agreement: Agreement = load(unit, "agreement", agreement_id)
    now_on = today(unit)
    require_payable_off(agreement, now_on, now_on)
    ids = [part.invoice_id for part in agreement.instalments]
    unit.expect(ids)
    invoices: dict[UUID, Invoice] = {one: load(unit, "invoice", one) for one in ids}
    settled = pay_off.pay_off(
        contract_of(agreement, invoices), open_instalments(agreement, invoices, now_on), now_on
    )
    total_minor = sum(one.to_pay_minor for one in settled)
    if total_minor == 0:
        raise NothingToPayOff(
            "nothing is open on the agreement; what was written off is recovered by a payment on its instalment"
        )
    amount_minor = positive_minor(command.amount)
    if command.amount.currency != agreement.currency:
        raise CurrencyDiffers(f"the agreement is in {agreement.currency}", field="amount")
    if amount_minor < total_minor:
        raise PayOffTooLow(
            f"{format_minor(total_minor, agreement.currency)} pays the agreement off today; "
            "pay that, or record an ordinary payment",
            field="amount",
        )
    due_on = {part.invoice_id: part.due_on for part in agreement.instalments}
    for one in settled:
        if one.returned_minor:
            invoice: Invoice = load(unit, "invoice", one.invoice_id)
            room = room_of(unit, one.invoice_id)
            decision = adjusting.return_interest(
                invoice, agreement_id, one.returned_minor, due_on[one.invoice_id], now_on, room
            )
            post(unit, one.invoice_id, decision.new)
    allocations = tuple(
        Allocation(one.invoice_id, Money.of(one.to_pay_minor, agreement.currency))
        for one in settled
        if one.to_pay_minor
    )
    received = ReceivePayment(command.amount, allocations=allocations, reference=command.reference)
    payment = receive_payment(unit, received)
    returned_minor = sum(one.returned_minor for one in settled)
    return PaidOffView(
        agreement=agreement_view_of(unit, agreement_id),
        payment=payment,
        interest_returned=Money.of(returned_minor, agreement.currency),
    )
